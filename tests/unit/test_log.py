"""The log: a line is an event and nobody can add one; secrets are not in it, whoever logs and whatever was raised."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from bot import log, log_context
from bot.models import JobState
from tests.builders import a_job

BOT_TOKEN = "MTE0NzQ3NDc0NzQ3NDc0NzQ3.GkqLrT.a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6q7r8s9"
KEY = "k3y-of-the-provider"
TOKEN = "aW50ZXJhY3Rpb246MTIzNDU2Nzg5MDEyMzQ1Njc4OTpLZFZ0eXhYa2J2Q3p4"
SIGNED = "https://cdn.discordapp.com/ephemeral-attachments/1/2/cat.png?ex=66f0a1b2&is=66ef5032&hm=5ca1ab1e0ddba11"
FORGED = "2026-11-28T12:00:00.000Z ERROR bot.jobs job=1 paid twice"

Lines = Callable[[], list[str]]
E = TypeVar("E", bound=Exception)


@pytest.fixture(name="written", params=["text", "json"])
def _written(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """What the root logger writes in this format, line by line."""
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    hooks = sys.excepthook, sys.unraisablehook
    monkeypatch.setattr(sys, "stderr", stream)
    log.set_up("DEBUG", request.param, [BOT_TOKEN, KEY])
    yield lambda: stream.getvalue().splitlines()
    logging.captureWarnings(False)
    sys.excepthook, sys.unraisablehook = hooks
    root.handlers[:], root.level = before, level


def raised(error: E) -> E:
    """The error, as it is where it was caught."""
    try:
        raise error
    except type(error) as caught:
        return caught


BREAKS = [
    "\n",
    "\r",
    "\r\n",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x85",
    "\u2028",
    "\u2029",
    "\nTraceback (most recent call last):\n",
]
CURSOR = ["\x1b[1A\x1b[2K", "\x08", "\x7f", "\x9b2J", "\u202e", "\x00"]


class TestForging:
    @pytest.mark.parametrize("trick", [*BREAKS, *CURSOR])
    def test_a_message_is_one_line_whatever_stands_in_it(self, written: Lines, trick: str) -> None:
        logging.getLogger("bot").warning("the model said %s", f"x{trick}{FORGED}")

        (line,) = written()
        assert line.isprintable()
        assert not line.startswith(FORGED)

    @pytest.mark.parametrize("trick", [*BREAKS, *CURSOR])
    def test_the_text_of_an_error_is_one_line_of_its_traceback(self, written: Lines, trick: str) -> None:
        error = raised(ValueError(f"x{trick}{FORGED}"))
        error.add_note(f"y{trick}{FORGED}")
        error.__cause__ = raised(KeyError(f"z{trick}{FORGED}"))

        logging.getLogger("bot").error("failed", exc_info=error)

        lines = written()
        assert all(line.isprintable() for line in lines)
        assert [line for line in lines if line.startswith(FORGED)] == []
        assert sum("failed" in line for line in lines) == 1

    def test_half_a_character_is_written_as_an_escape(self) -> None:
        assert log.one_line("x\ud800") == r"x\ud800"  # pytest's own log could not pass it on

    def test_a_traceback_keeps_its_lines(self, written: Lines) -> None:
        error = raised(ExceptionGroup("both", [raised(ValueError("one")), raised(TypeError("two"))]))
        error.__cause__ = raised(KeyError("before"))

        logging.getLogger("bot").error("failed", exc_info=error)

        lines = written()
        told = json.loads(lines[0])["error"].split("\n") if lines[0].startswith("{") else lines[1:]
        assert told.count("Traceback (most recent call last):") == 2
        assert "The above exception was the direct cause of the following exception:" in told
        assert {
            "KeyError: 'before'",
            "ExceptionGroup: both (2 sub-exceptions)",
            "  | ValueError: one",
            "  | TypeError: two",
        } <= set(told)
        assert any(line.startswith(f'  File "{__file__}", line ') for line in told)

    def test_arguments_that_do_not_fit_are_not_printed_as_they_are(self, written: Lines) -> None:
        ours = next(h for h in logging.getLogger().handlers if isinstance(h, log._Handler))  # pytest's own would raise

        ours.handle(logging.makeLogRecord({"name": "bot", "levelname": "INFO", "msg": "two: %s %s", "args": (KEY,)}))

        (line,) = written()
        assert "two: %s %s" in line
        assert KEY not in line


def request_info() -> aiohttp.RequestInfo:
    headers = CIMultiDictProxy(CIMultiDict({"Authorization": f"Bot {BOT_TOKEN}"}))
    url = URL(f"https://discord.com/api/v10/webhooks/123/{TOKEN}/messages/@original")
    return aiohttp.RequestInfo(url, "PATCH", headers)


SECRET_TEXTS = {
    "the bot's token": (f"Bot {BOT_TOKEN}", [BOT_TOKEN]),
    "another bot's token": (f"old {BOT_TOKEN.replace('Gk', 'Xx')}!", [BOT_TOKEN.replace("Gk", "Xx")]),
    "the key": (f"key={KEY}", [KEY]),
    "a webhook": (f"timeout to host https://discord.com/api/v10/webhooks/123/{TOKEN}/messages/@original", [TOKEN]),
    "a webhook of any token": ("http://127.0.0.1:1/api/v10/webhooks/123/u-4_abc/messages/1", ["u-4_abc"]),
    "a webhook by its path": ("PATCH /api/v10/webhooks/123/u4abc?wait=true 500", ["u4abc"]),
    "a callback": ("POST https://discord.com/api/v10/interactions/9/u4abc/callback", ["u4abc"]),
    "an encoded path": ("next=%2Fwebhooks%2F123%2Fu4abc%2Fmessages", ["u4abc"]),
    "a token alone": (f"404 for {TOKEN}", [TOKEN]),
    "a token in a payload": ("{'id': '1', 'token': 'u4abc', 'type': 2}", ["u4abc"]),
    "a token in JSON": ('{"token":"u4abc","type":2}', ["u4abc"]),
    "a signed address": (f"500, message='', url='{SIGNED}'", ["5ca1ab1e", "66f0a1b2"]),
    "a signed address in JSON": (json.dumps(SIGNED).replace("/", "\\/"), ["5ca1ab1e"]),
    "an address of S3": ("https://b.example/v.mp4?X-Amz-Signature=abc123&X-Amz-Credential=AK9", ["abc123", "AK9"]),
    "an address with an odd parameter": ("https://b.example/v.mp4?zq=abc123", ["abc123"]),
    "an address with a fragment": ("https://b.example/v.mp4#access=abc123", ["abc123"]),
    "an address within another": ("/proxy?u=https%3A%2F%2Fb.example%2Fv%3Fsig%3Dabc123", ["abc123"]),
    "a path with its query": ("GET /attachments/1/2/c.png?ex=66f0a1b2&is=1&hm=5ca1ab1e HTTP/1.1", ["5ca1ab1e"]),
    "a proxy's password": ("cannot connect to http://ann:pa55word@proxy.example:3128", ["pa55word"]),
    "a header": ("<CIMultiDictProxy('Authorization': 'Bearer s3cr3t-key', 'Accept': '*/*')>", ["s3cr3t-key"]),
    "a raw header": ("[(b'Authorization', b's3cr3t-key')]", ["s3cr3t-key"]),
    "a header line": ("Authorization: s3cr3t-key\r\nAccept: */*", ["s3cr3t-key"]),
    "a header line with its scheme": ("Authorization: Bearer s3cr3t-key\r\nAccept: */*", ["s3cr3t-key"]),
    "a proxy's header line": ("Proxy-Authorization: Basic YW5uOnBhNTV3b3Jk\r\n", ["YW5uOnBhNTV3b3Jk"]),
    "a header line of ours": ("authorization: Bot s3cr3t-key", ["s3cr3t-key"]),
    "a path in JSON": (r'{"path":"\/webhooks\/123\/u4abc\/messages"}', ["u4abc"]),
    "where a picture is served": (f"no https://bot.example/pictures/12-179000-{'Sig_nat-ur' * 4}abc.jpg", ["nat-ur"]),
    "a picture's path in JSON": (rf"\/pictures\/12-1790000000-{'Sig_nat-ur' * 4}abc.jpg", ["nat-ur"]),
    "a picture's address that was cut": (f"https://bot.example/pictures/12-1790000000-{'Sig_nat-ur' * 2}…", ["nat-ur"]),
    "a bearer": ("refused Bearer s3cr3t-key here", ["s3cr3t-key"]),
    "a key of OpenAI's form": ("Incorrect API key provided: sk-proj-abcdef123", ["abcdef123"]),
    "a request's description": (repr(request_info()), [BOT_TOKEN, TOKEN]),
}  # fmt: skip


class TestSecrets:
    @pytest.mark.parametrize(("text", "secrets"), SECRET_TEXTS.values(), ids=SECRET_TEXTS)
    @pytest.mark.parametrize("logger", ["bot", "discord.http", "aiohttp.client", "asyncio"])
    def test_none_is_in_a_message_nor_in_its_arguments_nor_in_a_traceback(
        self, written: Lines, logger: str, text: str, secrets: list[str]
    ) -> None:
        error = raised(RuntimeError(text))
        error.__context__ = raised(aiohttp.ClientError(text))
        error.add_note(text)

        logging.getLogger(logger).error(text)
        logging.getLogger(logger).warning("failed: %s %r", text, error)
        logging.getLogger(logger).error("failed", exc_info=error)

        everything = "\n".join(written())
        assert everything.count("failed") >= 2
        assert [secret for secret in secrets if secret in everything] == []

    def test_an_error_of_the_client_library_with_its_request_is_told_without(self, written: Lines) -> None:
        error = aiohttp.ClientResponseError(request_info(), (), status=500, message=SIGNED)

        logging.getLogger("bot").error("failed: %r", error, exc_info=error)

        everything = "\n".join(written())
        assert "status=500" in everything
        assert [secret for secret in (BOT_TOKEN, TOKEN, "5ca1ab1e") if secret in everything] == []

    @pytest.mark.parametrize(
        "text",
        [
            "invite this bot: https://discord.com/oauth2/authorize?client_id=12&scope=bot+applications.commands",
            "job=12 key=AB12CD user=34 state=rendering failure=None",
            "auth=bearer settled for endpoint=https://gptproto.com/v1",
            "job=3 the member could not be told privately: no token",
            "Discord cannot be reached at http://127.0.0.1:9/api/v10: Cannot connect",
            "is it? a=b",
        ],
    )
    def test_what_is_no_secret_stays(self, written: Lines, text: str) -> None:
        logging.getLogger("bot").info(text)

        assert text in written()[0]

    @pytest.mark.parametrize("secret", ["sk_live/+=q'9\\x\"abcDEF12345", "kéy-of-the-provider"])
    def test_a_known_secret_is_hidden_however_it_was_quoted(self, secret: str) -> None:
        forms = [
            secret,
            quote(secret),
            quote(secret, safe=""),
            repr({"key": secret}),
            repr(secret.encode()),
            json.dumps([secret]),
        ]

        hidden = [log._Hider([secret])(form) for form in forms]

        assert all("[secret]" in text or "[hidden]" in text for text in hidden)
        assert [text for text in hidden if secret[-7:] in text or secret[:7] in text] == []

    def test_a_short_secret_is_hidden_as_a_word_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert log._Hider(["queue", "abc"])("queue=queued queue abc") == "[secret]=queued [secret] abc"

    @pytest.mark.parametrize(
        "piece", ["https://", "a.", "a-", "?a", "%3Fa", "token=", "Bearer 1 ", "/webhooks/1/", "\x1b"]
    )
    def test_a_long_text_is_cut_before_it_costs_time(self, written: Lines, piece: str) -> None:
        logging.getLogger("bot").info(piece * 200_000)

        assert len(written()[0]) < 6 * log.MAX_CHARACTERS  # of escapes

    def test_what_nobody_caught_goes_the_same_way(self) -> None:
        code = (
            "import threading; from bot import log; log.set_up('INFO', 'text', ['s3cr3t-key']);"
            "t = threading.Thread(target=lambda: 1 / len('s3cr3t-key'[:0] * int('0')));"
            "t.start(); t.join();"
            "raise RuntimeError('s3cr3t-key\\nforged')"
        )

        ended = subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

        assert "s3cr3t-key" not in ended.stderr.replace("'s3cr3t-key'[:0]", "")
        assert ended.stderr.count(" ERROR bot not caught\n") == 2
        assert ended.stderr.endswith("RuntimeError: [secret]\\nforged\n")


def last(written: Lines) -> dict[str, Any]:
    """The fields of the newest line, where lines are JSON."""
    line = written()[-1]
    if not line.startswith("{"):
        pytest.skip("text has no fields")
    fields: dict[str, Any] = json.loads(line)
    return fields


@pytest.fixture(name="alone")
def _alone() -> Iterator[None]:
    """What a test says its lines are about does not reach the next one."""
    yield
    log_context.about()


@pytest.mark.usefixtures("alone")
class TestFields:
    def test_what_stands_behind_a_name_is_a_field_numbers_as_numbers_and_ids_as_text(self, written: Lines) -> None:
        logging.getLogger("bot").info("job=%s state=%s bytes=%s seconds=%.1f", 7, JobState.DELIVERED, 12_345, 1.25)

        fields = last(written)
        assert fields["job"] == "7"
        assert (fields["state"], fields["bytes"], fields["seconds"]) == ("delivered", 12_345, 1.25)

    def test_a_text_of_somebody_else_makes_no_field(self, written: Lines) -> None:
        logging.getLogger("bot").info("the provider said: %s", "job=1 user=2 level=ERROR")

        assert last(written).keys() == {"time", "level", "logger", "message"}

    def test_a_field_never_replaces_what_the_line_itself_is(self, written: Lines) -> None:
        logging.getLogger("bot").info("message=%s level=%s", 5, "x")

        fields = last(written)
        assert (fields["level"], fields["message"]) == ("INFO", "message=5 level=x")

    def test_no_secret_is_in_a_field(self, written: Lines) -> None:
        logging.getLogger("bot").info("provider=%s", KEY)

        assert last(written)["provider"] == "[secret]"

    def test_arguments_that_do_not_fit_make_no_field(self) -> None:
        record = logging.makeLogRecord({"msg": "job=%s %s", "args": (1,)})

        assert log.named(record) == {}

    @pytest.mark.parametrize("template", ["100%% job=%s", "%.1f%% of job=%s", "x.job=%s job=%s"])
    def test_places_are_counted_as_python_fills_them(self, template: str) -> None:
        arguments = (1.5, 7) if template.count("%") > 3 or template.startswith("x") else (7,)
        record = logging.makeLogRecord({"msg": template, "args": arguments})
        record.getMessage()

        assert log.named(record) == {"job": 7}


@pytest.mark.usefixtures("alone")
class TestContext:
    def test_every_line_of_a_jobs_task_names_the_job_whoever_writes_it(self, written: Lines) -> None:
        log_context.about_job(a_job(7))

        logging.getLogger("aiohttp.client").warning("connection lost")

        assert "7" in written()[-1]
        if not written()[-1].startswith("{"):
            assert written()[-1].endswith("job=7 connection lost")
            return
        fields = last(written)
        assert (fields["job"], fields["provider"], fields["state"]) == ("7", "default", "waiting")

    def test_what_a_line_says_itself_counts_more(self, written: Lines) -> None:
        log_context.about_job(a_job(7))

        logging.getLogger("bot").warning("job=%s its card could not be drawn", 8)

        assert "7" not in written()[-1].partition("job")[2].partition("user")[0]
        assert last(written)["job"] == "8"


class TestFolding:
    def test_of_many_lines_about_rate_limits_one_a_minute_is_written_and_tells_of_the_others(self) -> None:
        now = 0.0
        folding = log._Folding(lambda: now)

        def passes(name: str, message: str) -> str | None:
            record = logging.makeLogRecord({"name": name, "msg": message})
            return record.getMessage() if folding.filter(record) else None

        told = "We are being rate limited. PATCH responded with 429."
        assert passes("discord.http", told) == told
        assert [passes("discord.http", told) for _ in range(30)] == [None] * 30
        assert passes("discord.webhook.async", "Webhook ID 1 is rate limited.") is None
        assert passes("discord.gateway", "Shard ID 0 has connected.") is not None
        assert passes("bot.chat", "429") == "429"
        now = log.FOLDED_S
        assert passes("discord.http", told) == f"{told} (31 lines like this were left out)"
        now = 2 * log.FOLDED_S
        assert passes("discord.http", told) == told
