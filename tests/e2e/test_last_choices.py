"""Styles, and my last choices as my defaults: over a restart, switched off in /privacy, told in the export."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.asking import alone
from tests.e2e.conftest import Build
from tests.e2e.stage import Stage

PACKAGED = Path(__file__).parents[2] / "bot" / "catalogs" / "gptproto.toml"
STYLES = '\n[[styles]]\nlabel = "Noir"\nwords = "black and white"\n'


def sent(stage: Stage) -> list[tuple[str, str, str, str]]:
    return [(job.prompt, job.model, job.seconds, job.size) for job in stage.provider.jobs.values()]


async def press(stage: Stage, label: str) -> None:
    page = await alone(await stage.discord.invoke(stage.mia, "privacy"))
    button = next(button for button in page.buttons if button.label == label)
    await stage.discord.press(stage.mia, page, button.custom_id or "")
    await stage.discord.wait_for(lambda: label not in [each.label for each in page.buttons], 10, "the other button")


async def test_what_i_chose_is_my_default_until_i_turn_that_off(build: Build, tmp_path: Path) -> None:
    catalog = tmp_path / "mine.toml"
    catalog.write_text(PACKAGED.read_text() + STYLES)
    stage = await build({"VIDEO_CATALOG": str(catalog), "QUOTA_DEFAULT_CREDITS": "1000"})
    chosen = await stage.animate(model="sora-2-pro", seconds=8, size="1792x1024", style="Noir")
    card = await stage.over(chosen)
    assert "· Noir ·" in card.text()
    await stage.settled()
    assert stage.bot is not None
    await stage.bot.stop()
    await stage.start_bot()

    await stage.over(await stage.animate())
    await stage.over(await stage.animate(model="sora-2", style="none"))
    assert sent(stage) == [
        ("puts on a hat\nblack and white", "sora-2-pro", "8", "1792x1024"),
        ("puts on a hat\nblack and white", "sora-2-pro", "8", "1024x1792"),  # the picture is upright
        ("puts on a hat", "sora-2", "8", "720x1280"),
    ]
    await stage.settled()
    ((kept,),) = stage.rows("SELECT choices FROM users")
    assert json.loads(str(kept)) == {"model": "sora-2", "seconds": 8}

    await press(stage, "Forget my choices")
    assert stage.rows("SELECT choices FROM users") == [(None,)]
    await stage.over(await stage.animate())
    assert sent(stage)[-1] == ("puts on a hat", "sora-2", "4", "720x1280")
    assert stage.rows("SELECT choices FROM users") == [(None,)]


@pytest.mark.thorough
async def test_without_styles_in_the_catalog_the_command_has_none(stage: Stage) -> None:
    command = next(command for command in stage.discord.commands if command["name"] == "animate")

    assert "style" not in [option["name"] for option in command["options"]]
