"""The page in a real Chromium, as people use it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Locator, expect

from tests.e2e.stage import DONE, png
from tests.page.conftest import OpenTab, Site, Tab

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def expect_playing(tab: Tab, card: Locator) -> None:
    video = card.locator("video")
    await expect(video).to_be_visible()
    playing = "video => video.currentTime > 0 && video.videoWidth > 0"
    await tab.sheet.wait_for_function(playing, arg=await video.element_handle())


async def test_a_newcomer_presses_send_and_sees_a_video_play(site: Site, tab: OpenTab) -> None:
    for message in site.stage.discord.messages(site.stage.discord.world.general):
        await site.stage.discord.delete_message(message)
    mia = await tab()
    await expect(mia.find("#welcome")).to_contain_text("Welcome to the sandbox")
    await expect(mia.find(".held")).to_contain_text("cat.jpg")

    await mia.send()

    card = mia.message("The cat blinks")
    await expect(card).to_contain_text("Mia used /animate")
    await mia.says(card, DONE)
    await expect_playing(mia, card)
    await expect(mia.find("#announce")).to_contain_text(DONE)


STANDS = """video => {
    const { top, bottom } = video.getBoundingClientRect();
    const view = document.getElementById("scroll").getBoundingClientRect();
    return video.videoWidth > 0 && top >= view.top && bottom <= view.bottom;
}"""


@pytest.mark.parametrize(("width", "height"), [(1400, 850), (1366, 700), (390, 844)])
@pytest.mark.thorough
async def test_the_page_follows_a_card_until_its_video_stands_there(
    site: Site, tab: OpenTab, width: int, height: int
) -> None:
    mia = await tab("mia", width=width)
    await mia.sheet.set_viewport_size({"width": width, "height": height})
    card = await mia.animate(f"follow me at {width}")
    await site.stage.discord.post(site.stage.admin, "below it\n" * 5)  # as the note below a first video
    await mia.says(card, DONE)

    await mia.sheet.wait_for_function(STANDS, arg=await card.locator("video").element_handle())


@pytest.mark.thorough
async def test_who_has_scrolled_up_stays_there_until_they_say_something(site: Site, tab: OpenTab) -> None:
    mia = await tab()
    for number in range(12):
        await site.stage.discord.post(site.stage.admin, f"line {number}\n" * 4)
    await expect(mia.message("line 11")).to_be_in_viewport()
    await mia.find("#scroll").hover()
    await mia.sheet.mouse.wheel(0, -600)
    await expect(mia.message("line 11")).not_to_be_in_viewport()

    await site.stage.discord.post(site.stage.admin, "news")
    await expect(mia.message("news")).to_be_attached()
    await expect(mia.message("news")).not_to_be_in_viewport()

    await mia.sheet.fill("#words", "here I am")
    await mia.send()
    await expect(mia.message("here I am")).to_be_in_viewport()


@pytest.mark.thorough
async def test_a_picture_is_attached_by_button_drop_and_paste(tab: OpenTab, tmp_path: Path) -> None:
    mia = await tab()
    (tmp_path / "mine.png").write_bytes(png())
    await mia.open("animate")
    await mia.find(".drop input").set_input_files(tmp_path / "mine.png")
    await expect(mia.find(".held")).to_contain_text("mine.png")

    for event, name in (("drop", "dropped.png"), ("paste", "pasted.png")):
        await mia.sheet.evaluate(
            """([kind, name, bytes]) => {
                const data = new DataTransfer();
                data.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
                const event = kind === "drop"
                    ? new DragEvent("drop", { dataTransfer: data, bubbles: true })
                    : new ClipboardEvent("paste", { clipboardData: data, bubbles: true });
                document.body.dispatchEvent(event);
            }""",
            [event, name, list(png())],
        )
        await expect(mia.find(".held li")).to_have_text([f"{name} 0.1 MB✕"])
    await mia.fill("prompt", "a picture from the clipboard")
    await mia.send()

    card = mia.message("a picture from the clipboard")
    await mia.says(card, DONE)
    await expect_playing(mia, card)


@pytest.mark.thorough
async def test_what_a_command_does_not_take_is_refused_where_one_types_and_by_the_bot(
    tab: OpenTab, tmp_path: Path
) -> None:
    mia = await tab()
    (tmp_path / "notes.txt").write_text("no picture")
    await mia.open("animate")
    await mia.send()
    await expect(mia.find(".wrong", "This is required")).to_have_count(2)

    await mia.find(".drop input").set_input_files(tmp_path / "notes.txt")
    await mia.fill("prompt", "x" * 2001)
    await mia.send()
    await expect(mia.find(".wrong", "between 1 and 2000 characters")).to_be_visible()
    await mia.fill("prompt", "a letter")
    await mia.send()

    refusal = mia.find("#messages > li.private").last
    await expect(refusal).to_contain_text("Only you can see this")
    await expect(refusal).to_contain_text("PNG")
    refused = mia.find(f'[data-message="{await refusal.get_attribute("data-message")}"]')
    await mia.press("Dismiss message", refusal)
    await expect(refused).to_have_count(0)
    await mia.sheet.fill("#words", "/nothing")
    await mia.send()
    await expect(mia.find("#notice")).to_contain_text("There is no such command here")


@pytest.mark.thorough
async def test_an_admin_sets_a_quota_and_the_member_meets_it(tab: OpenTab) -> None:
    admin, newcomer = await tab("admin"), await tab("newcomer")
    await newcomer.sheet.fill("#words", "/")
    await expect(newcomer.find("#commands")).not_to_contain_text("animate-admin")

    await admin.open("animate-admin quota set")
    await admin.choose("user", "@Newcomer")
    await admin.fill("credits", "three")
    await admin.send()
    await expect(admin.find(".wrong", "Enter a whole number")).to_be_visible()
    await admin.fill("credits", "3")
    await admin.press("+ per")
    await admin.choose("per", "per week")
    await admin.send()
    await expect(admin.find("#messages > li.private").last).to_contain_text("3")
    await newcomer.animate("one credit too many")

    refusal = newcomer.find("#messages > li.private").last
    await expect(refusal).to_contain_text("You have 3 credits left.")
    await expect(newcomer.message("one credit too many")).to_have_count(0)
    await admin.sheet.click("#tab-ledger")
    await expect(admin.find("#ledger tbody tr").first).to_contain_text("Newcomer")


@pytest.mark.thorough
async def test_animate_this_asks_in_a_modal(tab: OpenTab, tmp_path: Path) -> None:
    mia = await tab()
    (tmp_path / "cat.png").write_bytes(png())
    async with mia.sheet.expect_file_chooser() as chooser:
        await mia.press("Attach files")
    await (await chooser.value).set_files(tmp_path / "cat.png")
    await mia.sheet.fill("#words", "my **own** cat")
    await mia.send()
    posted = mia.message("my own cat")
    await expect(posted.locator("img").last).to_be_visible()

    await mia.menu(posted, "Animate this")
    modal = mia.find("#modal")
    await expect(modal).to_contain_text("Prompt")
    await mia.press("Submit", modal)
    await expect(modal.locator(".wrong", has_text="This is required")).to_have_count(1)
    await modal.locator("textarea").fill("waves from a modal")
    await mia.press("Submit", modal)

    card = mia.message("waves from a modal")
    await mia.says(card, DONE)
    await expect_playing(mia, card)
    await expect(modal).not_to_be_visible()


IS_AWAY = """() => new Promise(away => {
    const light = document.querySelector("#bot-light");
    new MutationObserver(() => { if (light.textContent !== "Bot online") away(); }).observe(light, { childList: true });
})"""
"""Ends once the bot is away. It may be back before a test looks again."""


@pytest.mark.thorough
async def test_again_works_after_the_bot_was_restarted(tab: OpenTab) -> None:
    mia = await tab()
    card = await mia.animate("once and again")
    await mia.says(card, DONE)
    number = await card.get_attribute("data-message")

    async with asyncio.timeout(30):
        await asyncio.gather(mia.sheet.evaluate(IS_AWAY), mia.press("Restart"))
    await expect(mia.find("#bot-light")).to_have_text("Bot online")
    await mia.press("Again", mia.find(f'[data-message="{number}"]'))

    again = mia.message("once and again")
    await expect(again).not_to_have_attribute("data-message", number or "")
    await mia.says(again, DONE)


@pytest.mark.thorough
async def test_two_people_in_two_tabs_see_what_each_may_see(tab: OpenTab) -> None:
    mia, ana = await tab("mia", place="restricted"), await tab("ana")
    await ana.sheet.fill("#words", "@mia look at `this` <b>cat</b>")
    await ana.send()

    await expect(mia.find("#place-list .badge")).to_have_attribute("aria-label", "1 mention")
    await expect(mia.sheet).to_have_title("(1) animate-bot sandbox")
    await mia.sheet.click('#place-list a[href="#general"]')
    await expect(mia.find("#place-list .badge")).to_have_count(0)
    await expect(mia.message("look at")).to_contain_text("@Mia look at this <b>cat</b>")
    await ana.open("quota")
    await ana.send()
    private = ana.find("#messages > li.private", "credits left").last
    await expect(private.locator("time[data-style=R]").first).to_contain_text("in ")
    number = await private.get_attribute("data-message")
    await expect(mia.find(f'[data-message="{number}"]')).to_have_count(0)
    card = await mia.animate("seen by both")
    await mia.says(card, DONE)
    await expect(ana.message("seen by both")).to_contain_text(DONE)
    await mia.menu(card, "Delete message")
    await expect(ana.message("seen by both")).to_have_count(0)


@pytest.mark.thorough
async def test_the_bot_works_wherever_it_can_be_used(tab: OpenTab) -> None:
    mia = await tab()

    for place in ("restricted", "foreign-general", "dm"):
        await mia.sheet.click(f'#place-list a[href="#{place}"]')
        card = await mia.animate(f"a cat in {place}")
        await mia.says(card, DONE)
        await expect_playing(mia, card)


@pytest.mark.thorough
async def test_who_has_not_installed_the_bot_is_offered_nothing_where_it_is_not(tab: OpenTab) -> None:
    ana = await tab("ana", place="foreign-general")

    await ana.sheet.fill("#words", "/")

    await expect(ana.find("#commands")).to_have_text("There is no such command here.")


@pytest.mark.thorough
async def test_commands_and_times_are_told_in_the_language_that_one_speaks(site: Site, tab: OpenTab) -> None:
    quota = next(command for command in site.stage.discord.commands if command["name"] == "quota")
    before = dict(quota)
    quota["description_localizations"] = {"sv-SE": "Hur mycket du har kvar"}
    ana = await tab("ana")
    try:
        await ana.find("#language select").select_option(label="Swedish (Sweden)")
        await ana.find("#words").fill("/quo")
        await expect(ana.find("#commands li")).to_have_text("/quotaHur mycket du har kvar")
        await ana.send()
        await ana.send()
        await expect(ana.find("#messages > li.private time[data-style=R]").last).to_contain_text("om ")
    finally:
        quota.clear()
        quota.update(before)
        site.stage.discord.world.people["ana"].locale = "en-US"


@pytest.mark.thorough
async def test_a_message_stands_under_its_author(tab: OpenTab) -> None:
    mia = await tab()
    await mia.find("#words").fill("where do I stand")
    await mia.send()
    message = mia.message("where do I stand")

    name, words = await message.locator(".head").bounding_box(), await message.locator(".content").bounding_box()

    assert name is not None
    assert words is not None
    assert name["y"] + name["height"] <= words["y"]


MARKDOWN = {
    "### A *big* day": '<h3 class="size-3">A <em>big</em> day</h3>',
    "-# small": '<p class="subtext">small</p>',
    "**a** __b__ ~~c~~ _d_ `e*f*`": ("<p><strong>a</strong> <u>b</u> <s>c</s> <em>d</em> <code>e*f*</code></p>"),
    "snake_case_name 2*3*4": "<p>snake_case_name 2<em>3</em>4</p>",
    "one\ntwo": "<p>one<br>two</p>",
    "- a\n- b\nc": "<ul><li>a</li><li>b</li></ul><p>c</p>",
    "1. a\n2. b": "<ol><li>a</li><li>b</li></ol>",
    "> said": "<blockquote><p>said</p></blockquote>",
    "```\n# <b>raw</b>\n```": '<pre tabindex="0"><code># &lt;b&gt;raw&lt;/b&gt;</code></pre>',
    "||secret||": '<p><details class="spoiler"><summary>Spoiler</summary>secret</details></p>',
    r"\*plain\*": "<p>*plain*</p>",
    "<img src=x onerror=alert(1)>": "<p>&lt;img src=x onerror=alert(1)&gt;</p>",
    "[x](javascript:alert(1))": "<p>[x](javascript:alert(1))</p>",
    "see <https://a.example/b> (or [c](https://d.example)).": (
        '<p>see <a href="https://a.example/b" target="_blank" rel="noopener noreferrer">https://a.example/b</a> '
        '(or <a href="https://d.example" target="_blank" rel="noopener noreferrer">c</a>).</p>'
    ),
    "</quota:5> by <@1> in <#2>": (
        '<p><span class="mention">/quota</span> by <span class="mention">@unknown</span> '
        'in <span class="mention">#unknown</span></p>'
    ),
}


async def test_markdown_is_drawn_as_discord_draws_it_and_is_never_html(tab: OpenTab) -> None:
    mia = await tab()

    drawn = await mia.sheet.evaluate(
        """async (texts) => {
            const { markdown } = await import("/static/markdown.js");
            return texts.map((text) => markdown(text).map((node) => node.outerHTML).join(""));
        }""",
        list(MARKDOWN),
    )

    assert dict(zip(MARKDOWN, drawn, strict=True)) == MARKDOWN


@pytest.mark.thorough
async def test_timestamps_tick(tab: OpenTab) -> None:
    mia = await tab()
    await mia.sheet.evaluate(
        """async () => {
            const { stamp } = await import("/static/time.js");
            document.body.append(stamp(Math.round(Date.now() / 1000) + 600, "R"));
        }"""
    )
    ticking = mia.find("body > time")
    await expect(ticking).to_have_text("in 10 minutes")

    await ticking.evaluate("time => { time.dataset.at -= 480; }")

    await expect(ticking).to_have_text("in 2 minutes")


async def test_a_list_comes_up_while_one_types_and_has_only_what_fits(tab: OpenTab) -> None:
    mia = await tab()
    await mia.open("animate")
    await mia.press("+ model")
    listed = mia.find('.field[data-name="model"] [role=option]')
    await expect(listed.first).to_contain_text("Sora 2 · 4 s · 4 credits · you have")

    await listed.filter(has_text="Sora 2 Pro").click()
    await mia.press("+ size")
    sizes = mia.find('.field[data-name="size"] [role=option]')
    await expect(sizes).to_have_count(4)
    await mia.sheet.keyboard.type("1792×")
    await expect(sizes).to_have_count(1)
    await sizes.click()
    await mia.sheet.click(".drop button")
    await mia.fill("prompt", "chosen from lists")
    await mia.send()

    await mia.says(mia.message("chosen from lists"), "Sora 2 Pro · 4 s · Landscape 1792×1024 · 20 credits")
