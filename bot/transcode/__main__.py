"""The process that encodes: `python -m bot.transcode SOURCE FOLDER LIMIT`. The fault, if any, goes to stderr.

A video is a stranger's bytes: whatever they do to a decoder, they do it here.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from bot import confined_process
from bot.transcode.fit import fit
from bot.transcode.probe import Refused

NICENESS = 15
MAX_MEMORY_BYTES = 1 << 30


def main(source: str, folder: str, limit: str) -> int:
    """The video made is `folder`/video.mp4."""
    confined_process.confine(max_memory_bytes=MAX_MEMORY_BYTES, niceness=NICENESS)
    confined_process.end_with_the_bot(lambda: shutil.rmtree(folder, ignore_errors=True))
    try:
        fit(source, Path(folder, "video.mp4"), int(limit))
    except Exception as error:  # noqa: BLE001 - the edge of a process: FFmpeg raises whatever the bytes lead to
        print(error if isinstance(error, Refused) else repr(error), file=sys.stderr)  # noqa: T201 - the bot reads it
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
