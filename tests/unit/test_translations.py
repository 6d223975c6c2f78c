"""Every sentence of the code is in every language: its names, its plurals, its marks; and the right one is chosen."""

from __future__ import annotations

import ast
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from bot.errors import UserError
from bot.i18n.translations import FILES, TranslationCatalog

PROJECT = Path(__file__).parents[2]
LOCALES = PROJECT / "bot" / "i18n" / "locales"
CODES = sorted(set(FILES.values()))
SAID = {
    "gettext": [0],
    "ngettext": [0, 1],
    "answer_translated": [1],
    "N_": [0],
    "UserError": [0],
    "PictureRefused": [0],
    "WordBarred": [0],
}
"""Where each of our functions takes its English, as `[tool.babel]` in pyproject.toml says too."""
PLURALS = {
    "de": (2, "(n != 1)"),
    "es": (2, "(n != 1)"),
    "fr": (2, "(n > 1)"),
    "ja": (1, "0"),
    "pt_BR": (2, "(n > 1)"),
}
"""The forms of whole numbers, as gettext's manual has them; newer tables add one for "1 million of …"."""
HEAD = re.compile(r"### (?:[^\w\s]\uFE0F? )?|-# |- |[^\w\s{-]\uFE0F? ")
"""What a line begins with: marks of Discord's, and our signs for states."""

Sentence = str | tuple[str, ...]


def sentences(source: str) -> Iterator[Sentence]:
    """What the source says or marks, found in another way than by pybabel, which overlooks some calls."""
    for _, given in calls(source):
        words = tuple(str(one.value) for one in given if isinstance(one, ast.Constant))
        if words:
            yield words[0] if len(words) == 1 else words


@cache
def nodes(source: str) -> list[ast.Call | ast.Assign]:
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call | ast.Assign)]


def calls(source: str) -> Iterator[tuple[ast.Call, list[ast.expr]]]:
    """Each call that says or marks, and what it is given to say: of a choice, both."""
    for node in nodes(source):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        given = [node.args[at] for at in SAID.get(name, ()) if at < len(node.args)]
        parts = [part for arg in given for part in ([arg.body, arg.orelse] if isinstance(arg, ast.IfExp) else [arg])]
        if parts:
            yield node, parts


def built(source: str) -> list[int]:
    """Lines where a sentence is put together on the spot, or chosen there: no translator ever sees it."""
    return [
        call.lineno
        for call, given in calls(source)
        if any(isinstance(one, ast.JoinedStr | ast.BinOp | ast.IfExp) for one in given)
        or (
            any(isinstance(arg, ast.IfExp) for arg in call.args) and any(isinstance(one, ast.Constant) for one in given)
        )
    ]


def said_by_name(source: str) -> set[str]:
    """The names of constants that are said."""
    named = [
        one.attr if isinstance(one, ast.Attribute) else getattr(one, "id", "") for _, of in calls(source) for one in of
    ]
    return {name for name in named if name.isupper()}


