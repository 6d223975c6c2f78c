"""What every local provider of the registry has in common, whatever its wire."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.__main__ import main
from sandbox.environment import Environment
from sandbox.page.fault_injection import PROVIDER, FaultInjection
from sandbox.providers.registry import DEFAULT_PROVIDER, PROVIDERS, make_provider


def texts(folder: Path) -> list[str]:
    return [path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_provider_tells_a_bot_where_it_is_and_takes_every_fault_of_the_page(name: str, tmp_path: Path) -> None:
    environment = Environment(provider=make_provider(name), folder=tmp_path)
    await environment.start(bot=False)
    try:
        page = FaultInjection(environment, lambda _provider: None, PROVIDERS)
        for condition in PROVIDER:
            await page.apply("provider", condition)
        settings = environment.settings()
    finally:
        await environment.stop()

    assert page.told()["api"] == name
    assert any(environment.provider.origin in text for text in (*settings.values(), *texts(tmp_path)))
    assert environment.provider.key in settings.values()


async def test_several_providers_stand_in_one_environment_and_the_first_names_the_settings(tmp_path: Path) -> None:
    first, second = make_provider(), make_provider()
    environment = Environment(provider=first, more_providers=[second], folder=tmp_path)
    await environment.start(bot=False)
    try:
        before = environment.settings()["VIDEO_API_URL"]
        await environment.change_provider(second)
        after = environment.settings()["VIDEO_API_URL"]
    finally:
        await environment.stop()

    assert (before, after) == (first.url, second.url)
    assert environment.providers == [second, first]


def test_help_lists_every_provider(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])

    said = capsys.readouterr().out
    assert all(f"{choice.label}: {choice.meaning}" in said for choice in PROVIDERS.values())
    assert DEFAULT_PROVIDER in PROVIDERS
