#!/usr/bin/env python3
"""Pins every package of every group and extra: one resolution, written into `pyproject.toml` and `requirements*.lock`.

    uv run --no-project .ci/pins.py                     # after dependencies, extras or groups changed
    uv run --no-project .ci/pins.py --upgrade           # the newest of everything that still fits
    uv run --no-project .ci/pins.py --upgrade NAME NAME # of these alone
    uv run --no-project .ci/pins.py --newest            # also beyond the bounds of `dependencies`; for a scratch copy

Without an option, every version pinned now stays. `pyproject.toml` gets `constraint-dependencies`, which hold for every
`uv run`. `requirements.lock` gets the packages of the bot alone, with hashes, and each `requirements-EXTRA.lock` those
of an extra as well; the Docker image is installed from one of them. None names a package source. A dependency whose
line says behind it why it is held keeps its bounds with `--newest` too, unless its name is given. The script
needs Python 3.11 and uv, nothing else.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]

PINS = re.compile(r"^constraint-dependencies = \[\n.*?^\]\n", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"[A-Za-z0-9._-]+(?:\[[^\]]*\])?")
LOCKS: dict[str, list[str]] = {
    "requirements.lock": [],
    "requirements-cluster.lock": ["--extra", "cluster"],
    "requirements-sentry.lock": ["--extra", "sentry"],
}
HEADER = "# Written by .ci/pins.py, together with the pins in pyproject.toml: what the bot needs, on any platform.\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Resolves, and writes both files only when everything has succeeded."""
    options = _parser().parse_args(arguments)
    project = PROJECT / "pyproject.toml"
    text = project.read_text("utf-8")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "pyproject.toml").write_text(_to_resolve(text, options.upgrade, options.newest), "utf-8")
        try:
            _uv(folder, "lock", "--quiet")
            pins = _export(folder, "--all-groups", "--all-extras", "--no-hashes")
            locks = {name: _export(folder, "--no-default-groups", *options) for name, options in LOCKS.items()}
        except subprocess.CalledProcessError as error:
            return error.returncode  # uv has said why
    if options.newest is not None:
        text = _unbounded(text, options.newest)
    project.write_text(_with_pins(text, pins.splitlines()), "utf-8")
    for name, lock in locks.items():
        (PROJECT / name).write_text(HEADER + lock, "utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--upgrade", nargs="*", metavar="NAME", help="let go of these pins, or of all")
    which.add_argument("--newest", nargs="*", metavar="NAME", help="let go of all pins, and of bounds as well")
    return parser


def _to_resolve(text: str, upgrade: list[str] | None, newest: list[str] | None) -> str:
    """The project as uv is to resolve it: with the pins that stay."""
    if newest is not None:
        return _with_pins(_unbounded(text, newest), [])
    held = tomllib.loads(text)["tool"]["uv"].get("constraint-dependencies", [])
    if upgrade is not None:
        resume = {_normal(name) for name in upgrade}
        held = [pin for pin in held if resume and _name(pin) not in resume]
    return _with_pins(text, held)


def _unbounded(text: str, named: list[str]) -> str:
    """The same with direct dependencies by their names alone: those named, else all but those with a remark."""
    tables = tomllib.loads(text)
    project = tables["project"]
    groups: list[list[str]] = [
        project["dependencies"],
        *project.get("optional-dependencies", {}).values(),
        *tables["dependency-groups"].values(),
    ]
    names = {_normal(name) for name in named}
    for need in (need for group in groups for need in group):
        found = NAME.match(need)
        is_paused = f'"{need}",  #' in text or f'"{need}", #' in text
        if found and (_name(need) in names if names else not is_paused):
            text = text.replace(f'"{need}"', f'"{found[0]}"')
    return text


def _with_pins(text: str, pins: list[str]) -> str:
    lines = "".join(f'    "{pin.replace(chr(34), chr(39))}",\n' for pin in sorted(pins))
    block = f"constraint-dependencies = [\n{lines}]\n"
    if not PINS.search(text):
        return text.replace("[tool.uv]\n", f"[tool.uv]\n{block}", 1)
    return PINS.sub(lambda _: block, text, count=1)


def _export(folder: Path, *options: str) -> str:
    return _uv(folder, "export", "--quiet", "--frozen", "--no-header", "--no-annotate", *options)


def _uv(folder: Path, *arguments: str) -> str:
    uv = shutil.which("uv")
    if uv is None:
        sys.exit("uv is not installed: `pip install uv`")
    ended = subprocess.run([uv, *arguments], cwd=folder, stdout=subprocess.PIPE, check=True, text=True)  # noqa: S603 - words of ours
    return ended.stdout


def _name(need: str) -> str:
    found = NAME.match(need)
    return _normal(found[0].partition("[")[0]) if found else need


def _normal(name: str) -> str:
    """https://packaging.python.org/en/latest/specifications/name-normalization/"""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main())
