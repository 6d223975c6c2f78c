"""The image, built from the Dockerfile without Docker, and the bot in it: as process 1, as 10001, its root read-only.

buildah builds it; in the place of Python's own image there is one of the same Debian, made of Debian's packages. Wants
root, buildah and mmdebstrap (Debian: `apt-get install buildah mmdebstrap`); skipped without them.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.interop.environments import run

PROJECT = Path(__file__).parents[2]
UID = 10001
SUITE = "trixie"
_BASE = "localhost/animate-bot-test/python"
_IMAGE = f"localhost/animate-bot-test/bot-{os.getpid()}"
"""Of its own in each process of the tests: they may build at the same time."""
_INSIDE = """
mount --bind "$0" "$0"
mount -o remount,bind,ro "$0"
mount --bind "$1" "$0/data"
mount -t tmpfs tmpfs "$0/tmp"
mount -t proc proc "$0/proc"
mount --rbind /dev "$0/dev"
shift
exec chroot "$@"
"""
_CONFINED = (
    "/usr/bin/setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--no-new-privs", "--bounding-set=-all",
    "--inh-caps=-all", "/usr/bin/env", "--chdir=/app",
)  # fmt: skip


class Image:
    """What was built: its files at `root`, which a container of the builder holds until `remove`."""

    def __init__(self, container: str, root: Path, config: dict[str, Any]) -> None:
        self.container = container
        self.root = root
        self.config = config

    async def spawn(self, _python: str, *arguments: str, cwd: Path, env: dict[str, str], **pipes: Any) -> Contained:
        """As `asyncio.create_subprocess_exec`, but in the image: `cwd` is the volume, and the image's settings hold."""
        own = dict(line.split("=", 1) for line in self.config["Env"])
        settings = {**own, **env, **{name: own[name] for name in ("PATH", "DATABASE_URL", "DATA_DIR")}}
        for name in ("PYTHONPATH", "HOME"):
            settings.pop(name, None)
        _give(cwd)
        outer = await asyncio.create_subprocess_exec(
            "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", _INSIDE,
            self.root, cwd, self.root, *_CONFINED, "-i", *(f"{name}={value}" for name, value in settings.items()),
            "python", *arguments, **pipes,
        )  # fmt: skip
        return Contained(outer)


def _give(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, UID, UID)


class Contained:
    """Process 1 of the container. A signal goes to it, not to what waits for it outside."""

    def __init__(self, outer: asyncio.subprocess.Process) -> None:
        self._outer = outer

    @property
    def pid(self) -> int:
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text("ascii").split()
        return int(children[0]) if children else self._outer.pid

    @property
    def returncode(self) -> int | None:
        return self._outer.returncode

    def send_signal(self, signal: int) -> None:
        os.kill(self.pid, signal)

    def kill(self) -> None:
        self._outer.kill()

    async def wait(self) -> int:
        return await self._outer.wait()


async def build(folder: Path) -> Image:
    """Builds it; skips the test where that cannot be done here."""
    missing = [name for name in ("buildah", "mmdebstrap", "unshare", "pip") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"building the image wants root and {', '.join(missing) or 'nothing else'}")
    pip = folder / "pip.conf"
    pip.write_text(await _pip_settings())
    await _base(folder)
    await run(
        PROJECT, "buildah", "bud", "--isolation=chroot", "--pull=never", "--format=docker", "--quiet",
        f"--build-arg=PYTHON={_BASE}", f"--volume={pip}:/etc/pip.conf:ro", "--volume=/etc/ssl/certs:/etc/ssl/certs:ro",
        f"--tag={_IMAGE}", ".",
    )  # fmt: skip
    container = await _said("buildah", "from", "--pull-never", _IMAGE)
    found = json.loads(await _said("buildah", "inspect", "--type=image", _IMAGE))
    return Image(container, Path(await _said("buildah", "mount", container)), found["Docker"]["config"])


async def remove(image: Image) -> None:
    """Takes away what `build` has left with buildah, but for the base, which the next build uses again."""
    await _said("buildah", "rm", image.container)
    await _said("buildah", "rmi", "--force", _IMAGE)


async def _base(folder: Path) -> None:
    """Debian with its own Python, where the builder finds it; kept for the next time."""
    if _BASE in await _said("buildah", "images", "--format={{.Name}}"):
        return
    tar = folder / "base.tar"
    source = f"deb {await _mirror()} {SUITE} main"
    await run(
        folder, "mmdebstrap", "--mode=root", "--variant=minbase", "--quiet",
        "--include=python3,python3-venv,python3-pip,ca-certificates", SUITE, str(tar), source,
    )  # fmt: skip
    container = await _said("buildah", "from", "scratch")
    await run(folder, "buildah", "add", "--quiet", container, str(tar), "/")
    await run(folder, "buildah", "run", "--isolation=chroot", container, "--",
              "ln", "-s", "/usr/bin/python3", "/usr/local/bin/python")  # fmt: skip
    path = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
    await run(folder, "buildah", "config", f"--env=PATH={path}", container)
    await run(folder, "buildah", "commit", "--quiet", "--rm", container, _BASE)


async def _mirror() -> str:
    """Where this machine's own packages come from."""
    said = await _said("apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages")
    found = next((line for line in said.splitlines() if line and "security" not in line), None)
    return found or pytest.skip("it is not known where Debian's packages come from: run `apt-get update`")


async def _pip_settings() -> str:
    """Where this machine's pip looks, but for what lies in its folders."""
    said = await _said(shutil.which("pip") or "pip3", "config", "list")
    lines = [line.partition("=")[::2] for line in said.splitlines()]
    kept = {name.rpartition(".")[2]: value.strip("'") for name, value in lines}
    found = [f"{name} = {kept[name]}" for name in ("index-url", "cert", "trusted-host") if name in kept]
    return "\n".join(["[global]", *found, ""])


async def _said(*command: str) -> str:
    """What it writes. Skips the test where it fails."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, error = await process.communicate()
    if process.returncode:
        pytest.skip(f"{command} failed: {error.decode(errors='replace')}")
    return out.decode().strip()
