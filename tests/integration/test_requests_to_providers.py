"""What a member asked for reaches the request to the provider whole, also an option that came later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.jobs.steps.request import model_of, request_of
from bot.models import VideoSpec
from tests.builders import a_job
from tests.harness import Harness


@pytest.fixture(name="bot")
def _bot(tmp_path: Path) -> Iterator[Harness]:
    with Harness(tmp_path) as harness:
        yield harness


@dataclass(frozen=True, slots=True)
class WithOptions(VideoSpec):
    """As it would be with two more of them, one of which no request knows."""

    negative_prompt: str | None = None
    mood: str | None = None


def test_an_option_that_the_request_knows_is_filled_in_by_its_name(bot: Harness) -> None:
    model = bot.catalog.models[0]
    spec = WithOptions(model.id, "puts on a hat", 4, "720x1280", 4, negative_prompt="rain", mood="merry")
    job = a_job(spec=spec)
    found = model_of(bot.context, job)
    assert found is not None

    request = request_of(bot.context, job, found[0], b"jpeg")

    assert (request.prompt, request.seconds, request.size) == ("puts on a hat", 4, "720x1280")
    assert (request.negative_prompt, request.picture) == ("rain", b"jpeg")
