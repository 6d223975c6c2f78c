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
    "[fail]": PromptFault("the video fails halfway", {"create:fails": 1}),
    "[moderated]": PromptFault("refused by moderation, as 400", {"create:400-policy": None}),
    "[moderated-503]": PromptFault("refused by moderation, as 503", {"create:503-policy": None}),
    "[moderated-late]": PromptFault("refused by moderation when the video is finished", {"create:moderated": 1}),
    "[person]": PromptFault("refused because of a real person in the picture", {"create:400-person": None}),
    "[busy]": PromptFault("429 with Retry-After twice, then accepted", {"create:429": 2}),
    "[key]": PromptFault("401, the key is not accepted", {"create:401": None}),
    "[balance]": PromptFault("403, the account has no money left", {"create:403": None}),
    "[error]": PromptFault("500, and no video is made", {"create:500": None}),
    "[lost]": PromptFault("the video is made, but the connection is cut before the answer", {"create:lost": 1}),
    "[slow]": PromptFault(f"takes {SLOW_TIMES} times as long", {"create:slow-job": 1}),
    "[stuck]": PromptFault("stays at 99%", {"create:stuck": 1}),
    "[flaky]": PromptFault(
        "status requests get 500, HTML, 404, 429, half an answer, no answer, then the right one",
        {"poll:500": 1, "poll:502-html": 1, "poll:404": 1, "poll:429": 1, "poll:cut": 1, "poll:lost": 1},
    ),
    "[odd]": PromptFault("status requests get odd answers", {"poll:odd-status": 4, "poll:odd-progress": None}),
    "[new-id]": PromptFault("status requests get another ID", {"poll:new-id": None}),
    "[no-url]": PromptFault("ends without an address of the video", {"poll:no-url": None}),
    "[private-url]": PromptFault("the address of the video is a private one", {"poll:private-url": None}),
    "[dead-url]": PromptFault("the address of the video does not answer", {"poll:dead-url": None}),
    "[late-file]": PromptFault("downloads get 404 twice, then the video", {"file:404": 2, "content:404": 2}),
    "[cut-file]": PromptFault("downloads are cut halfway twice, then complete", {"file:cut": 2, "content:cut": 2}),
    "[expired]": PromptFault("the video has expired as soon as it is ready", {"create:expired": 1}),
    "[big]": PromptFault("the video is larger than 20 MB", {"create:big": 1}),
}  # fmt: skip


def faults_of(prompt: str) -> dict[str, int | None]:
    """The faults that the words of a prompt ask for."""
    return {
        name: times for word, each in PROMPT_FAULTS.items() if word in prompt for name, times in each.faults.items()
    }
