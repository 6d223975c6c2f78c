"""The rules of the house that no other tool keeps. Each test proves that it looked at something."""

import ast
import graphlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import grimp
import pytest
from pydantic.fields import FieldInfo

from bot.catalog import load_catalog
from bot.settings import Settings
from bot.store.jobs import MOVES
from bot.store.refunds import Refund
from tests.documents import DOCUMENTS

PROJECT = Path(__file__).parents[2]
ROOMS = ("bot", "cogs", "sandbox")
TRY_IT = "pip install uv && uv run python -m sandbox"
TEST_IT = "uv run pytest"

# Written so that this file is not an offender itself.
REGISTRY = re.compile(r"py[p]i\.org|python[h]osted\.org|npm[j]s\.(?:org|com)|https?://\S+/[s]imple(?:[/\s\"]|$)")
BUILD_MACHINE = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+)/")


def text_of(name: str) -> str:
    return (PROJECT / name).read_text("utf-8")


def default_text(field: str, info: FieldInfo) -> str | None:
    """A default as an operator would write it; None for a required setting."""
    if info.is_required() or field == "video_api_key":  # unless the catalog's first provider takes no key
        return None
    match info.default:
        case None | frozenset():
            return ""
        case float() as number:
            return f"{number:g}"
        case other:
            return str(other)


def defaults() -> Mapping[str, str | None]:
    found = {field.upper(): default_text(field, info) for field, info in Settings.model_fields.items()}
    assert len(found) > 15
    return found


def modules() -> list[Path]:
    found = [path for room in ROOMS for path in sorted((PROJECT / room).rglob("*.py"))]
    assert len(found) > 40
    assert {path.relative_to(PROJECT).parts[0] for path in found} == set(ROOMS)
    return found


def tracked() -> dict[str, str]:
    """Every text file that git has or would take, by name."""
    git = shutil.which("git")
    if git is None or not (PROJECT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT, capture_output=True, check=True, text=True,
    )  # fmt: skip
    found: dict[str, str] = {}
    for name in listed.stdout.split("\0"):
        try:
            found[name] = text_of(name)
        except (OSError, UnicodeDecodeError):
            continue  # deleted and not yet committed, a folder, or no text
    assert {"README.md", "requirements.lock", ".ci/run", "bot/app.py"} <= found.keys()
    return found


