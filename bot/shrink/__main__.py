"""The process that encodes: `python -m bot.shrink SOURCE PART LIMIT`. The fault, if any, goes to stderr.

A video is a stranger's bytes: whatever they do to a decoder, they do it here.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import threading
from pathlib import Path

from bot.shrink.encode import encode
from bot.shrink.look import Refused, Seen, look

TRIES = 2
AIM = 0.965  # of the limit: one pass came out up to 2 % over what it was told
NICENESS = 15
MAX_MEMORY_BYTES = 1 << 30


def main(source: str, part: str, limit: str) -> int:
    become_a_helper(Path(part))
    try:
        shrink(source, part, int(limit))
    except Exception as error:  # noqa: BLE001 - the edge of a process: FFmpeg raises whatever the bytes lead to
        print(error if isinstance(error, Refused) else repr(error), file=sys.stderr)  # noqa: T201 - the bot reads it
        return 1
    return 0


def become_a_helper(part: Path) -> None:
    """Gives way to the bot in time and memory, and ends when the bot ends, however that was."""

    def watch() -> None:
        os.read(0, 1)  # nothing is ever sent: it returns when the bot is gone
        part.unlink(missing_ok=True)
        os._exit(1)

    os.nice(NICENESS)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a service manager sends it to all: the bot decides when this ends
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    with contextlib.suppress(OSError):  # Linux: should memory run out, then rather this process than the bot
        Path("/proc/self/oom_score_adj").write_text("1000")
    threading.Thread(target=watch, daemon=True).start()


def shrink(source: str, part: str, limit_bytes: int) -> None:
    """Raises Refused, and whatever FFmpeg raises."""
    seen = look(source)
    aimed_bytes = AIM * limit_bytes
    came_out = 0
    for _ in range(TRIES):
        encode(source, part, seen, aimed_bytes)
        came_out = Path(part).stat().st_size
        if came_out <= limit_bytes:
            return check(part, seen)
        aimed_bytes *= AIM * limit_bytes / came_out  # what came out too large once will again
    raise Refused(f"came out at {came_out} bytes")


def check(part: str, source: Seen) -> None:
    """The file as it is on the disk. Raises Refused unless it is whole and as long as the source."""
    with open(part, "rb") as file:  # noqa: PTH123 - for its number
        os.fsync(file.fileno())
    made = look(part)
    frame_s = source.video.seconds / source.video.packets
    if made.size != source.size or abs(made.video.seconds - source.video.seconds) > frame_s + 0.002:
        raise Refused(f"came out {made.size} and {made.video.seconds:.2f} of {source.video.seconds:.2f} s")
    if bool(made.sound.packets) != bool(source.sound.packets):
        raise Refused("came out without its sound")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
