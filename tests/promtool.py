"""Prometheus's own checker, where it is installed (Debian: `apt-get install prometheus`)."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def tool(name: str) -> str:
    """The path of `promtool` or `prometheus`; skips the test where there is none, unless PROMTOOL_REQUIRED is set."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("PROMTOOL_REQUIRED"):
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed; Debian and Ubuntu have it in the package prometheus")
    return found


def promtool(*arguments: str, fed: bytes = b"", folder: Path | None = None) -> str:
    """What promtool says; fails the test where it finds fault."""
    ended = subprocess.run(
        [tool("promtool"), *arguments], input=fed, capture_output=True, check=False, timeout=60, cwd=folder
    )
    said = (ended.stdout + ended.stderr).decode()
    assert ended.returncode == 0, said
    return said
