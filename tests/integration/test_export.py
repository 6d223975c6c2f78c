"""What a member gets as a copy of their data: all of it, no token, nobody else's id."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from bot.models import DIRECT, By, ChannelId, JobId, JobState, MessageId, Scope
from bot.store import cards, erasure, servers, users
from bot.store.export import export
from tests.builders import ADMIN, GUILD, MEMBER, NOON, by, grant, reset, set_own, set_role
from tests.ledgers import OTHER, Ledgers

S = JobState
TOKEN = "interaction-token"
OWN_ROWS = ("jobs", "cards", "ledger", "member_usage", "bonus_credits", "members", "users")
LEFT_OUT = {
    # told otherwise, or of no meaning to the member
    "jobs": {"member", "day", "reset_count", "not_before", "first_sent_at", "fetched_at"},
    "cards": {
        "job", "application", "token", "token_ends_at", "upload_limit", "bot_reaches_at", "ephemeral_at", "finished_at",
        "posted_at", "posted_channel",
    },  # a credential, and what is known of the ways to a card
    "ledger": {
        "id", "job", "member", "day", "reset_count", "server_limit_credits", "server_limit_per", "budget_credits",
        "budget_per", "taken_at", "actor",
    },  # told otherwise, or the server's and the operator's
    "member_usage": {"member", "reset_count"},
    "bonus_credits": {"id", "member"},
    "members": {"member"},
    "users": {"member"},
}  # fmt: skip
"""Columns of a member's rows that are no part of the copy. A new column is exported, or named here."""
EXPORTED = {
    "jobs": {
        "id", "key", "state", "state_at", "created_at", "scope", "model", "prompt", "seconds", "size", "credits",
        "from_quota", "picture_url", "picture_name", "picture_bytes", "picture_type", "picture_width",
        "picture_height", "endpoint", "last_sent_at", "provider_id", "result_url", "result_expires_at", "failure",
        "deleted_at", "again_of", "render_ms", "picture_author", "picture_spoiler_at",
    },
    "cards": {
        "channel", "guild", "message", "removed_at", "mentioned_at", "shown_channel", "shown_message",
        "mention_message", "hidden_at", "locale", "member_locale",
    },
    "ledger": {
        "at", "kind", "scope", "role", "credits", "from_quota", "from_bonus", "from_budget", "limit_credits",
        "limit_per", "limit_source", "reason",
    },
    "member_usage": {"scope", "day", "credits"},
    "bonus_credits": {"scope", "remaining"},
    "members": {"scope", "reset_count", "credits", "per", "blocked_at", "block_reason"},
    "users": {"privacy_note_at", "mentions_muted_at", "erasure_requested_at"},
}  # fmt: skip


@pytest.fixture(name="kept")
def _kept() -> Iterator[Ledgers]:
    kept = Ledgers()
    yield kept
    kept.close()


def document(kept: Ledgers) -> Any:
    """As it is sent."""
    return json.loads(json.dumps(kept.do(export(MEMBER, now=NOON))))


def _a_life(kept: Ledgers) -> None:
    kept.do(grant(MEMBER, 7))
    kept.do(set_own(MEMBER, 30))
    kept.add_job(1, S.DELIVERED)
    kept.add_job(2, S.FAILED)
    kept.add_job(3, S.RENDERING, scope=DIRECT, card={"guild": None})
    kept.add_job(9, member=OTHER)
    kept.do(cards.show_elsewhere(JobId(1), ChannelId(55), MessageId(66)))
    kept.do(cards.remember_mention(JobId(1), MessageId(77)))
    kept.do(cards.claim_mention(JobId(1), now=NOON))
    kept.do(reset(MEMBER))
    kept.do(servers.block(by(), MEMBER, "too loud"))
    kept.do(users.claim_privacy_note(MEMBER, now=NOON))
    kept.do(users.set_mentions_muted(MEMBER, NOON))
    kept.do(servers.block(By(Scope(72), MEMBER, NOON), OTHER, "spam"))


