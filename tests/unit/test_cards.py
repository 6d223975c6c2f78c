"""What a card says of a provider: the place in its queue, whether it can cancel, and which model stands in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.chat.cards import Cards, Shown
from bot.i18n.translations import TranslationCatalog
from bot.jobs.chat_protocol import Progress
from bot.models import JobState
from tests.builders import a_job, a_spec, seed_catalog

CARDS = Cards(seed_catalog(), TranslationCatalog())


def drawn(progress: Progress, **job: Any) -> str:
    shown = Shown(a_job(state=JobState.RENDERING, **job), progress)
    view: Any = CARDS.progress(shown)
    return json.dumps(view.to_components(), ensure_ascii=False)


@pytest.mark.parametrize(("position", "is_said"), [(3, True), (None, False)])
def test_the_place_in_the_providers_own_queue_is_said_where_it_is_known(position: int | None, *, is_said: bool) -> None:
    card = drawn(Progress(0, queue_position=position))

    assert ("Position in the queue of the video service: 3" in card) is is_said


@pytest.mark.parametrize("can_cancel", [True, False])
def test_cancel_is_offered_where_the_provider_can_and_hide_always(*, can_cancel: bool) -> None:
    card = drawn(Progress(0, can_cancel=can_cancel))

    assert ('"Cancel"' in card) is can_cancel
    assert '"Hide"' in card


def test_the_model_that_stands_in_is_named_with_the_one_asked_for() -> None:
    stands_in = drawn(Progress(0), spec=a_spec(model="sora-2-pro", size="720x1280"), fallback_from="sora-2,gone")

    assert "Sora 2 Pro instead of Sora 2" in stands_in
    assert "instead of" not in drawn(Progress(0))
