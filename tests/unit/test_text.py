"""What people read: prompts and addresses of others made harmless, refusals word for word, bars and errors."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat import failures, limits, refusals, text
from bot.chat.cards import BAR_CELLS, clock, elapsed_s, progress_bar
from bot.errors import ReservationRefused
from bot.i18n.translations import TranslationCatalog
from bot.jobs.chat_protocol import Due, HoldReason, QueuePosition
from bot.models import Balance, FailureKind, Limit, Period, RefusalReason, Source, VideoSpec
from tests.builders import NOON, a_job, seed_catalog

ENGLISH = TranslationCatalog().english
RENEWS = NOON.replace(hour=0) + timedelta(days=1)
RENEWS_TEXT = f"<t:{int(RENEWS.timestamp())}:R>"


class TestPromptBlock:
    def test_a_plain_prompt_stands_in_a_code_block(self) -> None:
        assert text.prompt_block("  The cat puts\non a hat. ") == "```\nThe cat puts\non a hat.\n```"

    def test_what_would_be_a_mention_or_a_link_outside_stays_as_it_is_inside(self) -> None:
        prompt = "@everyone <@1> <@&2> <#3> [here](https://x.example) # big"

        assert text.prompt_block(prompt) == f"```\n{prompt}\n```"

    @pytest.mark.parametrize("prompt", ["a``` b", "```", "`", "```ansi\n\x1b[31mred"])
    def test_no_backtick_is_left_to_end_the_block(self, prompt: str) -> None:
        shown = text.prompt_block(prompt)

        assert shown.startswith("```\n")
        assert shown.endswith("\n```")
        assert "`" not in shown[3:-3]

    @pytest.mark.parametrize(
        "control", [chr(n) for n in (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))]
    )
    def test_controls_of_direction_are_taken_out(self, control: str) -> None:
        assert text.prompt_block(f"a{control}b") == "```\nab\n```"

    def test_other_controls_become_blanks(self) -> None:
        assert text.prompt_block("a\tb\x07c\x9bd\re\nf") == "```\na b c d e\nf\n```"

    def test_it_is_cut_at_300_characters_after_the_cleaning(self) -> None:
        longest = "x" * 300

        assert text.prompt_block("\u202e" * 50 + longest) == f"```\n{longest}\n```"
        assert text.prompt_block(longest + "y") == f"```\n{'x' * 299}…\n```"

    @given(prompt=st.text(max_size=700))
    def test_whatever_the_prompt_the_block_is_whole_short_and_readable(self, prompt: str) -> None:
        shown = text.prompt_block(prompt)

        inside = shown.removeprefix("```\n").removesuffix("\n```")
        assert f"```\n{inside}\n```" == shown
        assert len(inside) <= 300
        assert not re.search("[`\x00-\x09\x0b-\x1f\u202a-\u202e\u2066-\u2069]", inside)


class TestShownUrl:
    @pytest.mark.parametrize("url", ["https://v.example/a?b=c&d=%20#e", "http://127.0.0.1:8080/1.mp4"])
    def test_an_address_is_text_without_a_preview(self, url: str) -> None:
        assert text.shown_url(url) == f"<{url}>"

    @pytest.mark.parametrize(
        "url",
        [
            None,
            "",
            "ftp://v.example/a",
            "javascript:alert(1)",
            "data:video/mp4;base64,AAAA",
            "HTTPS",
            "https://v.example/a b",
            "https://v.example/a\n@everyone",
            "https://v.example/a> @everyone <",
            "https://v.example/`a",
            "https://v.example/\u202ea",
            "https://v.example/\x00",
        ],
    )
    def test_anything_else_is_not_shown(self, url: str | None) -> None:
        assert text.shown_url(url) is None

    def test_only_under_1500_characters_is_it_shown(self) -> None:
        start = "https://v.example/"

        assert text.shown_url(start.ljust(1499, "a")) is not None
        assert text.shown_url(start.ljust(1500, "a")) is None


def balance(
    credits_: int = 20, *, used: int = 0, bonus: int = 0, per: Period = Period.DAY, running: int = 0
) -> Balance:
    renews_at = None if per is Period.TOTAL else RENEWS
    return Balance(Limit(credits_, per), used, bonus, renews_at, running)


def exceeded(reason: RefusalReason, whole: int = 20, left: int = 6, *, per: Period = Period.DAY) -> ReservationRefused:
    """As the store refuses a member who has enough themselves."""
    has, limit = balance(1_000), Limit(whole, per)
    return ReservationRefused(reason, has, limit=limit, left=left, renews_at=None if per is Period.TOTAL else RENEWS)


def refused_for(reason: RefusalReason, has: Balance, detail: str | None = None) -> ReservationRefused:
    """Whatever the reason."""
    if reason in (RefusalReason.SERVER_LIMIT, RefusalReason.BUDGET):
        return exceeded(reason)
    return ReservationRefused(reason, has, detail=detail)


def refusal(error: ReservationRefused, choice: tuple[str, int] = ("sora-2", 4), *, takes: int | None = None) -> str:
    catalog = seed_catalog()
    spec = catalog.complete(VideoSpec(choice[0], seconds=choice[1], takes=takes))
    return refusals.refusal(ENGLISH, error, spec, catalog)


def test_beside_a_link_stands_until_when_it_is_valid_by_a_time_that_stays_true() -> None:
    job = a_job(result_url="https://v.example/1", result_expires_at=NOON)

    assert text.address(ENGLISH, job) == [f"<https://v.example/1> (link valid until <t:{int(NOON.timestamp())}:f>)"]


def test_what_ended_without_a_video_is_told_of_each_of_several() -> None:
    alone = a_job(1, failure=FailureKind.CANCELLED)
    takes = [alone.evolve(spec=replace(alone.spec, take=number, takes=2)) for number in (1, 2)]

    line = "This video was canceled. Your 4 credits are back."
    assert text.over(ENGLISH, alone) == f"<@{alone.member}> {line}"
    assert text.over(ENGLISH, *takes) == f"<@{alone.member}>\nvideo 1 of 2: {line}\nvideo 2 of 2: {line}"


@pytest.mark.parametrize(("count", "words"), [(1, "Your video is ready."), (2, "Your videos are ready.")])
def test_a_mention_tells_of_one_video_or_of_several(count: int, words: str) -> None:
    job = a_job()

    assert text.mention(ENGLISH, job, count) == f"<@{job.member}> {words}"


class TestRefusals:
    @pytest.mark.parametrize(
        ("reason", "detail", "sentence"),
        [
            (RefusalReason.PAUSED, None, "Videos are paused in this server. Nothing was charged. Try again later."),
            (
                RefusalReason.PAUSED, "a feast",
                "Videos are paused in this server (“a feast”). Nothing was charged. Try again later.",
            ),
            (
                RefusalReason.BLOCKED, None,
                "You cannot make videos in this server. Nothing was charged. Ask an admin about it.",
            ),
            (
                RefusalReason.BLOCKED, "spam",
                "You cannot make videos in this server (“spam”). Nothing was charged. Ask an admin about it.",
            ),
            (
                RefusalReason.TOO_MANY_JOBS, None,
                "You already have 2 videos in progress. Nothing was charged. Wait for one to finish, then try again.",
            ),
            (
                RefusalReason.TOO_MANY_REFUNDS, None,
                ("Five of your videos failed at the video service today, so you cannot make more until tomorrow. "
                 "Nothing was charged. Try other pictures or prompts then."),
            ),
            (
                RefusalReason.QUOTA, None,
                (
                    "This video costs 8 credits. You have 6 credits left. Nothing was charged. "
                    f"You can make this now: Sora 2 · 4 s = 4 credits. Your quota renews {RENEWS_TEXT}."
                ),
            ),
            (
                RefusalReason.SERVER_LIMIT, None,
                (
                    "This video would exceed the server limit. 6 credits of the server limit are left. "
                    "Nothing was charged. You can make this now: Sora 2 · 4 s = 4 credits. "
                    f"The server limit renews {RENEWS_TEXT}."
                ),
            ),
            (
                RefusalReason.BUDGET, None,
                ("This video would exceed what the bot may spend right now. Nothing was charged. "
                 f"Try again {RENEWS_TEXT}."),
            ),
        ],
    )  # fmt: skip
    def test_each_says_why_and_what_to_do(self, reason: RefusalReason, detail: str | None, sentence: str) -> None:
        error = refused_for(reason, balance(used=14, running=2), detail)

        assert refusal(error, ("sora-2", 8)) == sentence

    @pytest.mark.parametrize("reason", [RefusalReason.QUOTA, RefusalReason.SERVER_LIMIT, RefusalReason.BUDGET])
    @pytest.mark.parametrize(
        ("left", "to_do"), [(8, "Choose a smaller number for `takes`."), (6, "Leave `takes` empty.")]
    )
    def test_of_several_videos_it_speaks_of_all_and_says_whether_fewer_would_do(
        self, reason: RefusalReason, left: int, to_do: str
    ) -> None:
        quota = ReservationRefused(reason, balance(used=20 - left))
        words = refusal(quota if reason is RefusalReason.QUOTA else exceeded(reason, left=left), takes=3)

        assert words.startswith("These videos ")
        assert f"Nothing was charged. {to_do}" in words

    @pytest.mark.parametrize(
        ("whole", "left", "choice", "words"),
        [
            (10, 2, 8, "{would} 2 credits of the server limit are left. {uncharged} {renews}"),
            (3, 1, 4, "{never}: 3 credits per day. {uncharged} {ask}"),
            (0, 0, 4, "{never}: 0 credits per day. {uncharged} {ask}"),
            (10, 1, 12, "{never}: 10 credits per day. {uncharged} {cheaper}"),
            (10, 9, 12, "{never}: 10 credits per day. {uncharged} {now}"),
        ],
    )
    def test_a_server_limit_says_what_is_left_and_when_that_is_enough_or_what_to_choose(
        self, whole: int, left: int, choice: int, words: str
    ) -> None:
        assert refusal(exceeded(RefusalReason.SERVER_LIMIT, whole, left), ("sora-2", choice)) == words.format(
            would="This video would exceed the server limit.",
            never="This video costs more than the whole server limit",
            uncharged="Nothing was charged.",
            renews=f"The server limit renews {RENEWS_TEXT}.",
            cheaper=f"The server limit renews {RENEWS_TEXT} and is then enough for a cheaper video.",
            now="You can make this now: Sora 2 · 8 s = 8 credits.",
            ask="Ask an admin to raise the server limit.",
        )

    def test_a_limit_in_total_never_renews(self) -> None:
        server_limit = refusal(exceeded(RefusalReason.SERVER_LIMIT, left=0, per=Period.TOTAL))
        budget = refusal(exceeded(RefusalReason.BUDGET, left=0, per=Period.TOTAL))

        assert server_limit.endswith(" Nothing was charged. Ask an admin to raise the server limit.")
        assert budget.endswith(" Nothing was charged. Try again later.")

    @pytest.mark.parametrize(
        ("whole", "takes", "to_do"),
        [
            (4, None, "Choose a cheaper video."), (3, None, "Try again later."),
            (16, 3, "Choose a smaller number for `takes`."), (8, 3, "Leave `takes` empty."),
        ],
    )  # fmt: skip
    def test_no_waiting_helps_where_the_whole_budget_is_not_enough(
        self, whole: int, takes: int | None, to_do: str
    ) -> None:
        words = refusal(exceeded(RefusalReason.BUDGET, whole, 0), ("sora-2", 8), takes=takes)

        assert words.endswith(f" Nothing was charged. {to_do}")
        assert not re.search(r"\d", words)

    @pytest.mark.parametrize(
        ("running", "room", "words"),
        [
            (1, 1, "You can have only 1 more video in progress right now. {} Leave `takes` empty."),
            (1, 2, "You can have only 2 more videos in progress right now. {} Choose a smaller number for `takes`."),
            (0, 1, "You can make only 1 video at once. {} Leave `takes` empty."),
            (0, 2, "You can make at most 2 videos at once. {} Choose a smaller number for `takes`."),
        ],
    )
    def test_where_there_is_room_for_fewer_it_says_for_how_many(self, running: int, room: int, words: str) -> None:
        error = ReservationRefused(RefusalReason.TOO_MANY_JOBS, balance(running=running), room=room)

        assert refusal(error, takes=3) == words.format("Nothing was charged.")

    def test_there_is_one_for_every_reason(self) -> None:
        shown = {reason: refusal(refused_for(reason, balance(running=1))) for reason in RefusalReason}

        assert len(set(shown.values())) == len(RefusalReason)
        assert "You already have 1 video in progress." in shown[RefusalReason.TOO_MANY_JOBS]

    @pytest.mark.parametrize(
        ("has", "choice", "left", "helps"),
        [
            (balance(6, per=Period.WEEK), ("sora-2", 8), 6, "You can make this now: Sora 2 · 4 s = 4 credits."),
            (balance(6, used=5, bonus=1), ("sora-2", 8), 2,
             f"Your quota renews {RENEWS_TEXT} and is then enough for a cheaper video."),
            (balance(6, used=6, bonus=2), ("sora-2", 8), 2, f"Your quota renews {RENEWS_TEXT}."),
            (balance(4, used=8), ("sora-2", 4), 0, f"Your quota renews {RENEWS_TEXT}."),
            (balance(12, used=12, per=Period.TOTAL), ("sora-2", 4), 0, "Ask an admin for a larger quota."),
            (balance(3), ("sora-2", 4), 3, "Ask an admin for a larger quota."),
            (balance(1_000_000, used=999_990, per=Period.MONTH), ("sora-2-pro", 12), 10,
             f"You can make this now: Sora 2 · 8 s = 8 credits. Your quota renews {RENEWS_TEXT}."),
        ],
    )  # fmt: skip
    def test_too_dear_says_what_is_left_and_what_helps(
        self, has: Balance, choice: tuple[str, int], left: str, helps: str
    ) -> None:
        cost = {"sora-2": 1, "sora-2-pro": 3}[choice[0]] * choice[1]

        assert refusal(ReservationRefused(RefusalReason.QUOTA, has), choice) == (
            f"This video costs {cost} credits. You have {left} credits left. Nothing was charged. {helps}"
        )

    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (exceeded(RefusalReason.SERVER_LIMIT, 20, 6), "6 credits of the server limit are left. {renews}"),
            (exceeded(RefusalReason.SERVER_LIMIT, 20, 0), "0 credits of the server limit are left. {renews}"),
            (exceeded(RefusalReason.SERVER_LIMIT, 3, 1), "1 credit of the server limit is left. {ask}"),
            (exceeded(RefusalReason.SERVER_LIMIT, 20, 6, per=Period.TOTAL), "6 credits of the server limit are left."),
            (
                exceeded(RefusalReason.SERVER_LIMIT, 9, 0, per=Period.TOTAL),
                "0 credits of the server limit are left. {ask}",
            ),
            (exceeded(RefusalReason.BUDGET, 20, 6), None),
            (exceeded(RefusalReason.BUDGET, 20, 3), "{any} Try again {when}."),
            (exceeded(RefusalReason.BUDGET, 3, 3), "{any} Try again later."),
            (exceeded(RefusalReason.BUDGET, 20, 0, per=Period.TOTAL), "{any} Try again later."),
        ],
    )
    def test_a_quota_says_that_a_limit_of_all_has_less_left_and_no_amount_of_the_budget(
        self, error: ReservationRefused, words: str | None
    ) -> None:
        said = words and words.format(
            renews=f"The server limit renews {RENEWS_TEXT}.",
            ask="Ask an admin to raise the server limit.",
            any="Any video would exceed what the bot may spend right now.",
            when=RENEWS_TEXT,
        )

        assert refusals.exceeded(ENGLISH, error, seed_catalog()) == said


class TestPrompts:
    @pytest.mark.parametrize("kind", FailureKind)
    def test_every_failure_has_a_line_for_the_card_that_says_the_credits_are_back(self, kind: FailureKind) -> None:
        assert ". Your 4 credits are back." in failures.card_line(ENGLISH, kind, 4)
        assert ". Your 1 credit is back." in failures.card_line(ENGLISH, kind, 1)

    def test_a_moderation_reason_and_a_block_go_to_the_member_alone(self) -> None:
        told = {kind for kind in FailureKind if failures.private_line(ENGLISH, kind, 4) is not None}

        assert told == {FailureKind.MODERATED, FailureKind.PERSON, FailureKind.BLOCKED}
        assert {failures.card_line(ENGLISH, kind, 4) for kind in told} == {
            "This video could not be made. Your 4 credits are back.",
            "This video was canceled. Your 4 credits are back.",
        }
        assert failures.private_line(ENGLISH, FailureKind.PERSON, 4) == (
            "The video service refused this picture because it shows a person. Your 4 credits are back. "
            "Try a picture without people."
        )

    @pytest.mark.parametrize(
        ("limit", "words"),
        [
            (Limit(5, Period.DAY, Source.OWN), "An admin set this quota."),
            (Limit(5, Period.DAY, Source.ROLE, 7), "This quota comes from the role <@&7>."),
            (Limit(5, Period.DAY, Source.SERVER), "This is the server's default quota."),
            (Limit(5, Period.DAY), "This is the bot's default quota."),
        ],
    )
    def test_it_is_told_where_a_quota_comes_from(self, limit: Limit, words: str) -> None:
        assert limits.source(ENGLISH, limit) == words

    def test_use_is_told_with_its_period(self) -> None:
        assert [limits.used(ENGLISH, 8, per) for per in Period] == [
            "8 credits used today", "8 credits used this week", "8 credits used this month", "8 credits used so far"
        ]  # fmt: skip


class TestBarAndClock:
    @pytest.mark.parametrize(
        ("percent", "full"),
        [(-5, 0), (0, 0), (8, 0), (9, 1), (50, 6), (91, 10), (92, 11), (99, 11), (100, 11), (250, 11)],
    )
    def test_a_bar_is_never_full_and_always_as_wide(self, percent: int, full: int) -> None:
        assert progress_bar(percent) == f"`{'█' * full}{'░' * (BAR_CELLS - full)}`"

    def test_a_bar_never_goes_back_as_the_percentage_grows(self) -> None:
        lengths = [progress_bar(percent).count("█") for percent in range(101)]

        assert lengths == sorted(lengths)

    @pytest.mark.parametrize(
        ("seconds", "shown"),
        [(-3, "0:00"), (0, "0:00"), (65, "1:05"), (3599, "59:59"), (3600, "1:00:00"), (3729, "1:02:09")],
    )
    def test_a_clock_counts_minutes_and_from_an_hour_on_hours(self, seconds: int, shown: str) -> None:
        assert clock(seconds) == shown

    def test_time_counts_from_when_the_provider_was_asked_or_else_from_the_start(self) -> None:
        job = a_job()
        later = NOON + timedelta(seconds=90, milliseconds=900)

        assert elapsed_s(job, later) == 90
        assert elapsed_s(job.evolve(last_sent_at=NOON + timedelta(seconds=60)), later) == 30


class TestQueuePosition:
    @pytest.mark.parametrize(
        ("standing", "words"),
        [
            (QueuePosition(), "Your video starts as soon as possible."),
            (QueuePosition(position=3), "3rd in the queue. Your video starts as soon as possible."),
            (QueuePosition(position=3, starts_at=RENEWS), f"3rd in the queue. Your video starts {RENEWS_TEXT}."),
            (
                QueuePosition(hold_reason=HoldReason.PAUSED),
                (
                    "Videos are paused in this server. "
                    "Yours keeps its place in the queue and starts when an admin resumes them."
                ),
            ),
            (
                QueuePosition(hold_reason=HoldReason.KEY, starts_at=RENEWS),
                (
                    "The video service has not accepted this bot's key yet, so nothing was sent. The person "
                    "who runs this bot has to check the key."
                ),
            ),
            (
                QueuePosition(hold_reason=HoldReason.CIRCUIT_OPEN),
                "The video service is not working right now. Your video starts when the service works again.",
            ),
            (
                QueuePosition(hold_reason=HoldReason.RETRY, starts_at=RENEWS),
                f"The video service has not accepted the request yet. The bot will try again {RENEWS_TEXT}.",
            ),
        ],
    )
    def test_a_waiting_card_says_where_it_stands(self, standing: QueuePosition, words: str) -> None:
        assert text.queue_position(ENGLISH, standing) == words

    @pytest.mark.parametrize(
        ("place", "words"),
        [
            (1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (13, "13th"), (21, "21st"),
            (102, "102nd"), (111, "111th"), (1_003, "1,003rd"), (10_000, "10,000th"),
        ],
    )  # fmt: skip
    def test_places_are_counted_as_people_do(self, place: int, words: str) -> None:
        assert ENGLISH.place(place) == words

    def test_the_end_is_told_by_a_time_that_moves_by_itself_until_it_is_past(self) -> None:
        words = [text.due(ENGLISH, due, RENEWS, NOON) for due in Due]

        begun = f"<t:{int(NOON.timestamp())}:R>"
        assert words == [
            f"expected {RENEWS_TEXT}",
            "ready any moment now",
            f"taking longer than usual · started {begun}",
        ]


def test_a_prompt_as_alt_text_is_one_clean_line_of_what_discord_takes() -> None:
    assert text.alt_text("a  `hat`\n\u202eon\x07 a cat ") == "a `hat` on a cat"
    assert text.alt_text("w" * 2_000) == "w" * 1_023 + "…"
    assert text.alt_text("") is None
