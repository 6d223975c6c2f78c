"""Starting from a copy: what a card shows at Discord decides whether it may be edited."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest

from bot.chat.posted_video import shows_video
from tests.builders import a_job
from tests.unit.test_discord_errors import PAGE, http_error


def _discord_that_answers(error: discord.HTTPException) -> Any:
    async def get_message(_channel: int, _message: int) -> None:
        raise error

    return cast("Any", SimpleNamespace(http=SimpleNamespace(get_message=get_message)))


@pytest.mark.parametrize("error", [http_error(404, 10008), http_error(403, 50001), http_error(404, 10003)])
async def test_a_card_that_is_gone_or_out_of_reach_shows_no_video(error: discord.HTTPException) -> None:
    assert not await shows_video(_discord_that_answers(error), a_job())


@pytest.mark.parametrize(
    "error", [http_error(403, content_type=PAGE), http_error(404), http_error(401), http_error(503)]
)
async def test_an_answer_that_says_nothing_of_the_card_takes_no_video_off_it(error: discord.HTTPException) -> None:
    with pytest.raises(discord.HTTPException):
        await shows_video(_discord_that_answers(error), a_job())
