"""What a member reads in their list of videos, and beside which entry each small picture stands."""

from __future__ import annotations

from typing import Any

from bot.chat import failures
from bot.chat.videos import video_list
from bot.i18n.translations import TranslationCatalog
from bot.models import FailureKind, Job, JobId, JobState
from tests.builders import a_card, a_job, a_picture, seed_catalog

ENGLISH = TranslationCatalog().english


def listed(*jobs: Job, stills: set[JobId] | None = None) -> list[dict[str, Any]]:
    view: Any = video_list(ENGLISH, list(jobs), 0, seed_catalog(), stills=stills or set())
    components: list[dict[str, Any]] = view.to_components()
    return components


def state(job: Job) -> str:
    return str(listed(job)[0]["content"]).split("**")[1]


def test_each_small_picture_stands_beside_its_own_video() -> None:
    canceled = a_job(3, state=JobState.CANCELLED)
    done = a_job(2, state=JobState.DELIVERED)
    covered = a_job(1, state=JobState.DELIVERED, picture=a_picture(spoiler=True))

    entries = [entry for entry in listed(canceled, done, covered, stills={done.id, covered.id}) if entry["type"] != 1]

    assert [entry["type"] for entry in entries] == [10, 9, 9]
    for entry, job in zip(entries[1:], (done, covered), strict=True):
        (words,), still = entry["components"], entry["accessory"]
        assert f"`{job.key}`" in words["content"]
        assert still["media"]["url"].endswith(f"still-{job.key}.jpg")
        assert still["description"] == f"video {job.key}: puts on a hat"
        assert still["spoiler"] is job.picture.spoiler


def test_of_several_videos_on_one_card_each_that_is_ready_is_done() -> None:
    sent = a_job(state=JobState.DELIVERING)
    shared = sent.evolve(card=a_card(request=sent.id))

    assert state(sent) == state(sent.evolve(fetched=True)) == state(shared) == "📦 almost ready"
    assert state(shared.evolve(fetched=True)) == "✅ done"


def test_a_member_who_was_blocked_reads_it_alone() -> None:
    blocked = a_job(state=JobState.CANCELLED, failure=FailureKind.BLOCKED)

    assert state(blocked) == "🚫 canceled because an admin blocked you, refunded"
    assert state(blocked.evolve(failure=FailureKind.CANCELLED)) == "🚫 canceled"
    assert failures.card_line(ENGLISH, FailureKind.BLOCKED, 4) == "This video was canceled. Your 4 credits are back."
    assert failures.private_line(ENGLISH, FailureKind.BLOCKED, 4) == (
        "This video was canceled because an admin blocked you in this server. Your 4 credits are back. "
        "Ask an admin about it."
    )
