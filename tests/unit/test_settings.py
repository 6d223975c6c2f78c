"""The settings: where they are read from, and the one sentence for each that is missing or wrong."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.errors import SettingsError
from bot.models import Limit, Period
from bot.provider_settings import offer
from bot.settings import Settings, misspelt_in_environment
from bot.shard_settings import ShardSettings, shard_ids

TOKEN = "discord-token-under-test"
KEY = "video-key-under-test"
REQUIRED = {"DISCORD_TOKEN": TOKEN, "VIDEO_API_KEY": KEY}

A_PERIOD = "day, week, month or total"
CREDITS = "a whole number from 0 to 1000000"
JOBS = "a whole number from 1 to 10000"
SECONDS = "a number above 0, up to 3600"
MINUTES = "a number above 0, up to 10000"

WRONG = {
    "DISCORD_TOKEN": (["two words", "tökên"], "the bot's token from the Discord developer portal"),
    "DISCORD_API_URL": (
        ["discord.com/api/v10", "ftp://discord.com", "https://"],
        "an http(s) address, such as https://discord.com/api/v10",
    ),
    "ALLOWED_GUILDS": (["12, our server"], "ids of servers, separated by commas, or empty for any server"),
    "VIDEO_API_KEY": (["two words", "kéy"], "the key from your provider (GPTPROTO_API_KEY works, too)"),
    "VIDEO_API_URL": (["gptproto.com/v1"], "an http(s) address, such as https://gptproto.com/v1"),
    "VIDEO_API_AUTH": (["basic"], "auto, raw or bearer"),
    "DATABASE_URL": (
        ["mysql://db/animate", "postgresql://", "data/animate.db", "sqlite:///"],
        "sqlite:/// and a path, such as sqlite:///data/animate.db, or a postgresql:// address",
    ),
    "QUOTA_DEFAULT_CREDITS": (["-1", "1000001", "many", "1.5"], CREDITS),
    "QUOTA_DEFAULT_PERIOD": (["year"], A_PERIOD),
    "DIRECT_CREDITS": (["-1", "1000001"], f"{CREDITS}, or empty for QUOTA_DEFAULT_CREDITS"),
    "BUDGET_CREDITS": (["-1", "1000000001"], "a whole number from 0 to 1000000000"),
    "BUDGET_PERIOD": (["fortnight"], A_PERIOD),
    "MAX_CONCURRENT_JOBS": (["0", "10001"], JOBS),
    "MAX_JOBS_PER_USER": (["0", "10001"], JOBS),
    "POLL_SECONDS": (["0", "-5", "3601", "nan", "inf", "soon"], SECONDS),
    "PROGRESS_SECONDS": (["0", "nan"], SECONDS),
    "JOB_TIMEOUT_MINUTES": (["0", "10001", "inf"], MINUTES),
    "KEEP_DAYS": (["-1", "36501", "1.5", "always"], "a whole number from 1 to 36500, or 0 to keep them forever"),
    "KEEP_PICTURES_DAYS": (["-1", "36501", "week"], "a whole number from 0 to 36500"),
    "BACKUP_EVERY": (
        ["soon", "-1", "1s", "30s", "367d", "0.5m", "1w"],
        "hours, or a time such as 30m, 6h or 1d, from 1m to 366d, or empty to turn it off",
    ),
    "BACKUP_KEEP": (["0", "1001", "all"], "a whole number from 1 to 1000"),
    "HTTP_PORT": (["-1", "65536", "http"], "a port from 1 to 65535, or 0 to turn it off"),
    "PUBLIC_URL": (
        ["bot.example.com", "http://bot.example.com", "https://", "https://me:secret@bot.example.com", "https://a.example/?b"],
        "the https address of HTTP_PORT as the internet sees it, such as https://bot.example.com, or empty",
    ),
    "OPERATOR_WEBHOOK_URL": (
        ["discord.com/api/webhooks/1/a", "two words"],
        "the http(s) address of a Discord webhook, or empty",
    ),
    "OPERATOR_DIRECT_MESSAGES": (["maybe"], "on or off"),
    "CREDITS_SECRET": (
        ["short", "two words " * 5, "ü" * 40],
        "at least 32 letters and digits that nobody can guess, or empty",
    ),
    "PROMPT_HELPER_URL": (
        ["openrouter.ai/api/v1", "two words", "ftp://chat.example"],
        "the http(s) address of an API with /chat/completions, such as https://openrouter.ai/api/v1",
    ),
    "PROMPT_HELPER_KEY": (["two words"], "the key for PROMPT_HELPER_URL, or empty"),
    "PROMPT_HELPER_PER_DAY": (["0", "10001", "many"], "a whole number from 1 to 10000"),
    "LOG_LEVEL": (["LOUD"], "DEBUG, INFO, WARNING or ERROR"),
    "LOG_FORMAT": (["xml"], "text or json"),
    "SHARD_IDS": (["first", "3-1", "-1", "0-99999"], "numbers of shards, such as 0-15 or 0-7,12, or empty for all"),
    "SHARD_COUNT": (["0", "16385", "all"], "a whole number from 1 to 16384, or empty for what Discord recommends"),
    "TAKEOVER_SECONDS": (["2", "601", "nan"], "a number from 3 to 600"),
    "ROLE": (["leader"], "all, gateway or worker"),
    "SENTRY_DSN": (
        ["sentry.example.com/1", "https://sentry.example.com/1", "https://key@sentry.example.com/mine", "two words"],
        "the DSN of a Sentry project, such as https://key@sentry.example.com/1, or empty",
    ),
}  # fmt: skip
ANYTHING_GOES = {"VIDEO_CATALOG", "VIDEO_DOWNLOAD_HOSTS", "DATA_DIR", "HTTP_HOST", "PROMPT_HELPER_MODEL"}
"""No text is wrong by itself."""


@pytest.fixture(name="env", autouse=True)
def _env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An empty folder to start in, and an environment with nothing of ours but what is required."""
    monkeypatch.chdir(tmp_path)
    ours = {name.upper() for name in Settings.model_fields} | {"GPTPROTO_API_KEY", "OPENROUTER_API_KEY"}
    for name in [name for name in os.environ if name.upper() in ours]:
        monkeypatch.delenv(name)
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()


