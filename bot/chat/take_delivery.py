"""The last edit of a card that several takes share: all videos in one, or how each take stands."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from bot.chat.discord_errors import ErrorKind
from bot.chat.last_edit import ASIDE_TRIED_FOR_S, EDIT_TRIED_FOR_S, UPLOAD_TRIED_FOR_S, LastEdit
from bot.chat.take_cards import TakeCards
from bot.chat.transports import Transports, filename_of
from bot.jobs.chat_protocol import DeliveryOutcome
from bot.models import DIRECT, Job, JobId, Show

log = logging.getLogger(__name__)


class TakeDelivery:
    """An edit may be repeated: whoever finds it not recorded makes the same one again."""

    def __init__(self, transports: Transports, last_edit: LastEdit, cards: TakeCards) -> None:
        self._transports = transports
        self._last_edit = last_edit
        self._cards = cards

    async def bring(self, takes: Sequence[Job], videos: Mapping[JobId, Path]) -> DeliveryOutcome:
        """The videos on the card; what it does not take at all goes apart, if there is another way to its member."""
        first = takes[0]
        shown = [(take, videos[take.id]) for take in takes if take.id in videos]
        try:
            files = {take.id: filename_of(take, video) for take, video in shown}
            error_kind = await self._last_edit.make(
                first,
                lambda plain: self._cards.together(takes, files, plain=plain),
                shown,
                for_s=UPLOAD_TRIED_FOR_S,
            )
        except OSError as error:
            log.error("job=%s a video of its takes cannot be read on this machine: %s", first.id, error)  # noqa: TRY400 - no traceback
            error_kind = ErrorKind.PASSING
        match error_kind:
            case None:
                return DeliveryOutcome.UPLOADED
            case ErrorKind.PASSING:
                outcome = DeliveryOutcome.LATER
            case ErrorKind.TRANSPORT_DEAD if first.scope == DIRECT and first.spec.show != Show.ME:
                outcome = DeliveryOutcome.NOWHERE  # a press brings a fresh token for this very card
            case _:
                return DeliveryOutcome.APART
        await self.tell(takes, for_s=ASIDE_TRIED_FOR_S)
        return outcome

    async def tell(self, takes: Sequence[Job], *, for_s: float = EDIT_TRIED_FOR_S) -> ErrorKind | None:
        """How each take stands, without any video; None where the card says so now."""
        return await self._last_edit.make(
            takes[0], lambda plain: self._cards.ended_takes(takes, plain=plain), for_s=for_s
        )
