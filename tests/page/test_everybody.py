"""The page for everybody: by keyboard alone, on a phone, and as axe-core judges it."""

from __future__ import annotations

from typing import Any

import axe_playwright_python.base as axe
import pytest
from playwright.async_api import expect

from tests.e2e.stage import DONE
from tests.page.conftest import OpenTab, Tab

pytestmark = pytest.mark.asyncio(loop_scope="session")


RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}


async def faults(tab: Tab) -> list[str]:
    """What axe-core finds that is serious or worse."""
    found: dict[str, Any] = await tab.sheet.evaluate("rules => axe.run(rules)", RULES)
    return [
        f"{each['id']}: {node['html'][:200]} {node['failureSummary']}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


async def tabbed(tab: Tab, selector: str, *, most: int = 80) -> None:
    """Presses Tab until the focus is there."""
    for _ in range(most):
        if await tab.sheet.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
        await tab.sheet.keyboard.press("Tab")
    raise AssertionError(f"no Tab leads to {selector}")


@pytest.mark.thorough
async def test_everything_goes_by_keyboard_alone(tab: OpenTab) -> None:
    mia = await tab()
    keys = mia.sheet.keyboard
    await keys.press("Tab")
    await keys.press("Enter")  # the link that skips to where one writes
    await keys.type("/ani")
    await expect(mia.find("#words")).to_have_attribute("aria-activedescendant", "command-0")
    await keys.press("Enter")
    await tabbed(mia, ".drop button.plain")
    await keys.press("Enter")
    await expect(mia.find(".held")).to_contain_text("cat.jpg")
    await tabbed(mia, '[data-name="prompt"] textarea')
    await keys.type("typed, never clicked")
    await keys.press("Enter")
    card = mia.message("typed, never clicked")
    await mia.says(card, DONE)

    await expect(mia.find("#words")).to_be_focused()
    more = card.get_by_role("button", name="More for")
    await more.focus()
    await keys.press("Enter")
    await expect(mia.sheet.get_by_role("menuitem").first).to_be_focused()
    await keys.press("ArrowDown")
    await expect(mia.sheet.get_by_role("menuitem").nth(1)).to_be_focused()
    await keys.press("Escape")
    await expect(more).to_be_focused()
    edit = card.get_by_role("button", name="Edit")
    await edit.focus()
    await keys.press("Enter")
    await expect(mia.find("#modal textarea")).to_be_focused()
    await keys.press("Escape")
    await expect(edit).to_be_focused()

    await tabbed(mia, "[role=tab][aria-selected=true]", most=400)
    await keys.press("ArrowRight")
    await expect(mia.find("#tab-requests")).to_be_focused()
    await expect(mia.find("#requests")).to_be_visible()


@pytest.mark.thorough
async def test_on_a_phone_nothing_scrolls_sideways_and_the_sides_are_drawers(tab: OpenTab) -> None:
    mia = await tab(width=390)

    async def fits() -> bool:
        return bool(await mia.sheet.evaluate("document.documentElement.scrollWidth <= innerWidth"))

    card = await mia.animate("fits into a hand, " + "averyveryverylongwordthatgoesonandon" * 3)
    await mia.says(card, DONE)
    assert await fits()
    await mia.sheet.click("#open-places")
    await expect(mia.find("#who")).to_be_in_viewport()
    assert await fits()
    await mia.sheet.keyboard.press("Escape")
    await expect(mia.find("#open-places")).to_be_focused()
    await mia.press("Inspector")
    for name in ("Jobs", "Requests", "Ledger", "Log"):
        await mia.sheet.get_by_role("tab", name=name).click()
        assert await fits()
    await mia.press("Inspector")
    await expect(mia.find("#inspector")).not_to_be_visible()
    await mia.open("animate")
    assert await fits()


@pytest.mark.thorough
async def test_axe_finds_nothing_serious(tab: OpenTab) -> None:
    mia = await tab("mia", place="dm")
    await mia.sheet.evaluate(axe.AXE_SCRIPT)
    card = await mia.animate("for every eye")
    await mia.says(card, DONE)
    await mia.open("quota")
    await mia.send()
    await expect(mia.find("#messages > li.private").last).to_be_visible()
    await mia.sheet.click("#tab-ledger")
    await mia.open("animate")
    await mia.send()
    await expect(mia.find(".wrong", "This is required").first).to_be_visible()

    for scheme, width in (("light", 1400), ("dark", 1400), ("dark", 390)):
        await mia.look(scheme=scheme, width=width)
        assert await faults(mia) == [], (scheme, width)
    await mia.press("Inspector")
    assert await faults(mia) == []
    await mia.press("Inspector")
    await mia.sheet.keyboard.press("Escape")
    await mia.press("Leave /animate")
    await card.get_by_role("button", name="Edit").click()
    for scheme in ("light", "dark"):
        await mia.look(scheme=scheme)
        assert await faults(mia) == [], f"the modal, {scheme}"


@pytest.mark.thorough
async def test_the_theme_can_be_chosen_and_is_kept(tab: OpenTab) -> None:
    mia = await tab(scheme="light")

    await mia.press("Light or dark")
    await mia.sheet.reload()

    await expect(mia.find("html")).to_have_attribute("data-theme", "dark")
    await expect(mia.find("body")).to_have_css("background-color", "rgb(49, 51, 56)")
