"""What members read about their data: true to the settings, and within Discord's bounds."""

from __future__ import annotations

from datetime import timedelta

import pytest
from discord import ui

from bot.chat import privacy
from bot.i18n.translations import TranslationCatalog
from bot.models import Keeping

ENGLISH = TranslationCatalog().english
ENDPOINT = "https://videos.example/v1"
QUARTER, WEEK = timedelta(days=90), timedelta(days=7)
TEXT = 4_000
"""Discord's bound on all text of a message of components."""


def words(view: ui.LayoutView) -> str:
    assert view.content_length() <= TEXT
    return "\n".join(item.content for item in view.walk_children() if isinstance(item, ui.TextDisplay))


def labels(view: ui.LayoutView) -> list[str | None]:
    found = [item.item.label for item in view.walk_children() if isinstance(item, privacy.PrivacyButton)]
    assert all(label is not None and len(label) <= 34 for label in found)
    return found


def about(prompts_kept: timedelta | None = QUARTER, pictures: timedelta = WEEK, **changes: object) -> ui.LayoutView:
    given: dict[str, object] = {"muted": False, "remembers": True, "policy": None, **changes}
    return privacy.about(ENGLISH, [ENDPOINT], Keeping(prompts_kept, pictures), **given)  # type: ignore[arg-type]  # its own words


@pytest.mark.parametrize(
    ("kept", "pictures", "said"),
    [
        (QUARTER, WEEK, ("- Prompts and links: for 90 days.", "for 7 more days at most.")),
        (timedelta(days=1), timedelta(days=1), ("- Prompts and links: for 1 day.", "for 1 more day at most.")),
        (None, timedelta(0), ("- Prompts and links: until you delete them.", "for 1 more day at most.")),
        (timedelta(days=36_500), WEEK, ("- Prompts and links: for 36,500 days.", "for 7 more days at most.")),
    ],
)
def test_the_page_says_how_long_as_it_is_set(
    kept: timedelta | None, pictures: timedelta, said: tuple[str, ...]
) -> None:
    text = words(about(kept, pictures))

    assert [part for part in said if part not in text] == []
    assert "`videos.example`" in text


@pytest.mark.parametrize(("muted", "last"), [(False, "Mute mentions"), (True, "Unmute mentions")])
def test_the_page_offers_the_other_choice_of_pings(*, muted: bool, last: str) -> None:
    assert labels(about(muted=muted)) == ["Export my data", "Delete my data", last, "Forget my choices"]
    assert labels(about(muted=muted, remembers=False))[-1] == "Remember my choices"


def test_the_page_says_what_was_chosen_on_it_before() -> None:
    before, after = words(about()), words(about(muted=True, remembers=False))

    assert "style are kept as your defaults until you press *Forget my choices*." in before
    assert "Mentions are muted." not in before
    assert "Your last choices are not kept. Mentions are muted." in after
    assert "Forget my choices" not in after


def test_the_operators_policy_is_linked_where_there_is_one() -> None:
    assert "Their privacy policy: <https://example.org/privacy>." in words(about(policy="https://example.org/privacy"))
    assert "policy" not in words(about())


@pytest.mark.parametrize(
    ("endpoints", "sent_to", "kept_by"),
    [
        (
            [ENDPOINT, "https://videos.example/v2"],
            "the video service at `videos.example`, which makes the video and has its own rules",
            "what the video service at `videos.example` keeps;",
        ),
        (
            [ENDPOINT, "https://more.example/v1"],
            "one or more of the video services at `videos.example` and `more.example`, which make the videos and",
            "what the video services at `videos.example` and `more.example` keep;",
        ),
    ],
)
def test_one_video_service_is_singular_and_several_are_plural(endpoints: list[str], sent_to: str, kept_by: str) -> None:
    page = privacy.about(ENGLISH, endpoints, Keeping(QUARTER, WEEK), muted=False, remembers=True, policy=None)

    assert sent_to in words(page)
    for view in (privacy.confirm(ENGLISH, endpoints), privacy.erased(ENGLISH, endpoints, 0)):
        assert kept_by in words(view)


def test_before_deleting_it_is_said_what_goes_what_stays_and_what_is_out_of_reach() -> None:
    view = privacy.confirm(ENGLISH, [ENDPOINT])

    text = words(view)
    deleted = ("**Deleted now:**", "**Deleted one after another:**", "**Deleted later:**")
    for part in (*deleted, "**What stays:**", "**What the bot cannot delete:**"):
        assert text.count(part) == 1
    assert labels(view) == ["Delete", "Keep it"]


@pytest.mark.parametrize(
    ("running", "said"),
    [(0, None), (1, "**1 video is still being made.**"), (2, "**2 videos are still being made.**")],
)
def test_after_deleting_it_is_said_what_goes_on(running: int, said: str | None) -> None:
    view = privacy.erased(ENGLISH, [ENDPOINT], running)

    text = words(view)
    assert (said in text) if said else ("still being made" not in text)
    assert "**What stays:**" in text
    assert labels(view) == []


def test_the_first_line_names_the_host_and_nothing_else_of_the_address() -> None:
    line = privacy.first_line(ENGLISH, "https://videos.example:8443/secret-path/v1")

    assert "`videos.example`" in line
    assert "secret-path" not in line