def table(document: str, heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head."""
    _, _, rest = document.partition(f"{heading}\n")
    lines = [line for line in rest.split("\n#")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def settings_told(document: str) -> list[tuple[str, str]]:
    """Name and default of each row of the tables of settings."""
    return re.findall(r"^\| `([A-Z_]+)` \| ([^|]+?) \| [^|]+ \|$", document, re.MULTILINE)


def headings_of(document: Path) -> set[str]:
    """The anchors of its headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def mocks_in(source: str) -> list[int]:
    """Lines that bring in unittest.mock, or take the fixture of that plugin."""
    lines: list[int] = []
    for node in ast.walk(ast.parse(source)) if "mock" in source else ():
        match node:
            case ast.Import(names=names) if any(name.name.startswith("unittest.mock") for name in names):
                lines.append(node.lineno)
            case ast.ImportFrom(module="unittest.mock"):
                lines.append(node.lineno)
            case ast.ImportFrom(module="unittest", names=names) if any(name.name == "mock" for name in names):
                lines.append(node.lineno)
            case ast.arg(arg="mocker"):
                lines.append(node.lineno)
    return lines


class TestSettings:
    def test_the_example_names_every_setting_with_its_default_and_leaves_required_ones_empty(self) -> None:
        lines = re.findall(r"^(#?)([A-Z_]+)=(.*)$", text_of(".env.example"), re.MULTILINE)

        assert {name: value for _, name, value in lines} == {name: value or "" for name, value in defaults().items()}
        assert len(lines) == len(defaults())
        # A line that is read would win over what the Docker image sets.
        assert [name for hidden, name, _ in lines if not hidden] == [
            n for n, value in defaults().items() if value is None
        ]

    def test_the_example_with_nothing_but_the_required_filled_in_means_the_defaults(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in (*defaults(), "GPTPROTO_API_KEY"):
            monkeypatch.delenv(name, raising=False)
        filled = re.sub(r"^(DISCORD_TOKEN|VIDEO_API_KEY)=$", r"\1=word", text_of(".env.example"), flags=re.MULTILINE)
        read = tmp_path / "read.env"
        read.write_text(re.sub(r"^#(?=[A-Z_]+=)", "", filled, flags=re.MULTILINE))
        bare = tmp_path / "bare.env"
        bare.write_text("DISCORD_TOKEN=word\nVIDEO_API_KEY=word\n")

        assert dict(Settings.load(_env_file=read)) == dict(Settings.load(_env_file=bare))

    def test_the_documents_tell_every_setting_with_its_default(self) -> None:
        words = {None: "required", "": "empty"}
        right = {name: words.get(value, f"`{value}`") for name, value in defaults().items()}

        rows = settings_told(text_of("docs/configuration.md"))
        first = settings_told(text_of("README.md"))

        assert dict(rows) == right
        assert len(rows) == len(right)
        assert set(first) < set(rows)
        assert {name for name, default in rows if default == "required"} <= {name for name, _ in first}


class TestModules:
    def test_every_benchmark_runs_as_its_first_lines_say(self) -> None:
        """`python benchmarks/x.py` has that folder on its path, not the project; bots are started with both."""
        found = [path for path in (PROJECT / "benchmarks").glob("*.py") if not path.stem.endswith("_bot")]

        assert len(found) > 6
        for path in found:
            code = path.read_text("utf-8")
            ours = re.search(r"^(?:from|import) (?:bot|sandbox|tests)\b", code, re.MULTILINE)
            assert ours is None or "sys.path.insert(0," in code[: ours.start()], path.name

    def test_every_module_has_fewer_than_400_lines(self) -> None:
        long = {str(path): len(path.read_text("utf-8").splitlines()) for path in modules()}

        assert {name: lines for name, lines in long.items() if lines >= 400} == {}
        assert max(long.values()) > 100

    def test_no_modules_import_each_other_in_a_circle(self) -> None:
        graph = grimp.build_graph(*ROOMS, cache_dir=None)
        imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}

        graphlib.TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle

        assert len(imports) > 150

    def test_every_module_says_what_lives_there(self) -> None:
        full = {str(path): text for path in modules() if (text := path.read_text("utf-8")).strip()}

        assert [name for name, text in full.items() if not text.startswith('"""')] == []
        assert len(full) > 40

    def test_no_test_uses_mocks(self) -> None:
        files = sorted((PROJECT / "tests").rglob("*.py"))

        assert {path.name: lines for path in files if (lines := mocks_in(path.read_text("utf-8")))} == {}
        assert Path(__file__) in files

    @pytest.mark.parametrize(
        "source",
        [
            "import unittest.mock",
            "from unittest.mock import Mock",
            "from unittest import TestCase, mock",
            "def test(mocker): ...",
        ],
    )
    def test_a_mock_would_be_seen(self, source: str) -> None:
        assert mocks_in(source) == [1]


class TestDocuments:
    def test_the_tests_that_hold_the_promises_are_there(self) -> None:
        named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text_of("docs/architecture.md"))

        assert len(named) > 15
        assert [(file, test) for file, test in named if f"def {test}(" not in text_of(file) and test] == []
        assert all((PROJECT / file).exists() for file, _ in named)

    def test_the_files_that_documents_name_are_there(self) -> None:
        named = {
            (name, file)
            for name in DOCUMENTS
            for file in re.findall(r"`((?:bot|cogs|sandbox|tests|benchmarks|docs)/[\w/.-]+)(?:::\w+)?`", text_of(name))
            if "NNNN" not in file
        }

        assert sorted((name, file) for name, file in named if not (PROJECT / file).exists()) == []
        assert len({name for name, _ in named}) > 3

    def test_no_file_names_a_registry(self) -> None:
        assert [name for name, text in tracked().items() if REGISTRY.search(text)] == []

    def test_no_file_names_a_path_of_the_machine_that_built_it(self) -> None:
        assert [name for name, text in tracked().items() if BUILD_MACHINE.search(text)] == []

    @pytest.mark.parametrize(
        ("rule", "offender"),
        [
            (REGISTRY, "--index-url https://" + "pypi" + ".org/simple"),
            (REGISTRY, 'index = "https://packages.example' + '/simple/"'),
            (REGISTRY, "https://files.python" + "hosted.org/packages/x.whl"),
            (BUILD_MACHINE, "# uv pip compile -o /" + "work/main/requirements.lock"),
            (BUILD_MACHINE, "open('/" + "root/x')"),
            (BUILD_MACHINE, "/" + "home/ann/animate-bot"),
        ],
    )
    def test_an_offender_would_be_seen(self, rule: re.Pattern[str], offender: str) -> None:
        assert rule.search(offender)

    def test_the_lock_of_uv_is_not_taken(self) -> None:
        assert "uv.lock" not in tracked()
        assert "uv.lock" in text_of(".gitignore").splitlines()

    def test_the_changelog_has_an_unreleased_part_above_the_newest_version(self) -> None:
        _, _, rest = text_of("CHANGELOG.md").partition("\n## [Unreleased]\n")
        unreleased, newest, *_ = rest.split("\n## ")

        assert re.search(r"^- \w", unreleased + newest, re.MULTILINE)

    def test_the_readme_shows_the_two_commands(self) -> None:
        shown = text_of("README.md").splitlines()

        assert TRY_IT in shown
        assert TEST_IT in shown

    def test_links_between_documents_lead_to_a_file_and_a_heading(self) -> None:
        broken: list[str] = []
        followed = 0
        for name in DOCUMENTS:
            for target, heading in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", text_of(name)):
                followed += 1
                file = (PROJECT / name).parent / target if target else PROJECT / name
                if not file.exists() or (heading and heading not in headings_of(file)):
                    broken.append(f"{name}: {target}#{heading}")

        assert broken == []
        assert followed > 20

    def test_the_readme_can_be_read_in_a_few_minutes(self) -> None:
        assert 500 < len(text_of("README.md").split()) < 1_500

    def test_the_catalog_shown_can_be_used_as_it_stands(self, tmp_path: Path) -> None:
        shown = re.findall(r"^```toml\n(.*?)^```$", text_of("docs/configuration.md"), re.MULTILINE | re.DOTALL)
        copy = tmp_path / "catalog.toml"
        copy.write_text("".join(shown), "utf-8")

        assert len(load_catalog(copy).models) == 2 * len(shown) == 2

    def test_the_moves_of_a_job_are_documented_as_they_are(self) -> None:
        back_to = {Refund.NONE: "", Refund.MEMBER: "member", Refund.ALL: "all"}
        coded = {f"{start} → {to}": back_to[refund] for (start, to), refund in MOVES.items()}
        document = text_of("docs/architecture.md")

        rows = table(document, "## The life of a job")
        drawn = re.findall(r"^    (\w+) --> (\w+)$", document, re.MULTILINE)

        assert {move: back for move, _, back in rows} == coded
        assert {f"{start} → {to}" for start, to in drawn} == coded.keys()
        assert len(coded) > 10


