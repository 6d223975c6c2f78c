"""Every package is pinned: `pyproject.toml`, `requirements.lock` and the environment that runs this say the same."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[2]

PIN = re.compile(r"(?P<name>[a-z0-9][a-z0-9-]*)==(?P<version>[\w.]+)(?: ; (?P<marker>[^\\]+?))? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")
COMMENT = re.compile(r"\s*#.*")

PYPROJECT = """\
[project]
dependencies = [
    "alpha>=1,<2",
    "delta<5", # 5 has another open()
]

[dependency-groups]
dev = [
    "beta[x]>=3",
]

[tool.uv]
constraint-dependencies = [
    "alpha==1.5",
    "beta==3.1",
]
package = false
"""


def project() -> dict[str, Any]:
    return tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))


def direct() -> list[Requirement]:
    """What the bot, every extra and every group ask for by name."""
    tables = project()
    lines = [
        *tables["project"]["dependencies"],
        *(line for group in tables["dependency-groups"].values() for line in group),
        *(line for extra in tables["project"]["optional-dependencies"].values() for line in extra),
    ]
    assert len(lines) > 15
    return [Requirement(line) for line in lines]


def pinned() -> dict[str, set[tuple[str, str]]]:
    """Version and marker of each pin, by name; a package may have one for each range of Pythons."""
    found: dict[str, set[tuple[str, str]]] = {}
    for line in project()["tool"]["uv"]["constraint-dependencies"]:
        need = Requirement(line)
        (exact,) = need.specifier
        assert exact.operator == "=="
        found.setdefault(canonicalize_name(need.name), set()).add((exact.version, str(need.marker or "")))
    assert len(found) > 40
    return found


LOCKS = {"requirements.lock": [], "requirements-cluster.lock": ["cluster"], "requirements-sentry.lock": ["sentry"]}
"""Each with the extras that are in it beside what the bot needs."""


def lock(name: str) -> list[str]:
    return (PROJECT / name).read_text("utf-8").splitlines()


def locked(name: str) -> dict[str, set[tuple[str, str]]]:
    found: dict[str, set[tuple[str, str]]] = {}
    for pin in filter(None, map(PIN.fullmatch, lock(name))):
        found.setdefault(pin["name"], set()).add((pin["version"], str(Marker(pin["marker"])) if pin["marker"] else ""))
    assert len(found) > 15
    return found


def here(pins: Mapping[str, set[tuple[str, str]]]) -> dict[str, str]:
    """The version that each pin means on this Python and platform."""
    return {
        name: version
        for name, versions in pins.items()
        for version, marker in versions
        if not marker or Marker(marker).evaluate()
    }


def installed() -> dict[str, str]:
    return {canonicalize_name(found.name): found.version for found in metadata.distributions()}


def needed_by(names: Iterable[str]) -> Iterator[str]:
    """These packages and all that they need, as the installed ones say it."""
    seen: set[str] = set()
    waiting = [Requirement(name) for name in names]
    while waiting:
        need = waiting.pop()
        name = canonicalize_name(need.name)
        if f"{name}{sorted(need.extras)}" in seen:
            continue
        seen.add(f"{name}{sorted(need.extras)}")
        yield name
        for line in metadata.requires(need.name) or ():
            further = Requirement(line)
            if further.marker is None or any(further.marker.evaluate({"extra": e}) for e in ("", *need.extras)):
                waiting.append(further)


def test_every_direct_dependency_has_a_pin_that_fits() -> None:
    pins = pinned()

    assert [
        str(need)
        for need in direct()
        if not all(
            need.specifier.contains(version) for version, _ in pins.get(canonicalize_name(need.name), {("0", "")})
        )
    ] == []


def test_what_is_installed_is_what_is_pinned() -> None:
    """Red? An environment made before the last change: run `uv sync`. A new dependency: run .ci/pins.py."""
    pins = here(pinned())

    assert {name: version for name, version in installed().items() if pins.get(name) != version} == {}


@pytest.mark.parametrize("file", LOCKS)
def test_the_image_gets_what_the_bot_needs_and_nothing_more_in_the_pinned_versions(file: str) -> None:
    pins, tables = pinned(), project()["project"]
    asked_for = [tables["dependencies"], *(tables["optional-dependencies"][extra] for extra in LOCKS[file])]

    assert {name: versions for name, versions in locked(file).items() if versions != pins.get(name)} == {}
    assert set(here(locked(file))) == set(needed_by(line for lines in asked_for for line in lines))


def test_the_tests_have_what_every_extra_has() -> None:
    tables = project()

    extras = tables["project"]["optional-dependencies"].values()
    assert {need for extra in extras for need in extra} <= set(tables["dependency-groups"]["dev"])


@pytest.mark.parametrize("file", LOCKS)
def test_the_lock_holds_pins_with_hashes_and_comments_alone(file: str) -> None:
    lines = lock(file)

    strange = [line for line in lines if not any(form.fullmatch(line) for form in (PIN, HASH, COMMENT))]
    bare = [
        line for line, after in zip(lines, [*lines[1:], ""], strict=True) if PIN.match(line) and not HASH.match(after)
    ]

    assert (strange, bare) == ([], [])


class TestScript:
    """`.ci/pins.py` in a copy, with a `uv` that answers from the pins asked for."""

    @pytest.fixture(name="copy")
    def _copy(self, tmp_path: Path) -> Path:
        copy = tmp_path / "copy"
        (copy / ".ci").mkdir(parents=True)
        shutil.copy(PROJECT / ".ci" / "pins.py", copy / ".ci")
        (copy / "pyproject.toml").write_text(PYPROJECT)
        (copy / "requirements.lock").write_text("old\n")
        (tmp_path / "pins").write_text("gamma==9 ; sys_platform == 'win32'\nalpha==1.6\nbeta==3.1\n")
        (tmp_path / "lock").write_text("alpha==1.6 \\\n    --hash=sha256:00\n")
        (tmp_path / "more").write_text("beta==3.1 \\\n    --hash=sha256:11\n")
        uv = tmp_path / "uv"
        uv.write_text(
            f'#!/bin/sh\ncd "{tmp_path}"\n'
            'case "$*" in lock*) cp "$OLDPWD/pyproject.toml" asked.toml; exit "${FAILS:-0}";;\n'
            "*all-groups*) cat pins;; *extra*) cat more;; *) cat lock;; esac\n"
        )
        uv.chmod(0o755)
        return copy

    @staticmethod
    def write(copy: Path, *options: str, **environment: str) -> int:
        path = f"{copy.parent}{os.pathsep}{os.environ['PATH']}"
        ended = subprocess.run(
            [sys.executable, copy / ".ci" / "pins.py", *options],
            env={**os.environ, **environment, "PATH": path}, check=False, timeout=30,
        )  # fmt: skip
        return ended.returncode

    @staticmethod
    def asked(copy: Path) -> tuple[list[str], list[str]]:
        tables = tomllib.loads((copy.parent / "asked.toml").read_text())
        return tables["tool"]["uv"]["constraint-dependencies"], tables["project"]["dependencies"]

    def test_pins_and_lock_are_written_from_one_resolution_and_old_pins_are_kept(self, copy: Path) -> None:
        assert self.write(copy) == 0

        written = tomllib.loads((copy / "pyproject.toml").read_text())
        assert self.asked(copy) == (["alpha==1.5", "beta==3.1"], ["alpha>=1,<2", "delta<5"])
        assert written["tool"]["uv"] == {
            "constraint-dependencies": ["alpha==1.6", "beta==3.1", "gamma==9 ; sys_platform == 'win32'"],
            "package": False,
        }
        assert (copy / "requirements.lock").read_text().splitlines()[1:] == ["alpha==1.6 \\", "    --hash=sha256:00"]
        assert (copy / "requirements-sentry.lock").read_text().splitlines()[1] == "beta==3.1 \\"

    @pytest.mark.parametrize(
        ("options", "pins", "needs"),
        [
            (["--upgrade"], [], ["alpha>=1,<2", "delta<5"]),
            (["--upgrade", "Alpha"], ["beta==3.1"], ["alpha>=1,<2", "delta<5"]),
            (["--newest"], [], ["alpha", "delta<5"]),
            (["--newest", "delta"], [], ["alpha>=1,<2", "delta"]),
        ],
    )
    def test_what_is_let_go_of_is_said(self, copy: Path, options: list[str], pins: list[str], needs: list[str]) -> None:
        assert self.write(copy, *options) == 0

        assert self.asked(copy) == (pins, needs)

    def test_nothing_is_written_when_nothing_fits(self, copy: Path) -> None:
        before = (copy / "pyproject.toml").read_text()

        assert self.write(copy, FAILS="1") == 1

        assert (copy / "pyproject.toml").read_text() == before
        assert (copy / "requirements.lock").read_text() == "old\n"
