"""What the bot declares to Discord, as Discord counts it and as the docs tell it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.e2e.stage import Stage

DOCS = Path(__file__).parents[2] / "docs" / "commands.md"
SUB_COMMAND, SUB_GROUP = 1, 2
MANAGE_GUILD = "32"
MESSAGE_MENU = 3
LANGUAGES = {"es-ES", "es-419", "pt-BR", "fr", "de", "ja"}


def _leaves(commands: list[dict[str, Any]], before: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for command in commands:
        name = f"{before}{command['name']}"
        inner = [option for option in command.get("options", []) if option["type"] in {SUB_COMMAND, SUB_GROUP}]
        if inner:
            yield from _leaves(inner, f"{name} ")
        else:
            yield name, command


def _longest(part: dict[str, Any], field: str) -> int:
    """Of a field's words in all languages."""
    said = [part.get(field, ""), *(part.get(f"{field}_localizations") or {}).values()]
    return max(map(len, said))


def _counted(command: dict[str, Any]) -> int:
    """Names, descriptions and values, as application-commands.mdx counts them: in the longest language of each."""
    total = _longest(command, "name") + _longest(command, "description")
    total += sum(_longest(choice, "name") + len(str(choice["value"])) for choice in command.get("choices", []))
    return total + sum(_counted(option) for option in command.get("options", []))


def _is_in_every_language(part: dict[str, Any]) -> None:
    """What people read is translated, what they type is not."""
    assert not part.get("name_localizations")
    assert set(part["description_localizations"]) == LANGUAGES, part["name"]
    assert all(set(choice["name_localizations"]) == LANGUAGES for choice in part.get("choices", []))


def _every(command: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield command
    for option in command.get("options", []):
        yield from _every(option)


async def test_the_declarations_are_within_discords_bounds_and_say_what_design_says(stage: Stage) -> None:
    by_name = {command["name"]: command for command in stage.discord.commands}
    assert set(by_name) == {"animate", "Animate this", "quota", "videos", "privacy", "animate-admin"}

    for command in by_name.values():
        assert _counted(command) <= 8_000
        for part in _every(command):
            assert 1 <= len(part["name"]) <= 32
            least, most = (0, 0) if part is command and command["type"] == MESSAGE_MENU else (2, 100)
            assert least <= len(part["description"]) <= _longest(part, "description") <= most, part["name"]
            assert part["description"] != "…"
            assert len(part.get("choices", [])) <= 25
            assert all(_longest(choice, "name") <= 100 for choice in part.get("choices", []))
            if most:
                _is_in_every_language(part)
    admin = by_name["animate-admin"]
    assert (str(admin["default_member_permissions"]), admin["contexts"], admin["integration_types"]) == (
        MANAGE_GUILD,
        [0],
        [0],
    )
    for name in ("animate", "Animate this", "quota", "videos", "privacy"):
        assert sorted(by_name[name]["contexts"]) == [0, 1, 2]
        assert sorted(by_name[name]["integration_types"]) == [0, 1]
    options = {option["name"]: option for option in by_name["animate"]["options"]}
    assert [name for name, option in options.items() if option.get("required")] == ["image", "prompt"]
    assert (options["prompt"]["min_length"], options["prompt"]["max_length"]) == (1, 2000)
    assert [name for name, option in options.items() if option.get("autocomplete")] == [
        "model", "seconds", "size", *(["style"] if "style" in options else []), "takes"
    ]  # fmt: skip
    await _lists_have_only_what_fits(stage)


async def _lists_have_only_what_fits(stage: Stage) -> None:
    """Of /animate, in two orders of choosing, and what the member can pay before the rest."""

    async def listed(option: str, **typed: str | int) -> list[str]:
        return [choice["name"] for choice in await stage.discord.complete(stage.mia, "animate", option, typed)]

    assert await listed("model", seconds=8) == [
        "Sora 2 · 8 s · 8 credits · you have 20",
        "Sora 2 Pro · 8 s · 24 credits · not enough credits: you have 20",
    ]
    assert await listed("size", model="sora-2") == [
        "Portrait 720×1280 · 4 credits · you have 20",
        "Landscape 1280×720 · 4 credits · you have 20",
    ]
    assert await listed("model", size="1792x1024") == ["Sora 2 Pro · 4 s · 20 credits · you have 20"]
    assert await listed("seconds", size="1792x1024", seconds="8") == [
        "8 s · Sora 2 Pro · 40 credits · not enough credits: you have 20"
    ]
    assert await listed("size", model="no such model", size="land") == [
        "Landscape 1280×720 · Sora 2 · 4 credits · you have 20",
        "Landscape 1792×1024 · Sora 2 Pro · 20 credits · you have 20",
    ]


BY_CATALOG = " [last_image] [loop] [sound] [style]"
"""Options that only some catalogs give a meaning: they are there where the catalog does."""


async def test_the_docs_list_every_command_with_its_options(stage: Stage) -> None:
    docs = DOCS.read_text("utf-8")
    told = {line.split("`")[1] for line in docs.split("\n") if line.startswith("- `")}
    told = {line.replace(BY_CATALOG, "") for line in told}
    declared = set()
    for name, command in _leaves(stage.discord.commands):
        words = [o["name"] if o.get("required") else f"[{o['name']}]" for o in command.get("options", [])]
        declared.add(" ".join([name if command.get("type") == MESSAGE_MENU else f"/{name}", *words]))

    assert declared == told
    assert len(declared) > 15
