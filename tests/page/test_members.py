"""What a member finds on a finished card and in their list, in a browser: Improve prompt, Continue, stills."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.e2e.stage import DONE
from tests.page.conftest import OpenTab

pytestmark = pytest.mark.asyncio(loop_scope="session")
LOADED = "image => image.complete && image.naturalWidth > 0"


@pytest.mark.thorough
async def test_an_improved_prompt_comes_into_the_form_and_nothing_is_sent_before(tab: OpenTab) -> None:
    mia = await tab()
    card = await mia.animate("a hat on the page")
    await mia.says(card, DONE)

    await mia.press("Improve prompt", card)
    offer = mia.message("Improved prompt")
    await mia.says(offer, "a hat on the page, in soft evening light")
    await mia.press("Use this prompt", offer)
    await expect(mia.find("#modal textarea").first).to_have_value(
        "a hat on the page, in soft evening light, while the camera slowly moves in"
    )


@pytest.mark.thorough
async def test_continue_opens_a_form_and_the_list_has_a_still(tab: OpenTab) -> None:
    mia = await tab()
    card = await mia.animate("a still of the page")
    await mia.says(card, DONE)

    await mia.press("Continue", card)
    await expect(mia.find("#modal")).to_contain_text("Continue this video")
    await expect(mia.find("#modal textarea").first).to_have_value("a still of the page")
    await mia.sheet.keyboard.press("Escape")

    await mia.open("videos")
    await mia.send()
    listed = mia.find("#messages > li", "a still of the page").last
    still = listed.locator("img[alt*='a still of the page']").first
    await expect(still).to_be_visible()
    await mia.sheet.wait_for_function(LOADED, arg=await still.element_handle())


@pytest.mark.thorough
async def test_a_video_only_to_me_is_seen_by_nobody_else(tab: OpenTab) -> None:
    mia, ana = await tab(), await tab("ana")
    await mia.open("animate")
    await mia.sheet.click(".drop button")
    await mia.fill("prompt", "for my eyes alone")
    await mia.sheet.click("text=show")
    await mia.choose("show", "Only to me")
    await mia.send()
    card = mia.message("for my eyes alone")
    await mia.says(card, DONE)

    await expect(card).to_contain_text("Only you can see this")
    await expect(ana.find("#messages > li", "for my eyes alone")).to_have_count(0)
