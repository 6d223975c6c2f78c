"""How long to wait: between polls, between tries. Pure, with randomness handed in."""

from __future__ import annotations

import math
import random

LONGEST_POLL_PAUSE_S = 60.0
"""After errors, or because the provider asks for it."""
LONGEST_PLANNED_S = 120.0
"""Looking at a video of three minutes after one minute finds nothing, and costs as much as a look when it is due."""
POLLS_A_SECOND = 400
"""Of all jobs together: each costs a third of a millisecond (`benchmarks/many.py`), and the provider counts them."""
TOGETHER_S = 0.05
"""Polls that fall due within so long are sent together: one that wakes the process by itself costs a half more."""
DOWNLOAD_PAUSES_S = (0.0, 4.0, 26.0, 120.0, 450.0)
"""Five tries over ten minutes."""


def least_pause(poll_s: float, jobs: int) -> float:
    """The shortest pause between two polls of a job, where so many are polled."""
    return max(poll_s, jobs / POLLS_A_SECOND)


def poll_pause(
    least_s: float, planned_s: float, asked_s: float | None, errors_in_a_row: int, rng: random.Random
) -> float:
    """Seconds to the next poll: as planned, never under `least_s` or what the provider asks, longer after errors.

    Up to a tenth of what is least comes on top, so that many do not ask in one moment.
    """
    least_s = max(least_s, min(asked_s or 0.0, LONGEST_POLL_PAUSE_S))
    pause = max(least_s, min(planned_s, LONGEST_PLANNED_S))
    if errors_in_a_row > 1:
        pause = max(pause, min(least_s * 2.0 ** min(errors_in_a_row - 1, 10), LONGEST_POLL_PAUSE_S))
    return pause + least_s * rng.uniform(0.0, 0.1)


def together(pause_s: float, now_s: float) -> float:
    """The pause, up to a hundredth longer, so that it ends with others: at a multiple of 50 ms, if it is a long one.

    `now_s` is any clock that the pauses are counted by.
    """
    apart_s = min(TOGETHER_S, pause_s / 100)
    return pause_s if apart_s <= 0 else math.ceil((now_s + pause_s) / apart_s) * apart_s - now_s


def resubmit_pause(poll_s: float, asked_s: float | None, tried_for_s: float, rng: random.Random) -> float:
    """Seconds until a job of which certainly nothing was made is sent again: as long as it has been tried so far."""
    return max(asked_s or 0.0, poll_s, min(tried_for_s, 60.0)) * rng.uniform(1.0, 1.2)


def store_pause(tries: int, rng: random.Random) -> float:
    """Seconds before asking our own store again: once it is back, what is paid for goes on within seconds."""
    return min(0.1 * 2.0 ** min(tries, 10), 3.0) * rng.uniform(0.8, 1.2)


def retry_pause(tries: int, rng: random.Random) -> float:
    """Seconds before asking Discord or a provider again."""
    return min(0.1 * 2.0 ** min(tries, 10), 10.0) * rng.uniform(0.8, 1.2)


def fetch_pause(tries: int, rng: random.Random) -> float:
    """Seconds before a picture is fetched again: some five tries in a minute."""
    return min(2.0 * 2.0 ** min(tries, 10), 20.0) * rng.uniform(0.8, 1.2)


def chat_pause(tries: int, asked_s: float, rng: random.Random) -> float:
    """Seconds before a card's last edit, or its video, is offered to Discord again: up to five minutes."""
    return max(asked_s, min(0.2 * 2.0 ** min(tries, 12), 300.0) * rng.uniform(0.8, 1.2))


def download_pause(tries: int) -> float:
    """Seconds before the download is tried again."""
    return DOWNLOAD_PAUSES_S[tries] if tries < len(DOWNLOAD_PAUSES_S) else 120.0


def late_download_pause(tried_for_s: float) -> float:
    """Seconds before a video that did not come in time is fetched again: two minutes, later up to an hour."""
    return min(max(tried_for_s / 10.0, 120.0), 3_600.0)


def redeliver_pause(tries: int) -> float:
    """Seconds before an undelivered video is offered to Discord again: five minutes, doubling up to a day."""
    return min(300.0 * 2.0 ** min(tries, 10), 86_400.0)


def look_again_pause(looks: int) -> float:
    """Seconds before it is looked again whether a job that is to be erased has ended: from a second to a minute."""
    return min(2.0 ** min(looks - 1, 10), 60.0)