class TestChecks:
    """`.ci/run` with a `uv` that only writes down what it was asked for."""

    MORE_TESTS = (
        "uv run pytest -m postgres and not thorough",
        "uv run pytest -m thorough",
        "uv run pytest -n 3 --dist loadfile --no-loadscope-reorder tests/interop",
    )
    LINTS = ("uv run ruff check", "uv run ruff format --check", "uv run mypy", "uv run lint-imports")
    DRILL = "uv run python .ci/restore_drill.py"
    STEPS = (TEST_IT, *MORE_TESTS, DRILL, *LINTS)

    @pytest.fixture(name="run")
    def _run(self, tmp_path: Path) -> Callable[..., tuple[int, list[str], list[str]]]:
        asked = tmp_path / "asked"
        asked.write_text("")

        def run(*, failing: str = "nothing", newer_python: str = "") -> tuple[int, list[str], list[str]]:
            uv = tmp_path / "uv"
            uv.write_text(
                f"""#!/bin/sh
                case "$*" in *'python find'*) [ -n "{newer_python}" ] && echo "{newer_python}"; exit;; esac
                echo "$UV_PROJECT_ENVIRONMENT uv $*" | sed "s/^ //" >> "{asked}"
                case "$*" in {failing}) exit 5;; esac
                """
            )
            for program in ("chromium", "apt-get"):  # so that nothing is installed
                (tmp_path / program).write_text("#!/bin/sh\nexit 1\n")
            for program in ("uv", "chromium", "apt-get"):
                (tmp_path / program).chmod(0o755)
            environment: dict[str, Any] = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
            environment.pop("UV_PROJECT_ENVIRONMENT", None)
            ended = subprocess.run(
                ["bash", PROJECT / ".ci" / "run"],
                cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=30,
            )  # fmt: skip
            return ended.returncode, asked.read_text().splitlines(), ended.stdout.splitlines()

        return run

    def test_every_step_runs_and_is_counted(self, run: Callable[..., tuple[int, list[str], list[str]]]) -> None:
        code, asked, said = run()

        assert (code, asked, said[-2:]) == (0, list(self.STEPS), ["", "9 passed, 0 failed"])
        assert "== no Python newer than 3.11 is installed here: the unit tests ran on that alone" in said

    def test_a_failed_step_fails_the_run_stops_none_and_is_named_at_the_end(
        self, run: Callable[..., tuple[int, list[str], list[str]]]
    ) -> None:
        code, asked, said = run(failing="*pytest*|*mypy*")

        assert (code, asked) == (1, list(self.STEPS))
        red = [f"failed: {step}" for step in (TEST_IT, *self.MORE_TESTS, "uv run mypy")]
        assert said[-7:] == ["", *red, "4 passed, 5 failed"]

    def test_the_unit_tests_run_on_a_newer_python_too_in_an_environment_of_their_own(
        self, run: Callable[..., tuple[int, list[str], list[str]]]
    ) -> None:
        _, asked, said = run(newer_python=sys.executable)
        _, _, said_when_red = run(newer_python=sys.executable, failing="*tests/unit")

        assert asked[1] == f".venv-newest uv run --python {sys.executable} pytest tests/unit"
        assert [line for line in asked if line != asked[1]] == list(self.STEPS)
        assert said[-1] == "10 passed, 0 failed"
        assert said_when_red[-2].startswith("failed: the unit tests on Python 3.")

    def test_it_can_be_started_as_it_is(self) -> None:
        assert os.access(PROJECT / ".ci" / "run", os.X_OK)