def marked(source: str) -> set[str]:
    """The names of constants that hold a marked sentence."""
    return {
        target.id
        for node in nodes(source)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        if getattr(node.value.func, "id", "") == "N_"
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def sources() -> dict[str, str]:
    found = {str(path): path.read_text("utf-8") for room in ("bot", "cogs") for path in (PROJECT / room).rglob("*.py")}
    assert len(found) > 60
    return found


@cache
def english_sentences() -> list[str]:
    """All that is said or marked, plural forms one by one."""
    said = {sentence for source in sources().values() for sentence in sentences(source)}
    return sorted({form for one in said for form in ([one] if isinstance(one, str) else one)})


def messages(catalog: Catalog) -> dict[Sentence, Message]:
    return {m.id if isinstance(m.id, str) else tuple(m.id): m for m in catalog if m.id}


def forms(message: Message) -> list[str]:
    """The translation, in each of its plural forms."""
    return [message.string] if isinstance(message.string, str) else list(message.string or [""])


def english(message: Message) -> list[str]:
    return [message.id] if isinstance(message.id, str) else list(message.id)


def names(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


@pytest.fixture(name="template", scope="module")
def _template(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """What pybabel finds, called as `.ci/words` calls it."""
    file = tmp_path_factory.mktemp("words") / "messages.pot"
    extract = ["extract", "-F", "pyproject.toml", "-o", str(file), "bot", "cogs"]
    subprocess.run([sys.executable, "-m", "babel.messages.frontend", "-q", *extract], cwd=PROJECT, check=True)
    with file.open("rb") as opened:
        return read_po(opened)


@pytest.fixture(name="catalog", params=CODES)
def _catalog(request: pytest.FixtureRequest) -> Catalog:
    with (LOCALES / f"{request.param}.po").open("rb") as opened:
        return read_po(opened, locale=request.param)


class TestTheCode:
    def test_pybabel_finds_every_sentence(self, template: Catalog) -> None:
        said = {sentence for source in sources().values() for sentence in sentences(source)}

        assert messages(template).keys() == said
        assert len(said) > 200

    def test_every_error_that_people_read_is_looked_for(self) -> None:
        errors: list[type[UserError]] = [UserError, *UserError.__subclasses__()]

        assert {error.__name__ for error in errors} <= SAID.keys()

    def test_no_sentence_is_put_together_where_it_is_said(self) -> None:
        assert {name: lines for name, source in sources().items() if (lines := built(source))} == {}

    def test_what_is_said_by_name_is_marked_where_the_name_is_given(self) -> None:
        found = sources().values()
        said = {name for source in found for name in said_by_name(source)}

        assert said - {name for source in found for name in marked(source)} == set()
        assert len(said) > 30

    def test_a_name_that_is_not_marked_would_be_seen(self) -> None:
        source = 'A = "a"; B = N_("b"); answer_translated(i, A if c else text.B); raise UserError(A)'

        assert said_by_name(source) - marked(source) == {"A"}

    @pytest.mark.parametrize(
        "source", ['translations.gettext(f"{n} clips")', 'N_("a" + b)', 'gettext("a" if b else "c")']
    )
    def test_one_put_together_would_be_seen(self, source: str) -> None:
        assert built(source) == [1]

    def test_a_sentence_inside_of_another_call_would_be_seen(self) -> None:
        source = 'N_("a {b}", b=f(t.gettext("c"))); t.ngettext("{n} d", "{n} ds", 1); x = f"{t.gettext(\'e\')}"'

        assert set(sentences(source)) == {"a {b}", "c", ("{n} d", "{n} ds"), "e"}


class TestTheFiles:
    def test_there_is_one_for_each_language(self) -> None:
        assert sorted(path.stem for path in LOCALES.glob("*")) == CODES
        assert len(CODES) == 5

    def test_every_sentence_is_there_and_none_that_nobody_says(self, catalog: Catalog, template: Catalog) -> None:
        assert messages(catalog).keys() == messages(template).keys(), "run .ci/words and translate what is empty"
        assert dict(catalog.obsolete) == {}

    def test_none_is_empty_or_guessed(self, catalog: Catalog) -> None:
        lacking = [m.id for m in messages(catalog).values() if m.fuzzy or not all(form.strip() for form in forms(m))]

        assert lacking == []

    def test_each_has_the_names_of_its_english(self, catalog: Catalog) -> None:
        wrong = [
            m.id
            for m in messages(catalog).values()
            if names(forms(m)[-1]) != names(english(m)[-1])
            or any(names(form) not in [names(one) for one in english(m)] for form in forms(m))
        ]

        assert wrong == []

    def test_each_has_as_many_forms_as_its_language(self, catalog: Catalog) -> None:
        assert (catalog.num_plurals, catalog.plural_expr) == PLURALS[str(catalog.locale)]
        ngettext = [m for m in messages(catalog).values() if m.pluralizable]
        assert [m.id for m in ngettext if len(forms(m)) != catalog.num_plurals] == []
        assert len(ngettext) > 5

    def test_each_keeps_what_stands_in_backticks_and_the_marks_of_its_line(self, catalog: Catalog) -> None:
        wrong = []
        for m in messages(catalog).values():
            for form in forms(m):
                code = [sorted(re.findall(r"`[^`]+`", words)) for words in (english(m)[0], form)]
                bold = [words.count("**") for words in (english(m)[0], form)]
                head = HEAD.match(english(m)[0])
                if code[0] != code[1] or bold[0] != bold[1] or not form.startswith(head[0] if head else ""):
                    wrong.append(form)

        assert wrong == []


def test_french_marks_never_begin_a_line() -> None:
    with (LOCALES / "fr.po").open("rb") as opened:
        said = [form for m in messages(read_po(opened, locale="fr")).values() for form in forms(m)]

    assert [form for form in said if re.search(r" [:;!?»]|« ", form)] == [], "write a no-break space there"


def credit(locale: str | None, number: int) -> str:
    return TranslationCatalog().of(locale).ngettext("{n} credit", "{n} credits", number)


class TestALanguage:
    @pytest.mark.parametrize("code", ["en_GB", *sorted(set(FILES.values()))])
    def test_small_numbers_are_written_as_babel_writes_them_there(self, code: str) -> None:
        locale = next((name for name, file in FILES.items() if file == code), None)
        translations = TranslationCatalog().of(locale)

        for number in (0, 7, 42, 999, 1_000):
            assert translations.number(number) == format_decimal(number, locale=code)

    @pytest.mark.parametrize(
        ("locale", "words"),
        [
            (None, ["0 credits", "1 credit", "2 credits", "1,000,000 credits"]),
            ("es-ES", ["0 créditos", "1 crédito", "2 créditos", "1.000.000 créditos"]),
            ("es-419", ["0 créditos", "1 crédito", "2 créditos", "1.000.000 créditos"]),
            ("pt-BR", ["0 crédito", "1 crédito", "2 créditos", "1.000.000 créditos"]),
            ("fr", ["0 crédit", "1 crédit", "2 crédits", "1\u202f000\u202f000 crédits"]),
            ("de", ["0 Credits", "1 Credit", "2 Credits", "1.000.000 Credits"]),
            ("ja", ["0クレジット", "1クレジット", "2クレジット", "1,000,000クレジット"]),
        ],
    )
    def test_the_form_goes_with_the_number(self, locale: str | None, words: list[str]) -> None:
        assert [credit(locale, number) for number in (0, 1, 2, 1_000_000)] == words

    @pytest.mark.parametrize("locale", [None, "en-US", "en-GB", "nl", "pt-PT", "zh-CN", "xx", ""])
    def test_any_other_language_reads_english(self, locale: str | None) -> None:
        assert credit(locale, 4) == "4 credits"

    @pytest.mark.parametrize(
        ("locale", "plain", "tenths", "change", "either"),
        [
            (None, "1,234,567", "1,234.5", "-1,000", "a, b or c"),
            ("de", "1.234.567", "1.234,5", "-1.000", "a, b oder c"),
            ("ja", "1,234,567", "1,234.5", "-1,000", "a、b、またはc"),
        ],
    )
    def test_numbers_and_choices_are_written_as_there(
        self, locale: str | None, plain: str, tenths: str, change: str, either: str
    ) -> None:
        translations = TranslationCatalog().of(locale)

        assert (translations.number(1_234_567), translations.number(1234.5, digits=1)) == (plain, tenths)
        assert (translations.change(-1000), translations.change(0), translations.change(4)) == (change, "+0", "+4")
        assert translations.either(["a", "b", "c"]) == either

    def test_a_colon_behind_a_name_is_set_as_the_language_does(self) -> None:
        labels = {locale: TranslationCatalog().of(locale).labeled("@Mia", "4") for locale in (None, "de", "fr", "ja")}

        assert labels == {None: "@Mia: 4", "de": "@Mia: 4", "fr": "@Mia\u00a0: 4", "ja": "@Mia\uff1a4"}

    @pytest.mark.parametrize(("locale", "words"), [(None, "One. Two."), ("fr", "One. Two."), ("ja", "One.Two.")])
    def test_a_space_stands_between_sentences_except_in_japanese(self, locale: str | None, words: str) -> None:
        assert TranslationCatalog().of(locale).paragraph("One.", "Two.") == words

    def test_an_error_is_told_in_the_readers_language_and_logged_in_english(self) -> None:
        error = UserError(
            "{model} does not make this size: {size}. Nothing was charged. Choose one of these sizes: {sizes}.",
            model="Wan",
            sizes=["a", "b", "c"],
            size="d",
        )

        assert (
            str(error)
            == TranslationCatalog().english.explain(error)
            == "Wan does not make this size: d. Nothing was charged. Choose one of these sizes: a, b and c."
        )
        assert "a, b und c" in TranslationCatalog().of("de").explain(error)

    def test_english_errors_write_numbers_as_the_english_language_does(self) -> None:
        values = {"size": 1234.56, "most": 10_000}
        error = UserError(
            "This picture is too large: {size} MB. The limit is {most} MB. Send a smaller copy.", **values
        )

        assert str(error) == TranslationCatalog().english.explain(error)
        assert "1,234.6 MB. The limit is 10,000 MB." in str(error)

    def test_values_are_shown_as_they_are_whatever_is_in_them(self) -> None:
        said = (
            TranslationCatalog().of("fr").gettext("The bot's message about this video: {link}", link="{0} {model} %s")
        )

        assert said.endswith("{0} {model} %s")
