"""What admins allow: barred words, also where somebody writes round them, and models by role and channel."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot import confusables
from bot.chat.server_rules import of_server
from bot.i18n.translations import TranslationCatalog
from bot.server_rules import Place, ServerRules, words_of
from tests.builders import seed_catalog

HERE = Place(1)
CONFUSABLES = Path(confusables.__file__).with_suffix(".txt")


@pytest.mark.parametrize(
    "prompt",
    [
        "a nazi waves",
        "a NAZI waves",
        "a Nàzï waves",
        "a ｎａｚｉ waves",
        "a na\u200bz\u2060i\ufe0f waves",
        "a n4z1 waves",
        "a N@Z! waves",
        "n a z i",
        "n.a-z_i!",
        "(nazi)",
        "nazi!!",
        "nazi88",
        "n1a2z3i",
        "nаzі in Cyrillic",
        "🇳🇦🇿🇮",
        "ⓝⓐⓩⓘ",
        "𝓷𝓪𝔃𝓲",
        "ɴᴀᴢɪ",
        "🅽🅰🆉🅸",
        "🅝🅐🅩🅘",
        "n\u3164a\uffa0z\u1160i",
        "n\n a\n z\n i",
        "ɴɐƶɨ",
        "ŋąẑı",
        "NÅZÍ in Ångström",
        "ꓠꓮꓜꓲ",
        "ΝΑΖΙ",
        "ՈаᏃ𑣃",
        "₦₳2!",
        "n\u0488a\u0337z\u20e0i",
    ],
)
def test_a_barred_word_is_seen_however_it_is_written(prompt: str) -> None:
    assert ServerRules(barred_words=("nazi",)).barred_in(prompt) == "nazi"


@pytest.mark.parametrize(
    ("word", "prompt"),
    [
        ("nazi", "Tanzania is nice in a zip of colors"),
        ("ass", "a classic bass passes the grass"),
        ("sex", "his exam in Essex, on the Sussex coast"),
        ("kill", "a skilled painter"),
        ("fall", "he must not fail"),
        ("88", "it is 1988, or 880"),
        ("hell", "hello she'll"),
        ("cunt", "a street in Scunthorpe"),
        ("cock", "a cockatoo and a peacock"),
        ("tit", "the titan's title"),
        ("nazi", "a knitted ñandú and a zoo"),
        ("cop", "100 × 200 c × o"),
        ("ass", "€5 for as so"),
    ],
)
def test_other_words_are_let_through(word: str, prompt: str) -> None:
    assert ServerRules(barred_words=(word,)).barred_in(prompt) is None


@pytest.mark.parametrize(
    ("word", "prompt"),
    [
        ("nud*", "all nudes"),
        ("naked child", "a NAKED   child"),
        ("裸", "彼女は裸です"),
        ("épée", "une epee"),
        ("bløt", "blot"),
        ("l33t", "so l33t"),
        ("kiiler", "a k1iler"),
        ("bitcoin", "₿itcoin and ɓitcoin"),
        ("νους", "ο ΝΟΥΣ"),
        ("нет", "НЕТ"),
        ("८८", "88"),
    ],
)
def test_beginnings_phrases_and_other_scripts_can_be_barred(word: str, prompt: str) -> None:
    assert ServerRules(barred_words=(word,)).barred_in(prompt) == word


def test_the_file_of_lookalikes_has_letters_as_they_are_compared_each_once() -> None:
    lines = [line for line in CONFUSABLES.read_text("utf-8").splitlines() if not line.startswith("#")]
    capitals = [line for line in lines if line.startswith("^")]

    for those in (capitals, [line for line in lines if line not in capitals]):
        letters = "".join(line.partition(" ")[2] for line in those)
        assert len(set(letters)) == len(letters)
        assert [letter for letter in letters if letter.isascii() or not letter.isalpha()] == []
        assert [letter for letter in letters if confusables.normal(letter) != letter] == []


def test_the_words_of_an_admin_are_each_kept_once_as_they_were_written() -> None:
    assert words_of(" Nazi, naked  child,, *,!;Nazi\nnud*") == ("Nazi", "naked child", "nud*")


def test_a_long_prompt_is_looked_through_in_no_time() -> None:
    words = tuple(f"word{n}*" for n in range(200))
    assert ServerRules(barred_words=words).barred_in("w o r d " * 250) is None


def test_a_member_may_use_what_any_of_their_roles_may_of_what_the_channel_may() -> None:
    rules = ServerRules(roles={7: ["a"], 8: ["b", "c"]}, channels={1: ["a", "b"], 2: ["c"]})

    assert rules.models([], Place(9)) is None
    assert rules.models([7], Place(9)) == frozenset({"a"})
    assert rules.models([7, 8, 99], Place(9)) == frozenset({"a", "b", "c"})
    assert rules.models([], HERE) == frozenset({"a", "b"})
    assert rules.models([8], HERE) == frozenset({"b"})
    assert rules.models([7], Place(2)) == frozenset()
    assert rules.models([8], Place(5, parent=1)) == frozenset({"b"})
    assert ServerRules().models([7], HERE) is None


@pytest.mark.parametrize(
    ("roles", "channels", "lines"),
    [
        ({}, {}, ["All roles and channels can use all models."]),
        ({7: ["sora-2"]}, {}, ["<@&7>: Sora 2", "Everyone else: all models"]),
        ({7: ["sora-2"]}, {5: ["sora-2"]}, ["<@&7>: Sora 2", "Everyone else: all models", "<#5>: Sora 2"]),
        ({1: ["sora-2"], 7: ["sora-2-pro"]}, {}, ["@everyone: Sora 2", "<@&7>: Sora 2 Pro"]),
        ({}, {5: ["sora-2"]}, ["<#5>: Sora 2", "All other channels: all models"]),
    ],
)
def test_the_rules_say_what_those_can_use_for_whom_nothing_was_chosen(
    roles: dict[int, list[str]], channels: dict[int, list[str]], lines: list[str]
) -> None:
    rules = ServerRules(roles=roles, channels=channels)

    shown = of_server(TranslationCatalog().english, seed_catalog(), rules, 1)

    assert shown.split("\n- ")[3:] == lines
