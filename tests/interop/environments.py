"""Libraries of others, each in an environment of its own: some share a name, and none is needed otherwise.

Where a library cannot be had, the test that asks for it is skipped, with what was said.
"""

import asyncio
import shutil
import sys
from pathlib import Path

import pytest

TOLD = 4_000
"""Characters of an output that are shown."""


async def run(folder: Path, *command: str) -> None:
    """Skips the test where the command fails."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    if process.returncode:
        pytest.skip(f"the library cannot be had: {said.decode(errors='replace')[-TOLD:]}")


async def python_with(folder: Path, pins: Path) -> str:
    """A Python with what the file of pins names, in the folder."""
    if shutil.which("uv") is None:
        pytest.skip("there is no uv here")
    python = str(folder / "venv" / "bin" / "python")
    await run(folder, "uv", "venv", "--quiet", "--python", sys.executable, "venv")
    await run(folder, "uv", "pip", "install", "--quiet", "--python", python, "-r", str(pins))
    return python
