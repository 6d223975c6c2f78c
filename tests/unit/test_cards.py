"""What a card says of a provider: the place in its queue, whether it can cancel, and which model stands in."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from discord.components import _component_factory

from bot.chat import text
from bot.chat.cards import Cards, Shown, key_of
from bot.chat.take_cards import TakeCards
from bot.i18n.translations import TranslationCatalog
from bot.jobs.chat_protocol import Progress
from bot.models import KEPT_FOR, FailureKind, Job, JobId, JobState
from tests.builders import a_card, a_job, a_spec, seed_catalog

CARDS = Cards(seed_catalog(), TranslationCatalog())
TAKES = TakeCards(seed_catalog(), TranslationCatalog())


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


def takes(*states: JobState, **job: Any) -> list[Job]:
    """Of one request, the first first."""
    first = JobId(9)
    return [a_job(9 - n, state=state, card=a_card(request=first), **job) for n, state in enumerate(states)]


def texts(view: Any) -> list[str]:
    """What the card says, part by part."""
    (box,) = view.to_components()
    return [part["content"] for part in box["components"] if "content" in part]


def labels(view: Any) -> list[str]:
    (box,) = view.to_components()
    rows = [part["components"] for part in box["components"] if "components" in part]
    return [button["label"] for row in rows for button in row]


def test_under_way_the_card_has_a_line_for_each_take_and_cancels_what_can_be_canceled() -> None:
    renders, waits, done, failed = takes(JobState.RENDERING, JobState.WAITING, JobState.DELIVERING, JobState.FAILED)
    done = done.evolve(fetched=True)
    failed = failed.evolve(failure=FailureKind.MODERATED)
    shown = (Shown(renders, Progress(40)), *map(Shown, (waits, done, failed)))
    view = TAKES.progress(Shown(renders, takes=shown))

    head, _prompt, *lines, foot = texts(view)
    assert head == "### 🎬 Rendering"
    assert [line.split("\n")[0] for line in lines] == [f"-# video {n} of 4 · `key{10 - n}`" for n in (1, 2, 3, 4)]
    assert [line.split("\n", 1)[1] for line in lines] == [
        "`████░░░░░░░░` 40% · 0:00",
        "Your video starts as soon as possible.",
        "✅ done",
        "This video could not be made. Your 4 credits are back.",
    ]
    assert foot.endswith(" · 16 credits · 4 credits refunded")
    assert labels(view) == ["Cancel", "Hide"]


def test_a_card_that_takes_share_has_each_key_once_and_is_known_by_the_first() -> None:
    shared = takes(JobState.RENDERING, JobState.WAITING)
    shown = tuple(map(Shown, shared))
    under_way, leaving = (
        cast("Any", TAKES.progress(Shown(shared[0], takes=shown, leaving=leaving))) for leaving in (False, True)
    )

    together: Any = TAKES.together(shared, {shared[0].id: "one.mp4"})
    for view in (under_way, leaving, together):
        said = "\n".join(texts(view))
        assert [said.count(f"`key{number}`") for number in (9, 8)] == [1, 1]
    for view in (under_way, together):
        components = [_component_factory(raw, cast("Any", None)) for raw in view.to_components()]
        assert key_of(cast("Any", SimpleNamespace(components=components))) == "key9"


def test_what_to_do_stands_once_where_several_failed_alike_and_what_came_back_below() -> None:
    failed = takes(JobState.FAILED, JobState.FAILED, JobState.FAILED)
    failed[1] = failed[1].evolve(failure=FailureKind.BUSY)
    *_, foot = lines = texts(TAKES.ended_takes(failed))

    assert [line.split("\n")[1] for line in lines[2:-1]] == [
        "The video service could not make this video. Your 4 credits are back.",
        "The video service did not start this video within ten minutes. Your 4 credits are back. Try again later.",
        "The video service could not make this video. Your 4 credits are back. Try again, perhaps with another prompt.",
    ]
    assert foot.endswith(" · 12 credits · 12 credits refunded")
    assert text.over(TranslationCatalog().english, *failed).count("perhaps with another prompt") == 1


def test_in_the_end_one_gallery_has_the_videos_and_each_can_be_continued() -> None:
    first, failed, third = takes(JobState.DELIVERING, JobState.FAILED, JobState.DELIVERING)
    view: Any = TAKES.together([first, failed, third], {first.id: "one.mp4", third.id: "three.mp4"})

    (box,) = view.to_components()
    (gallery,) = [part["items"] for part in box["components"] if "items" in part]
    assert [item["media"]["url"] for item in gallery] == ["attachment://one.mp4", "attachment://three.mp4"]
    assert [item["description"].split(":")[0] for item in gallery] == ["video 1 of 3", "video 3 of 3"]
    assert texts(view)[0] == "### ✅ Here are your videos"
    assert any("video 2 of 3" in part and "Your 4 credits are back." in part for part in texts(view))
    assert labels(view) == ["Again", "Edit", "Delete", "Continue", "Continue"]
    buttons = box["components"][-1]["components"]
    assert [(button["custom_id"], button["emoji"]["name"]) for button in buttons] == [
        ("job:continue:9", "1\ufe0f\u20e3"),
        ("job:continue:7", "3\ufe0f\u20e3"),
    ]


@pytest.mark.parametrize(
    ("states", "head", "buttons"),
    [
        ((JobState.CANCELLED, JobState.CANCELLED), "### 🚫 Videos canceled", ["Again", "Edit", "Delete"]),
        ((JobState.FAILED, JobState.CANCELLED), "### ⚠️ No videos", ["Again", "Edit", "Delete"]),
        ((JobState.FAILED, JobState.TIMED_OUT), "### ⚠️ No videos", ["Again", "Edit", "Hide"]),
        (
            (JobState.UNDELIVERED, JobState.FAILED),
            "### ✅ Your video is ready",
            ["Show my video", "Again", "Edit", "Delete"],
        ),
        (
            (JobState.UNDELIVERED, JobState.UNDELIVERED, JobState.FAILED),
            "### ✅ Your videos are ready",
            ["Show my video", "Again", "Edit", "Delete"],
        ),
    ],
)
def test_where_no_video_is_on_it_the_card_says_how_each_take_stands(
    states: tuple[JobState, ...], head: str, buttons: list[str]
) -> None:
    view = TAKES.ended_takes(takes(*states))

    assert texts(view)[0] == head
    assert labels(view) == buttons


def test_a_video_that_waits_is_said_to_be_kept_until_it_is_deleted_whenever_the_card_is_drawn() -> None:
    first, failed = takes(JobState.UNDELIVERED, JobState.FAILED)
    since = datetime.now(UTC) - timedelta(days=5)
    words = texts(TAKES.ended_takes([first.evolve(fetched=True, state_at=since), failed]))

    assert any(f"<t:{int((since + KEPT_FOR).timestamp())}:f>" in part for part in words)


def test_of_a_video_that_its_member_has_deleted_the_card_says_so() -> None:
    first, gone = takes(JobState.UNDELIVERED, JobState.UNDELIVERED)
    first, gone = first.evolve(fetched=True), gone.evolve(fetched=True, deleted=True)

    there, alone = texts(TAKES.ended_takes([first, gone])), texts(TAKES.ended_takes([gone, gone]))
    assert there[0] == "### ✅ Your video is ready"
    assert sum("Find it in `/videos`" in part for part in there) == 1
    assert sum("The video is deleted." in part for part in there) == 1
    assert any("The video is deleted." in part for part in texts(TAKES.together([first, gone], {first.id: "one.mp4"})))
    late = TAKES.ended_takes([first, gone.evolve(state=JobState.TIMED_OUT)])
    assert not any("If the video arrives later" in part for part in texts(late))
    assert (alone[0], labels(TAKES.ended_takes([gone, gone]))) == ("### ⚠️ No videos", ["Again", "Edit", "Delete"])


def test_a_card_that_takes_share_speaks_of_all_of_them_where_it_can_no_longer_be_edited() -> None:
    (alone,) = takes(JobState.RENDERING)
    shown = tuple(map(Shown, takes(JobState.RENDERING, JobState.WAITING)))

    assert texts(CARDS.progress(Shown(alone, leaving=True)))[2].startswith("The video is not ready yet, and")
    together = texts(TAKES.progress(Shown(alone, leaving=True, takes=shown)))
    assert together[2].startswith("Not all of your videos are ready yet, and")


def test_a_private_card_says_of_each_number_of_videos_that_they_stay() -> None:
    first, second = (take.evolve(card=replace(take.card, ephemeral=True)) for take in takes(*[JobState.DELIVERING] * 2))
    one = texts(TAKES.together([first, second], {first.id: "one.mp4"}))
    both = texts(TAKES.together([first, second], {first.id: "one.mp4", second.id: "two.mp4"}))

    assert one[0] == "### ✅ Here is your video"
    assert "The video also stays in `/videos`" in one[2]
    assert "The videos also stay in `/videos`" in both[2]


def test_what_a_screen_reader_says_of_several_videos_is_set_as_the_language_does() -> None:
    first, second = (take.evolve(card=replace(take.card, locale="fr")) for take in takes(*[JobState.DELIVERING] * 2))
    view: Any = TAKES.together([first, second], {first.id: "one.mp4", second.id: "two.mp4"})

    (box,) = view.to_components()
    (gallery,) = [part["items"] for part in box["components"] if "items" in part]
    assert [item["description"].partition("\u00a0: ")[2] for item in gallery] == [first.spec.prompt] * 2
