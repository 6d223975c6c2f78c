"""Faults injected from the page: each is chosen, met by a member, and seen in the inspector."""

from __future__ import annotations

import aiohttp
import pytest
from playwright.async_api import expect

from sandbox.providers.registry import PROVIDERS
from tests.e2e.stage import DONE
from tests.page.conftest import OpenTab, Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.thorough
async def test_a_provider_that_fares_badly_is_met_by_the_member_and_seen_in_jobs_and_ledger(tab: OpenTab) -> None:
    mia = await tab()
    ends = {"Failing": "failed", "Moderated": None, "Out of balance": None, "Silent": "done"}
    for fault, end in ends.items():
        await mia.inject(fault)
        await expect(mia.find("#faults label:has(:checked)").first).to_have_text(fault)

        card = await mia.animate(f"with the fault {fault}")

        await mia.says(card, "No video")
        jobs = mia.find("#jobs li", f"with the fault {fault}")
        await (expect(jobs).to_contain_text(end) if end else expect(jobs).to_have_count(0))
    await mia.sheet.click("#tab-ledger")
    await expect(mia.find("#ledger tbody tr", "refund").nth(3)).to_be_visible()


@pytest.mark.thorough
async def test_a_slow_provider_is_waited_for_and_a_job_can_be_ended_by_hand(tab: OpenTab) -> None:
    mia = await tab()
    await mia.inject("Slow")
    first = await mia.animate("takes its time")
    await mia.says(first, "Rendering")
    second = await mia.animate("is broken off")
    await mia.says(second, "Rendering")

    await mia.find("#jobs li", "takes its time").get_by_role("button", name="Finish").click()
    await mia.find("#jobs li", "is broken off").get_by_role("button", name="Fail").click()

    await mia.says(first, DONE)
    await mia.says(second, "No video")


@pytest.mark.thorough
async def test_a_discord_that_answers_429_makes_edits_late_and_500_takes_answers_away(tab: OpenTab) -> None:
    mia = await tab()
    await mia.sheet.click("#tab-requests")
    await mia.inject("429")
    card = await mia.animate("has to wait")
    await expect(mia.find("#requests li", "429").first).to_be_visible()
    await mia.find("#faults label", "Normal").last.click()
    await mia.says(card, DONE)

    await mia.inject("500")
    await mia.open("quota")
    await mia.send()
    await expect(mia.find("#notice")).to_contain_text("The application did not respond")
    await expect(mia.find("#requests li", "500").first).to_contain_text("/interactions/…/…/callback")
    await expect(mia.find("#command")).to_contain_text("/quota")


@pytest.mark.thorough
async def test_a_dropped_gateway_dead_tokens_and_a_deleted_card_lose_no_video(site: Site, tab: OpenTab) -> None:
    mia = await tab()
    await mia.inject("Slow")
    card = await mia.animate("through thick and thin")
    await mia.says(card, "Rendering")
    resumed = site.stage.discord.gateway.resumes
    await mia.press("Expire all tokens")
    await mia.press("Drop the gateway")
    await site.stage.discord.wait_for(lambda: site.stage.discord.gateway.resumes > resumed, 10, "a resumption")

    await mia.find("#jobs li", "through thick").get_by_role("button", name="Finish").click()
    await mia.says(card, DONE)
    gone = await mia.animate("whose card goes")
    await expect(gone).to_contain_text("Rendering")
    await mia.menu(gone, "Delete message")
    await expect(gone).to_have_count(0)
    await mia.find("#jobs li", "whose card goes").get_by_role("button", name="Finish").click()

    await mia.sheet.click('#place-list a[href="#dm"]')
    await expect(mia.message("whose card goes").locator("video")).to_be_visible()


@pytest.mark.thorough
async def test_a_killed_bot_goes_on_when_it_is_started(tab: OpenTab) -> None:
    mia = await tab()
    await mia.inject("Slow")
    card = await mia.animate("survives it")
    await mia.says(card, "Rendering")

    await mia.press("Kill")
    await expect(mia.find("#bot-light")).to_have_text("Bot killed by signal 9")
    await mia.press("Start")
    await expect(mia.find("#bot-light")).to_have_text("Bot online")
    await mia.find("#jobs li", "survives it").get_by_role("button", name="Finish").click()

    await mia.says(card, DONE)
    await mia.sheet.click("#tab-log")
    await expect(mia.find("#log")).to_contain_text("INFO")


@pytest.mark.thorough
async def test_each_request_is_shown_with_its_check(tab: OpenTab, site: Site) -> None:
    mia = await tab()
    await mia.sheet.click("#tab-requests")
    card = await mia.animate("by the book")
    await mia.says(card, DONE)

    create = mia.find("#requests li", "POST /v1/videos").first
    await expect(create.get_by_label("Fits the published API")).to_be_visible()
    assert await mia.find("#requests li.wrong").count() == 0

    discord = site.stage.discord
    url = f"{discord.api_url}/channels/{discord.world.general.id}/messages"
    headers = {"Authorization": f"Bot {discord.token}"}
    async with aiohttp.ClientSession() as session, session.post(url, json={"content": 5}, headers=headers) as answer:
        assert answer.status == 400
    wrong = mia.find("#requests li.wrong")
    await expect(wrong).to_contain_text('$.content: 5 is not of types "null", "string"')
    await expect(wrong.get_by_label("Against the published API")).to_be_visible()
    await mia.find("#only-wrong").check()
    await expect(create).not_to_be_visible()
    await expect(wrong).to_be_visible()
    discord.requests[:] = [x for x in discord.requests if x.body != {"content": 5}]  # it was not the bot's


async def test_the_page_lists_every_api_of_the_registry(tab: OpenTab) -> None:
    mia = await tab()

    apis = mia.find("#faults fieldset", "API of the video service").locator("label")

    await expect(apis).to_have_text([choice.label for choice in PROVIDERS.values()])
