"""What a member gets as a copy of their data: all of it, no token, nobody else's id."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bot.models import DIRECT, ChangeContext, ChannelId, JobId, JobState, MessageId, Scope
from bot.store import cards, erasure, server_settings, users
from bot.store.export import LEFT_OUT, export
from tests.builders import ADMIN, GUILD, MEMBER, NOON, an_option, by, grant, reset, set_own, set_role
from tests.in_memory_store import OTHER, Ledgers
from tests.integration.conftest import MakeLedgers

S = JobState
TOKEN = "interaction-token"


@pytest.fixture(name="kept")
def _kept(make_ledgers: MakeLedgers) -> Iterator[Ledgers]:
    kept = make_ledgers()
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
    kept.do(server_settings.block(by(), MEMBER, "too loud"))
    kept.do(users.claim_privacy_note(MEMBER, now=NOON))
    kept.do(users.set_mentions_muted(MEMBER, NOON))
    kept.do(server_settings.block(ChangeContext(Scope(72), MEMBER, NOON), OTHER, "spam"))


def test_videos_come_with_words_addresses_and_places(kept: Ledgers) -> None:
    _a_life(kept)

    first, second, third = document(kept)["videos"]

    assert (first["id"], first["key"], first["prompt"], first["state"]) == ("1", "key1", "puts on a hat", "delivered")
    assert first["server"] == str(GUILD)
    assert (first["picture"]["url"], first["picture"]["posted_by_another"]) == ("https://cdn.example/cat.jpg", False)
    assert (first["endpoint"], first["ticket"]) == ("https://videos.example/v1", "video_1")
    assert (first["result_url"], first["result_expires_at"]) == ("https://videos.example/clip.mp4", None)
    assert (first["card"]["channel"], first["card"]["message"]) == ("2", "1")
    assert (first["card"]["shown_channel"], first["card"]["shown_message"]) == ("55", "66")
    assert (first["card"]["mention_message"], first["card"]["mentioned_at"]) == ("77", NOON.isoformat())
    assert second["failure"] == "provider"
    assert (third["server"], third["card"]["guild"]) == ("direct messages and own installs", None)


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
    assert found["bonus_credits"] == [{"server": str(GUILD), "remaining": 7}]
    assert [
        (use["server"], use["day"], use["credits"], use["forgotten_by_a_reset"]) for use in found["credits_used"]
    ] == [
        ("direct messages and own installs", "2026-03-04", 4, False),
        (str(GUILD), "2026-03-04", 4, True),
    ]
    (_, rule) = found["rules_for_you"]
    assert (rule["credits"], rule["per"], rule["block_reason"], rule["reset_count"]) == (30, "day", "too loud", 1)
    assert found["preferences"]["mentions_muted_at"] == NOON.isoformat()


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

    assert {name for name, value in found.items() if value} == {"member", "written_at"}


def test_what_was_erased_is_not_in_it(kept: Ledgers) -> None:
    _a_life(kept)
    kept.do(erasure.request(MEMBER, now=NOON))

    first, _, third = document(kept)["videos"]

    assert (first["prompt"], first["picture"]["url"], first["card"]["message"]) == ("", "", None)
    assert first["credits"] == 4
    assert third["prompt"] == "puts on a hat"


OWN_ROWS: dict[str, tuple[str, Callable[[Any], dict[str, Any]]]] = {
    "jobs": ("videos", lambda entry: entry | {f"picture_{name}": value for name, value in entry["picture"].items()}),
    "cards": ("videos", lambda entry: entry["card"]),
    "ledger": ("credit_lines", dict),
    "member_usage": ("credits_used", dict),
    "bonus_credits": ("bonus_credits", dict),
    "members": ("rules_for_you", dict),
    "users": ("preferences", dict),
}
"""Where the rows of a table that are about one member stand in the document, and how their columns are found there."""


@pytest.mark.parametrize("table", OWN_ROWS)
def test_every_column_about_a_member_is_told_also_a_new_one_unless_it_is_left_out_on_purpose(
    kept: Ledgers, table: str
) -> None:
    kept.rows(f"ALTER TABLE {table} ADD COLUMN mood TEXT")
    _a_life(kept)
    kept.rows(f"UPDATE {table} SET mood = 'merry'")
    columns = kept.columns(table)
    place, columns_of = OWN_ROWS[table]

    found = document(kept)[place]
    entry = columns_of(found if isinstance(found, dict) else found[0])

    assert LEFT_OUT[table] & set(entry) <= {"day"}  # told otherwise: as a date
    assert columns - LEFT_OUT[table] <= set(entry)
    assert entry["mood"] == "merry"


def test_an_option_is_told_beside_what_was_asked_for_and_goes_with_the_prompt(kept: Ledgers) -> None:
    kept.add_job(1, spec=an_option("merry"))

    (before,) = document(kept)["videos"]
    kept.do(erasure.request(MEMBER, now=NOON))
    (after,) = document(kept)["videos"]

    assert (before["seconds"], before["mood"]) == (4, "merry")
    assert (after["seconds"], "mood" in after) == (4, False)
