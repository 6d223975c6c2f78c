"""The process that decodes: `python -m bot.images`, started by `bot.images.fitter` for one picture.

A picture is a stranger's bytes: whatever they do to a decoder, they do it here. In: eight bytes of length, the picture.
Out: a line with its upright size and whether it is large. In: a line with the size it shall have. Out: a line with two
lengths, two JPEGs. In place of any answer a line with a refusal.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import warnings
from typing import Any

from bot import confined_process
from bot.errors import PictureRefused
from bot.images.resize import copy, fit, measure
from bot.sizes import parse_size

NICENESS = 5
MAX_MEMORY_BYTES = 512 << 20


def main() -> None:
    """Answers on stdout."""
    confined_process.confine(max_memory_bytes=MAX_MEMORY_BYTES, niceness=NICENESS)
    warnings.simplefilter("ignore")  # Pillow warns of broken EXIF, and goes on
    told: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(told,), daemon=True).start()
    data = told.get()
    try:
        measured = measure(data)
        _say(upright=measured.upright, is_large=measured.is_large)
        size, max_enlargement = json.loads(told.get())
        jpeg = fit(data, *parse_size(size), max_enlargement=max_enlargement)
        again = copy(data)
    except PictureRefused as refused:
        _say(refused=refused.sentence, values=refused.values)
        return
    _say(jpeg=len(jpeg), copy=len(again))
    sys.stdout.buffer.write(jpeg + again)


def _listen(told: queue.SimpleQueue[bytes]) -> None:
    """Hands on what is said on stdin; the end of it means that the bot is gone."""
    with open(0, "rb", buffering=0, closefd=False) as stdin:
        told.put(_exactly(stdin, int.from_bytes(_exactly(stdin, 8), "big")))
        told.put(stdin.readline())
        stdin.read(1)
    os._exit(1)


def _exactly(stdin: Any, size: int) -> bytes:
    read = bytearray()
    while len(read) < size:
        read += (piece := stdin.read(size - len(read)))
        if not piece:
            os._exit(1)
    return bytes(read)


def _say(**answer: object) -> None:
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # all that was taken goes with the process; to give it back bit by bit is a tenth of the whole work
