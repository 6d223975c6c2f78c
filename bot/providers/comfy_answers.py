"""Reads what a ComfyUI server answers. Pure, and never raises on foreign words.

ComfyUI has no job object: a job waits or runs in /queue, and has ended in /history. It is in one of the two at any
moment, unless the server never had it, was restarted, or somebody deleted it there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard
from urllib.parse import urlencode

from bot.models import FailureKind
from bot.providers import error_mapping
from bot.providers.error_text import Said

VIDEO_ENDINGS = (".mp4", ".webm", ".mkv", ".mov")

_OUT_OF_MEMORY = re.compile(
    r"out ?of ?memory|allocation on device|not enough (?:gpu |video )?memory|alloc_failed", re.IGNORECASE
)
_NO_SUCH_NODE = frozenset({"invalid_prompt", "missing_node_type"})
_NO_SUCH_FILE = "value_not_in_list"
_MAX_ERRORS = 5


@dataclass(frozen=True, slots=True)
class Queue:
    """Ids of the jobs that a server has not ended; those that wait stand in the order in which they will run."""

    running: tuple[str, ...]
    waiting: tuple[str, ...]

    def position(self, job_id: str) -> int | None:
        """1 is next; None where it does not wait."""
        return self.waiting.index(job_id) + 1 if job_id in self.waiting else None

    def __contains__(self, job_id: str) -> bool:
        return job_id in self.running or job_id in self.waiting


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a workflow did not run to its end, or was not taken; the text is for the operator."""

    kind: FailureKind
    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A job of the history. `view` is the query of its video's address, None where it has none."""

    is_interrupted: bool
    failure: Failure | None
    view: str | None


def queue_of(body: Any) -> Queue | None:
    """What GET /queue says; None where that is no queue, or one that we cannot read to its end.

    Who is not in it has ended or was never there, so nothing in it may be overlooked.
    """
    running, waiting = (
        body.get(f"queue_{name}") if isinstance(body, dict) else None for name in ("running", "pending")
    )
    if not _is_readable(running) or not _is_readable(waiting):
        return None
    in_order = sorted(waiting, key=_number)  # a heap, not a list in order
    return Queue(tuple(item[1] for item in running), tuple(item[1] for item in in_order))


def ended(body: Any, job_id: str) -> Ended | None:
    """What GET /history/{id} says of a job that has ended; None where it has not."""
    entry = body.get(job_id) if isinstance(body, dict) else None
    if not isinstance(entry, dict):
        return None
    status = entry.get("status")
    status = status if isinstance(status, dict) else {}
    events = dict(_events(status.get("messages")))
    interrupted = "execution_interrupted" in events
    if interrupted:
        return Ended(True, Failure(FailureKind.PROVIDER, "the job was interrupted in ComfyUI"), None)
    if status.get("status_str") == "error" or "execution_error" in events:
        return Ended(False, failure_of(events.get("execution_error", {})), None)
    view = _view(entry.get("outputs"))
    lacks = Failure(FailureKind.PROVIDER, "the workflow ended without a video file: it needs a node that saves one")
    return Ended(False, None if view else lacks, view)


def not_accepted(body: Any) -> Failure | None:
    """Why POST /prompt refused a workflow, as its answer tells; None where it does not tell in ComfyUI's words."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("type"), str):
        return None
    found = list(_node_errors(body.get("node_errors")))
    types = {error["type"], *(kind for kind, _ in found)}
    lacks = types & {*_NO_SUCH_NODE, _NO_SUCH_FILE}
    told = [_joined(error, "message", "details") if not found else str(error.get("message", ""))]
    return Failure(
        FailureKind.MODEL if lacks else FailureKind.BAD_REQUEST, "; ".join([*told, *(text for _, text in found)])
    )


def uploaded(body: Any) -> str | None:
    """How a workflow names the file that POST /upload/image has stored."""
    name = body.get("name") if isinstance(body, dict) else None
    if not isinstance(name, str) or not name:
        return None
    folder = body.get("subfolder")
    return f"{folder}/{name}" if isinstance(folder, str) and folder else name


def views(prefix: str) -> list[str]:
    """Where the first video of a name may lie, as the nodes that save videos number their files."""
    folder, _, name = prefix.rpartition("/")
    files = [f"{name}{ending}" for ending in ("_00001_.mp4", "_00001_.webm", "_00001.mp4")]
    return [urlencode({"filename": file, "subfolder": folder, "type": "output"}) for file in files]


def version(stats: Any) -> tuple[int, ...] | None:
    """ComfyUI's version, as GET /system_stats tells it; None where it does not."""
    system = stats.get("system") if isinstance(stats, dict) else None
    found = system.get("comfyui_version") if isinstance(system, dict) else None
    parts = found.lstrip("v").split("-")[0].split(".") if isinstance(found, str) else []
    return tuple(map(int, parts)) if parts and all(re.fullmatch("[0-9]{1,6}", part) for part in parts) else None


def _is_readable(items: Any) -> TypeGuard[list[list[Any]]]:
    return isinstance(items, list) and all(
        isinstance(item, list) and len(item) > 1 and isinstance(item[1], str) for item in items
    )


def _number(item: list[Any]) -> float:
    return item[0] if isinstance(item[0], int | float) else 0


def _events(messages: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for message in messages if isinstance(messages, list) else []:
        if isinstance(message, list) and len(message) > 1 and isinstance(message[0], str):
            yield message[0], message[1] if isinstance(message[1], dict) else {}


def failure_of(error: Mapping[str, Any]) -> Failure:
    """Why a node failed, in the words of an `execution_error`."""
    said = _joined(error, "exception_type", "exception_message")
    where = f"{error.get('node_type') or 'a node'} ({error.get('node_id') or '?'})"
    if _OUT_OF_MEMORY.search(said):
        text = f"the GPU ran out of memory in {where}: offer smaller sizes or fewer seconds, or a smaller model"
        return Failure(FailureKind.PROVIDER, text)
    return Failure(error_mapping.of_failed_render(Said((said,))), f"{where} failed: {said or 'nothing was said why'}")


def _node_errors(nodes: Any) -> Iterator[tuple[str, str]]:
    """Type and text of each; what was received is left out, since a member may have written it."""
    left = _MAX_ERRORS
    for node, part in nodes.items() if isinstance(nodes, dict) else ():
        errors = part.get("errors") if isinstance(part, dict) else None
        for error in errors if isinstance(errors, list) else ():
            if left and isinstance(error, dict):
                left -= 1
                yield (
                    str(error.get("type")),
                    f"{part.get('class_type')} ({node}): {_joined(error, 'message', 'details')}",
                )


def _joined(error: Mapping[str, Any], *names: str) -> str:
    return ": ".join(str(error[name]).strip() for name in names if error.get(name))


def _view(outputs: Any) -> str | None:
    """The first video: core nodes list it under "images", others under "gifs" or "videos"."""
    files = list(_files(outputs))
    saved = [file for file in files if file.get("type", "output") == "output"] or files
    return urlencode({name: saved[0].get(name) or "" for name in ("filename", "subfolder", "type")}) if saved else None


def _files(outputs: Any) -> Iterator[dict[str, Any]]:
    for node in outputs.values() if isinstance(outputs, dict) else ():
        for listed in node.values() if isinstance(node, dict) else ():
            for file in listed if isinstance(listed, list) else ():
                name = file.get("filename") if isinstance(file, dict) else None
                if isinstance(name, str) and name.lower().endswith(VIDEO_ENDINGS):
                    yield file
