"""Words that a prompt may hold to have something go wrong with its job, for trying things out by hand."""

from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.videos.faults import SLOW_TIMES


@dataclass(frozen=True)
class Word:
    """In a prompt: faults of this create and this job, each as often as given, None for always."""

    meaning: str
    faults: Mapping[str, int | None]


WORDS: Mapping[str, Word] = {
    "[fail]": Word("the render fails", {"create:fails": 1}),
    "[moderated]": Word("refused by moderation, 400", {"create:400-policy": None}),
    "[moderated-503]": Word("refused by moderation, with the 503 of the seed", {"create:503-policy": None}),
    "[moderated-late]": Word("the finished video is refused by moderation", {"create:moderated": 1}),
    "[person]": Word("refused: a real person in the picture", {"create:400-person": None}),
    "[busy]": Word("429 twice with Retry-After, then taken", {"create:429": 2}),
    "[key]": Word("401: the key is not accepted", {"create:401": None}),
    "[balance]": Word("403: insufficient balance", {"create:403": None}),
    "[error]": Word("500, and nothing was made", {"create:500": None}),
    "[lost]": Word("the job is made, the connection cut before the answer", {"create:lost": 1}),
    "[slow]": Word(f"takes {SLOW_TIMES} times as long", {"create:slow-job": 1}),
    "[stuck]": Word("stands at 99 % for ever", {"create:stuck": 1}),
    "[flaky]": Word(
        "polls answer 500, HTML, 404, 429, half an answer, none, then rightly",
        {"poll:500": 1, "poll:502-html": 1, "poll:404": 1, "poll:429": 1, "poll:cut": 1, "poll:lost": 1},
    ),
    "[odd]": Word("polls show odd words, odd progress", {"poll:odd-status": 4, "poll:odd-progress": None}),
    "[new-id]": Word("polls show the job under another id", {"poll:new-id": None}),
    "[no-url]": Word("ends without a URL: only /content has the video", {"poll:no-url": None}),
    "[private-url]": Word("the URL is a private address", {"poll:private-url": None}),
    "[dead-url]": Word("the URL leads nowhere", {"poll:dead-url": None}),
    "[late-file]": Word("URL and /content answer 404 twice first", {"file:404": 2, "content:404": 2}),
    "[cut-file]": Word("URL and /content are cut halfway twice first", {"file:cut": 2, "content:cut": 2}),
    "[expired]": Word("the video is gone as soon as it is ready", {"create:expired": 1}),
    "[big]": Word("a video over 20 MB", {"create:big": 1}),
}  # fmt: skip
PROMPT_WORDS: dict[str, str] = {word: each.meaning for word, each in WORDS.items()}


def faults_of(prompt: str) -> dict[str, int | None]:
    """The faults that the words of a prompt ask for."""
    return {name: times for word, each in WORDS.items() if word in prompt for name, times in each.faults.items()}