def sentences() -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    return caught.value.sentences


def two_providers(folder: Path, *, first_key: str = 'key = "MY_KEY"') -> Path:
    path = folder / "two.toml"
    path.write_text(f"""
[providers.mine]
wire = "openai"
url = "http://127.0.0.1:8000/v1"
{first_key}

[providers.openrouter]
wire = "openrouter"
url = "https://openrouter.ai/api/v1"
key = "OPENROUTER_API_KEY"
auth = "bearer"

[[models]]
id = "a"
provider = "mine"
seconds = [4]
sizes = ["720x1280"]
credits = 1

[[models]]
id = "b"
provider = "openrouter"
seconds = [4]
sizes = ["720x1280"]
credits = 1
""")
    return path


class TestFaults:
    @pytest.mark.parametrize("name", REQUIRED)
    @pytest.mark.parametrize("value", [None, "", "   "])
    def test_a_missing_secret_is_one_sentence(self, env: pytest.MonkeyPatch, name: str, value: str | None) -> None:
        env.delenv(name) if value is None else env.setenv(name, value)

        (sentence,) = sentences()

        problem = "wrong" if value == "   " else "missing"
        assert sentence == f"{name} is {problem}: it should be {WRONG[name][1]}."

    @pytest.mark.parametrize(
        ("name", "value"), [(name, value) for name, (values, _) in WRONG.items() for value in values]
    )
    def test_a_wrong_value_is_one_sentence_without_the_value(
        self, env: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        env.setenv(name, value)

        (sentence,) = sentences()

        assert sentence == f"{name} is wrong: it should be {WRONG[name][1]}."

    def test_every_setting_is_among_those_tried(self) -> None:
        assert {name.upper() for name in Settings.model_fields} == WRONG.keys() | ANYTHING_GOES

    @pytest.mark.parametrize(
        ("count", "sentence"),
        [
            (None, "SHARD_COUNT is missing: SHARD_IDS needs the number of shards of all processes."),
            (8, "SHARD_IDS is wrong: each number should be below SHARD_COUNT, 8."),
        ],
    )
    def test_shards_that_do_not_fit_their_count_are_one_sentence(self, count: int | None, sentence: str) -> None:
        settings = ShardSettings(shard_ids=shard_ids("0-3,8"), shard_count=count)

        assert list(settings.shard_faults(several_processes=True).values()) == [sentence]

    @pytest.mark.parametrize(
        "given", [{"SHARD_IDS": "0-3", "SHARD_COUNT": "8"}, {"ROLE": "worker"}, {"ROLE": "gateway"}]
    )
    def test_several_processes_with_one_sqlite_file_are_refused(
        self, env: pytest.MonkeyPatch, given: dict[str, str]
    ) -> None:
        for name, value in given.items():
            env.setenv(name, value)

        (sentence,) = sentences()

        assert sentence.endswith(" needs PostgreSQL in DATABASE_URL: only one process can use a SQLite file.")

    def test_one_process_may_say_how_many_shards_it_connects(self, env: pytest.MonkeyPatch) -> None:
        env.setenv("SHARD_COUNT", "4")

        assert Settings.load().shard_count == 4

    def test_ranges_and_numbers_of_shards_are_read(self) -> None:
        assert shard_ids("8, 0-2 1") == {0, 1, 2, 8}

    def test_several_faults_are_one_sentence_each(self, env: pytest.MonkeyPatch) -> None:
        env.delenv("DISCORD_TOKEN")
        env.setenv("POLL_SECONDS", "0")
        env.setenv("ALLOWED_GUILDS", "one two three")

        assert [sentence.partition(" ")[0] for sentence in sentences()] == [
            "DISCORD_TOKEN", "ALLOWED_GUILDS", "POLL_SECONDS"
        ]  # fmt: skip

    def test_a_wrong_key_under_its_other_name_is_one_sentence(self, env: pytest.MonkeyPatch) -> None:
        env.delenv("VIDEO_API_KEY")
        env.setenv("GPTPROTO_API_KEY", "two words")

        assert sentences() == ("VIDEO_API_KEY is wrong: it should be the key from your provider (GPTPROTO_API_KEY works, too).",)  # fmt: skip # noqa: E501


class TestCatalogs:
    def test_the_key_is_read_from_the_variable_that_the_catalog_names(self, env: pytest.MonkeyPatch) -> None:
        env.delenv("VIDEO_API_KEY")
        env.setenv("VIDEO_CATALOG", "openrouter")
        env.setenv("GPTPROTO_API_KEY", "of-another-provider")

        assert sentences() == ("VIDEO_API_KEY is missing: it should be the key from your provider (OPENROUTER_API_KEY works, too).",)  # fmt: skip # noqa: E501
        env.setenv("OPENROUTER_API_KEY", "the-right-one")
        assert secret(Settings.load().video_api_key) == "the-right-one"

    def test_a_provider_that_takes_no_key_needs_none(self, env: pytest.MonkeyPatch, tmp_path: Path) -> None:
        env.delenv("VIDEO_API_KEY")
        env.setenv("VIDEO_CATALOG", str(two_providers(tmp_path, first_key="")))

        (config,) = offer(Settings.load()).providers

        assert (config.name, config.key) == ("mine", None)

    def test_a_wrong_catalog_is_told_beside_other_faults(self, env: pytest.MonkeyPatch) -> None:
        env.delenv("DISCORD_TOKEN")
        env.setenv("VIDEO_CATALOG", "nowhere.toml")

        assert [sentence.partition(":")[0] for sentence in sentences()] == ["DISCORD_TOKEN is missing", "VIDEO_CATALOG"]

    def test_every_provider_has_its_own_key_and_one_without_is_left_out_and_told(
        self, env: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        env.setenv("VIDEO_CATALOG", str(two_providers(tmp_path)))
        without = offer(Settings.load())
        (tmp_path / ".env").write_text("OPENROUTER_API_KEY=of-the-file\n")
        settings = Settings.load()
        both = offer(settings)

        assert [model.id for model in without.catalog.models] == ["a"]
        assert without.notes == ("OPENROUTER_API_KEY is not set: the models of openrouter are not on offer",)
        assert [(each.name, each.key) for each in both.providers] == [("mine", KEY), ("openrouter", "of-the-file")]
        assert [model.id for model in both.catalog.models] == ["a", "b"]
        assert "of-the-file" in settings.secrets
        assert "of-the-file" not in repr(both)

    def test_the_three_settings_are_the_first_providers(self, env: pytest.MonkeyPatch, tmp_path: Path) -> None:
        env.setenv("VIDEO_CATALOG", str(two_providers(tmp_path)))
        env.setenv("OPENROUTER_API_KEY", "other")
        env.setenv("VIDEO_API_URL", "http://127.0.0.1:9/v1/")
        env.setenv("VIDEO_API_AUTH", "raw")

        first, second = offer(Settings.load()).providers

        assert (first.url, first.auth) == ("http://127.0.0.1:9/v1", "raw")
        assert (second.url, second.auth) == ("https://openrouter.ai/api/v1", "bearer")

    @pytest.mark.parametrize("of_the_first", ["VIDEO_API_KEY", "MY_KEY"])
    def test_the_first_providers_key_goes_to_no_other_address_even_if_the_catalog_names_it_there(
        self, env: pytest.MonkeyPatch, tmp_path: Path, of_the_first: str
    ) -> None:
        path = two_providers(tmp_path)
        named = path.read_text().replace("OPENROUTER_API_KEY", "VIDEO_API_KEY").replace("MY_KEY", of_the_first)
        path.write_text(named)
        env.setenv("VIDEO_CATALOG", str(path))

        assert [(each.name, each.key) for each in offer(Settings.load()).providers] == [("mine", KEY)]

    def test_gptprotos_key_goes_to_gptproto_alone(self, env: pytest.MonkeyPatch) -> None:
        at_gptproto = offer(Settings.load())
        env.setenv("VIDEO_API_URL", "http://127.0.0.1:9/v1")
        elsewhere = offer(Settings.load())

        assert [(each.name, each.key) for each in at_gptproto.providers] == [("gptproto", KEY), ("gptproto-v3", KEY)]
        assert [each.name for each in elsewhere.providers] == ["gptproto"]
        assert [model.id for model in elsewhere.catalog.models] == ["sora-2", "sora-2-pro"]

    def test_a_catalog_without_a_model_on_offer_is_one_sentence(self, env: pytest.MonkeyPatch, tmp_path: Path) -> None:
        path = two_providers(tmp_path)
        path.write_text(path.read_text().split('[[models]]\nid = "b"')[0] + "retired = { on = 2026-01-01 }\n")
        env.setenv("VIDEO_CATALOG", str(path))

        with pytest.raises(SettingsError, match=r"no model of .* is on offer any more"):
            offer(Settings.load())

    @pytest.mark.parametrize(
        ("end", "words"),
        [
            ("{ on = 2999-01-01 }", "the model b ends on 2999-01-01; until then it is on offer"),
            (
                '{ on = 2026-01-01, at = "gone.example" }',
                "the model b ended on 2026-01-01 at gone.example; it is on offer because you use another address",
            ),
        ],
    )
    def test_the_end_of_a_model_that_is_on_offer_is_told_as_it_is_today(
        self, env: pytest.MonkeyPatch, tmp_path: Path, end: str, words: str
    ) -> None:
        path = two_providers(tmp_path)
        path.write_text(path.read_text() + f"retired = {end}\n")
        env.setenv("VIDEO_CATALOG", str(path))
        env.setenv("OPENROUTER_API_KEY", "other")

        assert offer(Settings.load()).notes == (words,)

    @pytest.mark.parametrize("missing", ["PUBLIC_URL", "HTTP_PORT"])
    def test_a_model_that_takes_an_address_alone_needs_a_public_address_and_a_port(
        self, env: pytest.MonkeyPatch, tmp_path: Path, missing: str
    ) -> None:
        path = two_providers(tmp_path)
        path.write_text(path.read_text() + 'picture = "url"\n')
        env.setenv("VIDEO_CATALOG", str(path))
        for name, value in {"PUBLIC_URL": "https://bot.example.com", "HTTP_PORT": "8080"}.items():
            if name != missing:
                env.setenv(name, value)

        offer(Settings.load())  # its provider has no key here: it is not on offer
        env.setenv("OPENROUTER_API_KEY", "other")
        with pytest.raises(SettingsError, match=r"^PUBLIC_URL and HTTP_PORT are needed for b: "):
            offer(Settings.load())
        env.setenv(missing, {"PUBLIC_URL": "http://127.0.0.1:8080/", "HTTP_PORT": "8080"}[missing])
        assert [model.id for model in offer(Settings.load()).catalog.models] == ["a", "b"]

    def test_a_name_in_the_file_that_the_catalog_gives_a_key_is_no_slip(
        self, env: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        path = two_providers(tmp_path)
        path.write_text(path.read_text().replace("OPENROUTER_API_KEY", "VIDEO_KEY_OF_MINE"))
        env.setenv("VIDEO_CATALOG", str(path))
        (tmp_path / ".env").write_text("VIDEO_KEY_OF_MINE=word\n")

        assert Settings.load_spelled().provider_keys.keys() == {"VIDEO_KEY_OF_MINE"}


class TestSecrets:
    def test_they_are_in_no_text_about_the_settings(self) -> None:
        settings = Settings.load()

        assert settings.discord_token.get_secret_value() == TOKEN
        assert secret(settings.video_api_key) == KEY
        for text in (repr(settings), str(settings), f"{settings.discord_token} {settings.video_api_key!r}",
                     settings.model_dump_json(), repr(settings.model_dump())):  # fmt: skip
            assert TOKEN not in text
            assert KEY not in text

    @pytest.mark.parametrize("name", REQUIRED)
    def test_a_wrong_one_is_in_no_error(self, env: pytest.MonkeyPatch, name: str) -> None:
        env.setenv(name, "very secret")

        with pytest.raises(SettingsError) as caught:
            Settings.load()

        assert "very secret" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!s}"


class TestReading:
    def test_the_key_is_read_under_its_other_name_and_its_own_comes_first(self, env: pytest.MonkeyPatch) -> None:
        env.setenv("GPTPROTO_API_KEY", "another")
        env.setenv("VIDEO_API_URL", "http://127.0.0.1:9/v1")
        both = Settings.load()
        env.setenv("VIDEO_API_KEY", "")
        other = Settings.load()

        assert secret(both.video_api_key) == KEY
        assert secret(other.video_api_key) == "another"

    def test_two_keys_for_the_address_of_the_catalog_are_one_too_many(self, env: pytest.MonkeyPatch) -> None:
        """VIDEO_API_KEY may be left over from another provider: nobody else is to be sent it."""
        env.setenv("VIDEO_CATALOG", "openrouter")
        env.setenv("OPENROUTER_API_KEY", "of-openrouter")

        (sentence,) = sentences()

        assert sentence == (
            "VIDEO_API_KEY and OPENROUTER_API_KEY are both set and differ: both are for openrouter. Remove one of them."
        )
        env.setenv("OPENROUTER_API_KEY", KEY)
        assert secret(Settings.load().video_api_key) == KEY

    def test_blanks_around_a_secret_are_not_part_of_it(self, env: pytest.MonkeyPatch) -> None:
        env.setenv("VIDEO_API_KEY", f" {KEY}\n")

        assert secret(Settings.load().video_api_key) == KEY

    def test_the_file_is_read_and_the_environment_comes_first(self, env: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("DISCORD_TOKEN=of-the-file\nBUDGET_CREDITS=7\nPOLL_SECONDS=9\nUNHEARD_OF=1\n")
        env.delenv("DISCORD_TOKEN")
        env.setenv("POLL_SECONDS", "3")

        settings = Settings.load()

        assert settings.discord_token.get_secret_value() == "of-the-file"
        assert (settings.budget_credits, settings.poll_seconds) == (7, 3.0)

    def test_a_wrong_value_in_the_file_is_one_sentence(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("MAX_CONCURRENT_JOBS=none\n")

        assert sentences() == (f"MAX_CONCURRENT_JOBS is wrong: it should be {JOBS}.",)

    @pytest.mark.parametrize("name", ["DISCORD_API_URL", "VIDEO_API_URL"])
    def test_a_trailing_slash_is_fine(self, env: pytest.MonkeyPatch, name: str) -> None:
        env.setenv(name, "http://127.0.0.1:8080/v1//")

        assert getattr(Settings.load(), name.lower()) == "http://127.0.0.1:8080/v1"

    def test_lists_are_separated_by_commas_or_blanks(self, env: pytest.MonkeyPatch) -> None:
        env.setenv("ALLOWED_GUILDS", "12, 34 56,")
        env.setenv("VIDEO_DOWNLOAD_HOSTS", "one.example,two.example")

        settings = Settings.load()

        assert settings.allowed_guilds == {12, 34, 56}
        assert settings.video_download_hosts == {"one.example", "two.example"}

    def test_words_are_taken_in_any_case(self, env: pytest.MonkeyPatch) -> None:
        for name, value in {"VIDEO_API_AUTH": "Bearer", "BUDGET_PERIOD": "Month", "LOG_LEVEL": "debug"}.items():
            env.setenv(name, value)

        settings = Settings.load()

        assert (settings.video_api_auth, settings.budget_period, settings.log_level) == ("bearer", "month", "DEBUG")

    @pytest.mark.parametrize("word", ["total", "ever", " Ever "])
    def test_credits_in_total_may_still_be_called_by_their_old_name(self, env: pytest.MonkeyPatch, word: str) -> None:
        env.setenv("QUOTA_DEFAULT_PERIOD", word)
        env.setenv("BUDGET_PERIOD", word)

        limits = Settings.load().limits

        assert limits.default.per is limits.direct.per is limits.budget.per is Period.TOTAL

    @pytest.mark.parametrize(
        ("url", "path"),
        [("sqlite:///data/animate.db", "data/animate.db"), ("sqlite:////data/animate.db", "/data/animate.db")],
    )
    def test_the_database_is_a_path_absolute_with_four_slashes(
        self, env: pytest.MonkeyPatch, url: str, path: str
    ) -> None:
        env.setenv("DATABASE_URL", url)

        assert Settings.load().database_path == Path(path)

    def test_nothing_more_than_the_secrets_is_needed(self) -> None:
        settings = Settings.load()

        limits = settings.limits
        assert limits.default == limits.direct == Limit(20, Period.DAY)
        assert (limits.budget, limits.jobs_per_user) == (Limit(1000, Period.DAY), 2)
        assert timedelta(minutes=settings.job_timeout_minutes) == timedelta(minutes=30)

    @pytest.mark.parametrize(("value", "direct"), [("0", 0), ("", 7), ("3", 3)])
    def test_outside_of_servers_the_default_holds_unless_said_otherwise(
        self, env: pytest.MonkeyPatch, value: str, direct: int
    ) -> None:
        env.setenv("QUOTA_DEFAULT_CREDITS", "7")
        env.setenv("QUOTA_DEFAULT_PERIOD", "week")
        env.setenv("DIRECT_CREDITS", value)

        assert Settings.load().limits.direct == Limit(direct, Period.WEEK)


class TestSpelling:
    @pytest.mark.parametrize(
        ("slip", "meant"),
        [
            ("VIDEO_API_KEI", "VIDEO_API_KEY"),
            ("QUOTA_DEFAULT_CREDIT", "QUOTA_DEFAULT_CREDITS"),
            ("DISCORD_TOKN", "DISCORD_TOKEN"),
            ("discord_tokens", "DISCORD_TOKEN"),
            ("LOGLEVEL", "LOG_LEVEL"),
            ("HTTP_PROT", "HTTP_PORT"),
            ("MAX_CONCURENT_JOBS", "MAX_CONCURRENT_JOBS"),
            ("DATABASE_URI", "DATABASE_URL"),
            ("GPTPROTO_KEY", "GPTPROTO_API_KEY"),
        ],
    )
    def test_a_slip_in_the_file_is_named_with_what_was_meant(self, tmp_path: Path, slip: str, meant: str) -> None:
        (tmp_path / ".env").write_text(f"{slip}=value-of-a-slip\n")

        with pytest.raises(SettingsError) as caught:
            Settings.load_spelled()

        assert caught.value.sentences == (f"{slip} in .env is not a setting of this bot: did you mean {meant}?",)

    def test_a_file_that_is_no_text_is_told_in_one_sentence(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_bytes(b"VIDEO_API_KEY=\xff\n")

        with pytest.raises(SettingsError) as caught:
            Settings.load_spelled()

        (sentence,) = caught.value.sentences
        assert sentence.startswith(".env cannot be read: ")

    def test_a_name_with_our_prefix_is_named_even_if_nothing_is_near(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("VIDEO_QX=1\n")

        with pytest.raises(SettingsError) as caught:
            Settings.load_spelled()

        assert caught.value.sentences == ("VIDEO_QX in .env is not a setting of this bot.",)

    @pytest.mark.parametrize(
        "name",
        ["TZ", "HTTPS_PROXY", "HTTP_PROXY", "SSL_CERT_FILE", "OPENROUTER_API_KEY", "FAL_KEY", "OPENAI_API_KEY",
         "COMFY_API_KEY", "PYTHONUNBUFFERED", "COMPOSE_PROJECT_NAME", "LOGNAME", "HOSTNAME",
         "gptproto_api_key", "BUDGET_PERIOD"],
    )  # fmt: skip
    def test_what_is_for_others_or_right_is_left_alone(
        self, env: pytest.MonkeyPatch, tmp_path: Path, name: str
    ) -> None:
        env.setenv("VIDEO_API_URL", "http://127.0.0.1:9/v1")
        (tmp_path / ".env").write_text(f"{name}=day\n")

        assert Settings.load_spelled().budget_period is Period.DAY

    def test_a_missing_token_is_told_with_its_slip_in_the_environment(self, env: pytest.MonkeyPatch) -> None:
        env.delenv("DISCORD_TOKEN")
        env.setenv("DISCORD_TOKN", TOKEN)

        with pytest.raises(SettingsError) as caught:
            Settings.load_spelled()

        assert caught.value.sentences == (
            f"DISCORD_TOKEN is missing: it should be {WRONG['DISCORD_TOKEN'][1]}.",
            "DISCORD_TOKN in the environment is not a setting of this bot: did you mean DISCORD_TOKEN?",
        )

    def test_a_slip_in_the_environment_alone_stops_nothing(self, env: pytest.MonkeyPatch) -> None:
        env.setenv("BUDGET_CREDIT", "7")

        assert Settings.load_spelled().budget_credits == 1000
        assert misspelt_in_environment() == [
            "BUDGET_CREDIT in the environment is not a setting of this bot: did you mean BUDGET_CREDITS?"
        ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("6", timedelta(hours=6)), ("0.5", timedelta(minutes=30)), ("30m", timedelta(minutes=30)),
        ("6 H", timedelta(hours=6)), ("1d", timedelta(days=1)), ("", None), ("0", None),
    ],
)  # fmt: skip
def test_a_time_between_backups_is_hours_or_has_its_unit(
    env: pytest.MonkeyPatch, written: str, meant: timedelta | None
) -> None:
    env.setenv("BACKUP_EVERY", written)

    assert Settings.load().backup_every == meant


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"PROMPT_HELPER_URL": "https://chat.example/v1"},
            "PROMPT_HELPER_MODEL is missing: it should be",
        ),
        ({"PROMPT_HELPER_MODEL": "small-talk"}, "PROMPT_HELPER_URL is missing: it should be the http(s) address"),
    ],
)
def test_a_chat_model_needs_an_address_and_a_name(
    env: pytest.MonkeyPatch, given: dict[str, str], sentence: str
) -> None:
    env.setenv("DISCORD_TOKEN", "a-token")
    env.setenv("VIDEO_API_KEY", "a-key")
    for name, value in given.items():
        env.setenv(name, value)

    with pytest.raises(SettingsError) as raised:
        Settings.load()

    assert [said for said in raised.value.sentences if said.startswith(sentence)] == list(raised.value.sentences)


def test_the_key_of_the_chat_model_may_be_in_a_file_and_is_a_secret(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(" chat-key\n")
    for name, value in {
        "DISCORD_TOKEN": "a-token",
        "VIDEO_API_KEY": "a-key",
        "PROMPT_HELPER_URL": "https://chat.example/v1/",
        "PROMPT_HELPER_MODEL": "small-talk",
        "PROMPT_HELPER_KEY_FILE": str(tmp_path / "key"),
    }.items():
        env.setenv(name, value)

    settings = Settings.load()

    helper = settings.prompt_helper
    assert helper is not None
    assert (helper.url, helper.model) == ("https://chat.example/v1", "small-talk")
    assert (helper.key, helper.per_day) == ("chat-key", 20)
    assert "chat-key" in settings.secrets
