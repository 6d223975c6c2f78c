"""The token and each key can be in a file of its own, which NAME_FILE names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.errors import SettingsError
from bot.provider_settings import former, offer
from bot.settings import Settings

SECRETS = ("DISCORD_TOKEN", "VIDEO_API_KEY")
OF_CATALOGS = ("GPTPROTO_API_KEY", "OPENROUTER_API_KEY")


@pytest.fixture(name="env", autouse=True)
def _env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.chdir(tmp_path)
    for name in (*SECRETS, *OF_CATALOGS):
        monkeypatch.delenv(name, raising=False)
    for name in SECRETS:
        (tmp_path / name).write_text(f"of-{name.lower()}\n")
        monkeypatch.setenv(f"{name}_FILE", str(tmp_path / name))
    return monkeypatch


def sentences() -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        Settings.load_spelled()
    return tuple(caught.value.sentences)


def test_they_are_read_without_the_line_break_at_their_end() -> None:
    settings = Settings.load_spelled()

    assert settings.discord_token.get_secret_value() == "of-discord_token"
    assert settings.video_api_key is not None
    assert settings.video_api_key.get_secret_value() == "of-video_api_key"
    assert {"of-discord_token", "of-video_api_key"} <= set(settings.secrets)


def test_the_names_may_stand_in_the_file_of_settings(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in SECRETS:
        env.delenv(f"{name}_FILE")
    (tmp_path / ".env").write_text("".join(f"{name}_FILE={tmp_path / name}\n" for name in SECRETS))

    assert Settings.load_spelled().discord_token.get_secret_value() == "of-discord_token"


def test_the_key_may_be_in_the_file_of_the_catalogs_variable(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    env.delenv("VIDEO_API_KEY_FILE")
    (tmp_path / "key").write_text("of-gptproto")
    env.setenv("GPTPROTO_API_KEY_FILE", str(tmp_path / "key"))

    assert {provider.key for provider in offer(Settings.load_spelled()).providers} == {"of-gptproto"}


def test_every_provider_of_a_catalog_may_have_a_file(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = '[[models]]\nid = "{0}"\nprovider = "{0}"\nseconds = [4]\nsizes = ["720x1280"]\ncredits = 1\n'
    provider = '[providers.{0}]\nwire = "openai"\nurl = "https://{0}.example/v1"\nkey = "{1}"\nauth = "bearer"\n'
    (tmp_path / "catalog.toml").write_text(
        provider.format("a", "A_KEY") + provider.format("b", "B_KEY") + model.format("a") + model.format("b")
    )
    (tmp_path / "b").write_text("of-b")
    env.setenv("VIDEO_CATALOG", str(tmp_path / "catalog.toml"))
    env.setenv("B_KEY_FILE", str(tmp_path / "b"))
    (tmp_path / ".env").write_text("A_KEY_FILE=\n")

    settings = Settings.load_spelled()

    assert [each.key for each in offer(settings).providers] == ["of-video_api_key", "of-b"]
    env.setenv("B_KEY_FILE", str(tmp_path / "nowhere"))
    assert sentences() == ("B_KEY_FILE is wrong: it should be the path of a text file that can be read.",)


def test_jobs_at_a_former_provider_find_its_key_in_its_file(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("of-openrouter")
    env.setenv("OPENROUTER_API_KEY_FILE", str(tmp_path / "key"))

    config = former(Settings.load_spelled(), "openrouter", "openrouter", "https://openrouter.ai/api/v1")

    assert config.key == "of-openrouter"


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_is_set_in_both_ways_is_one_sentence(env: pytest.MonkeyPatch, name: str) -> None:
    env.setenv(name, "word")

    assert sentences() == (f"{name} and {name}_FILE are both set: remove one of them.",)


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe\x00"])
def test_a_file_without_a_text_is_one_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)

    (sentence,) = sentences()

    assert sentence.startswith(f"{name}_FILE is wrong: ")


@pytest.mark.parametrize("name", SECRETS)
def test_a_file_that_is_not_there_is_one_sentence_without_what_was_set(env: pytest.MonkeyPatch, name: str) -> None:
    """It may be the secret itself, put into the wrong variable."""
    env.setenv(f"{name}_FILE", "MTEx.secret.value")

    assert sentences() == (f"{name}_FILE is wrong: it should be the path of a text file that can be read.",)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_of_another_user_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "DISCORD_TOKEN").chmod(0)

    assert sentences() == ("DISCORD_TOKEN_FILE is wrong: this user may not read the file.",)


def test_a_folder_is_no_file(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    env.setenv("DISCORD_TOKEN_FILE", str(tmp_path))

    assert sentences() == ("DISCORD_TOKEN_FILE is wrong: it should be the path of a text file that can be read.",)


def test_a_word_in_the_file_that_is_no_key_is_the_same_sentence_as_in_the_variable(tmp_path: Path) -> None:
    (tmp_path / "VIDEO_API_KEY").write_text("two words")

    assert sentences() == ("VIDEO_API_KEY is wrong: it should be the key from your provider (GPTPROTO_API_KEY works, too).",)  # fmt: skip # noqa: E501


def test_a_slip_in_such_a_name_is_told(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DISCORD_TOKEN_FLIE=x\n")

    assert sentences() == ("DISCORD_TOKEN_FLIE in .env is not a setting of this bot: did you mean DISCORD_TOKEN_FILE?",)
