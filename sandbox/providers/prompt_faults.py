"""Words that a prompt may hold to inject faults into its own job, for trying things out by hand."""

from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.providers.faults import SLOW_TIMES


@dataclass(frozen=True)
class PromptFault:
    """Faults of this create and this job, each as often as given, None for always."""

    meaning: str
    faults: Mapping[str, int | None]


PROMPT_FAULTS: Mapping[str, PromptFault] = {
    "[fail]": PromptFault("the render fails", {"create:fails": 1}),
    "[moderated]": PromptFault("refused by moderation, 400", {"create:400-policy": None}),
    "[moderated-503]": PromptFault("refused by moderation, with the 503 of the seed", {"create:503-policy": None}),
    "[moderated-late]": PromptFault("the finished video is refused by moderation", {"create:moderated": 1}),
    "[person]": PromptFault("refused: a real person in the picture", {"create:400-person": None}),
    "[busy]": PromptFault("429 twice with Retry-After, then taken", {"create:429": 2}),
    "[key]": PromptFault("401: the key is not accepted", {"create:401": None}),
    "[balance]": PromptFault("403: insufficient balance", {"create:403": None}),
    "[error]": PromptFault("500, and nothing was made", {"create:500": None}),
    "[lost]": PromptFault("the job is made, the connection cut before the answer", {"create:lost": 1}),
    "[slow]": PromptFault(f"takes {SLOW_TIMES} times as long", {"create:slow-job": 1}),
    "[stuck]": PromptFault("stays at 99%", {"create:stuck": 1}),
    "[flaky]": PromptFault(
        "polls answer 500, HTML, 404, 429, half an answer, none, then rightly",
        {"poll:500": 1, "poll:502-html": 1, "poll:404": 1, "poll:429": 1, "poll:cut": 1, "poll:lost": 1},
    ),
    "[odd]": PromptFault("polls show unusual states and progress", {"poll:odd-status": 4, "poll:odd-progress": None}),
    "[new-id]": PromptFault("polls show the job under another id", {"poll:new-id": None}),
    "[no-url]": PromptFault("ends without a URL: only /content has the video", {"poll:no-url": None}),
    "[private-url]": PromptFault("the URL is a private address", {"poll:private-url": None}),
    "[dead-url]": PromptFault("the URL leads nowhere", {"poll:dead-url": None}),
    "[late-file]": PromptFault("URL and /content answer 404 twice first", {"file:404": 2, "content:404": 2}),
    "[cut-file]": PromptFault("URL and /content are cut halfway twice first", {"file:cut": 2, "content:cut": 2}),
    "[expired]": PromptFault("the video is gone as soon as it is ready", {"create:expired": 1}),
    "[big]": PromptFault("a video over 20 MB", {"create:big": 1}),
}  # fmt: skip


def faults_of(prompt: str) -> dict[str, int | None]:
    """The faults that the words of a prompt ask for."""
    return {
        name: times for word, each in PROMPT_FAULTS.items() if word in prompt for name, times in each.faults.items()
    }