def test_clips_come_with_words_addresses_and_places(kept: Ledgers) -> None:
    _a_life(kept)

    first, second, third = document(kept)["videos"]

    assert (first["id"], first["key"], first["prompt"], first["state"]) == ("1", "key1", "puts on a hat", "delivered")
    assert first["server"] == str(GUILD)
    assert first["picture"]["address"] == "https://cdn.example/cat.jpg"
    assert first["video"] == {
        "service": "https://videos.example/v1",
        "id_at_the_service": "video_1",
        "address": "https://videos.example/clip.mp4",
        "address_expires_at": None,
    }
    assert (first["card"]["channel"], first["card"]["message"]) == ("2", "1")
    assert (first["card"]["video_channel"], first["card"]["video_message"]) == ("55", "66")
    assert (first["card"]["mention_message"], first["card"]["mentioned_at"]) == ("77", NOON.isoformat())
    assert second["failure"] == "provider"
    assert (third["server"], third["card"]["server"]) == ("direct messages and own installs", None)


def test_credits_and_rules_come_with_who_and_why(kept: Ledgers) -> None:
    _a_life(kept)

    found = document(kept)

    lines = [(line["kind"], line["credits"], line["video"], line["by"]) for line in found["credit_lines"]]
    assert lines == [
        ("grant", 7, None, "an admin"),
        ("quota", 0, None, "an admin"),
        ("reserve", -4, "key1", "you"),
        ("reserve", -4, "key2", "you"),
        ("refund", 4, "key2", "the bot"),
        ("reserve", -4, "key3", "you"),
        ("reset", 0, None, "an admin"),
        ("block", 0, None, "an admin"),
    ]
    assert found["bonus_credits"] == [{"server": str(GUILD), "left": 7}]
    assert [
        (use["server"], use["day"], use["credits"], use["forgotten_by_a_reset"]) for use in found["credits_used"]
    ] == [
        ("direct messages and own installs", "2026-03-04", 4, False),
        (str(GUILD), "2026-03-04", 4, True),
    ]
    (_, rule) = found["rules_for_you"]
    assert (rule["quota"], rule["block_reason"], rule["resets"]) == ({"credits": 30, "per": "day"}, "too loud", 1)
    assert found["preferences"]["mentions"] is False


def test_what_the_member_did_as_an_admin_names_nobody(kept: Ledgers) -> None:
    _a_life(kept)

    (act,) = document(kept)["done_as_an_admin"]

    assert (act["kind"], act["for"], act["server"], act["reason"]) == ("block", "a member", "72", "blocked: spam")


def test_no_token_and_no_id_of_another_is_in_it(kept: Ledgers) -> None:
    _a_life(kept)
    kept.do(set_role(5, 3))

    text = json.dumps(document(kept))

    assert str(MEMBER) in text
    assert TOKEN not in text
    assert str(OTHER) not in text
    assert str(ADMIN) not in text


def test_of_somebody_unknown_there_is_nothing(kept: Ledgers) -> None:
    kept.add_job(9, member=OTHER)

    found = document(kept)

    assert found.pop("preferences") == {"mentions": True}
    assert {name for name, value in found.items() if value} == {"member", "written_at"}


def test_what_was_erased_is_not_in_it(kept: Ledgers) -> None:
    _a_life(kept)
    kept.do(erasure.request(MEMBER, now=NOON))

    first, _, third = document(kept)["videos"]

    assert (first["prompt"], first["picture"]["address"], first["card"]["message"]) == ("", "", None)
    assert first["credits"] == 4
    assert third["prompt"] == "puts on a hat"


@pytest.mark.parametrize("table", OWN_ROWS)
def test_every_column_about_a_member_is_exported_or_left_out_on_purpose(kept: Ledgers, table: str) -> None:
    columns = {name for (_, name, *_) in kept.rows(f"PRAGMA table_info({table})")}

    assert columns == EXPORTED[table] | LEFT_OUT[table]
    assert EXPORTED[table] & LEFT_OUT[table] == set()
