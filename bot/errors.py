"""Every error this bot raises.

BotError
├── UserError              a sentence for the member or admin, and what stands in it
│   ├── PictureRefused     the picture cannot be used
│   └── WordBarred         the prompt has a word that the server's admins bar
├── ReservationRefused     a limit forbids it; worded where it is shown
├── CircuitOpen            nothing is sent to the provider for now
├── AlreadyKnown           this interaction has its job already
├── SettingsError          the operator's settings, one sentence per fault
├── StoreError
│   ├── StoreUnavailable   cannot be read or written now; may pass
│   ├── StoreInUse         another process holds the database
│   └── StoreUnusable      corrupt, foreign, or of a newer version; left untouched
├── ChatUnavailable        Discord gave no answer that decides anything
├── PromptHelpUnavailable  the chat model gave no words; for the log
├── LocalTrouble           our own disk or system failed; it says nothing about the provider
└── VideoError             of the provider; carries its words for the log only
    ├── VideoUnavailable   certainly nothing made, or only a question unanswered: may be asked again
    │   └── TicketUnreadable  what was stored of the job cannot be read: nobody can be asked
    ├── VideoRejected      a final no
    ├── VideoOutcomeUnknown  a create whose outcome is not known: never sent again
    ├── VideoNotReady      an answer, but no whole video: the download may be tried again
    └── VideoProtocolError the far side broke its contract
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.i18n.marking import Value, english
from bot.models import Balance, FailureKind, Limit, RefusalReason, Ticket


class BotError(Exception):
    """Base of all that is raised here."""


class UserError(BotError):
    """Carries the sentence we show: what is wrong and what to do next. `values` stand for the names in its braces.

    As a string it is English, for the log; `bot.chat` says it in the reader's language.
    """

    def __init__(self, sentence: str, **values: Value) -> None:
        super().__init__(english(sentence, values))
        self.sentence = sentence
        self.values = values


class WordBarred(UserError):
    """The prompt has a word that the server's admins bar. The word is in the sentence, never in the log."""

    def __str__(self) -> str:
        return "a word of the prompt is barred in this server"


class PictureRefused(UserError):
    """The picture cannot be animated."""


class ReservationRefused(BotError):
    """No credits were taken. `balance` is what the member has now; `detail` an admin's words, if any.

    `room` is how many videos more the member may have in progress, where that is why. `limit` is the server limit or
    the budget, where that is why, with what all have `left` of it and when it renews: None where it never does.
    """

    def __init__(
        self,
        reason: RefusalReason,
        balance: Balance,
        *,
        detail: str | None = None,
        room: int = 0,
        limit: Limit | None = None,
        left: int = 0,
        renews_at: datetime | None = None,
    ) -> None:
        super().__init__(str(reason))
        self.reason = reason
        self.balance = balance
        self.detail = detail
        self.room = room
        self.limit = limit
        self.left = left
        self.renews_at = renews_at


class CircuitOpen(BotError):
    """The provider refuses or loses everything: nothing is taken until a probe gets through. `kind` says why.

    `is_being_tried`: a probe is under way, so it will be known soon.
    """

    def __init__(self, kind: FailureKind, *, is_being_tried: bool = False) -> None:
        super().__init__(str(kind))
        self.kind = kind
        self.is_being_tried = is_being_tried


class AlreadyKnown(BotError):
    """The gateway replayed an interaction; it is to be ignored."""


class SettingsError(BotError):
    """Settings are missing or wrong; `sentences` has one per fault, each naming the variable."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = tuple(sentences)


class StoreError(BotError):
    """The database."""


class StoreUnavailable(StoreError):
    """Could not be read or written in time; nothing of the unit was kept."""


class StoreInUse(StoreError):
    """Another process holds this database."""


class StoreUnusable(StoreError):
    """Not a database of ours that we can run on; it was not changed."""


class ChatUnavailable(BotError):
    """Discord gave no answer that decides anything; the same may be asked again."""


class LocalTrouble(BotError):
    """Our own disk or system failed: full, read-only, broken, out of files. It says nothing about the provider."""


class VideoError(BotError):
    """Something at the provider.

    `provider_text` is what the provider said, cut and without secrets: for the operator's log, never for a member.
    """

    def __init__(self, kind: FailureKind, provider_text: str = "", *, http_status: int | None = None) -> None:
        super().__init__(f"{kind}: {provider_text}" if provider_text else str(kind))
        self.kind = kind
        self.provider_text = provider_text
        self.http_status = http_status


class VideoUnavailable(VideoError):
    """No answer that decides anything. For a create: certainly nothing was made. For a download: nobody answered.

    `retry_after_s` is what the provider asked us to wait, in seconds; `rate_limited` marks a 429. `kind` is BUSY, or
    KEY where it has long not been found out which form of the key the provider takes.
    """

    def __init__(
        self,
        provider_text: str = "",
        *,
        kind: FailureKind = FailureKind.BUSY,
        retry_after_s: float | None = None,
        rate_limited: bool = False,
        http_status: int | None = None,
    ) -> None:
        super().__init__(kind, provider_text, http_status=http_status)
        self.retry_after_s = retry_after_s
        self.rate_limited = rate_limited


class TicketUnreadable(VideoUnavailable):
    """What was stored to follow the job cannot be read: no request was sent, and asking again changes nothing."""


class VideoRejected(VideoError):
    """A final no; `kind` says why. `is_said`: in so many words, else the status alone stands for it."""

    def __init__(
        self, kind: FailureKind, provider_text: str = "", *, http_status: int | None = None, is_said: bool = False
    ) -> None:
        super().__init__(kind, provider_text, http_status=http_status)
        self.is_said = is_said


class VideoOutcomeUnknown(VideoError):
    """A create may have made a paid video. It is never sent again.

    `provider_id` is an id that stood beside the error: it may be asked for, and may be nothing; so may a `ticket`.
    """

    def __init__(
        self,
        provider_text: str = "",
        *,
        http_status: int | None = None,
        provider_id: str | None = None,
        ticket: Ticket | None = None,
    ) -> None:
        super().__init__(FailureKind.LOST_ANSWER, provider_text, http_status=http_status)
        self.provider_id = provider_id
        self.ticket = ticket


class VideoNotReady(VideoError):
    """The far side answered, but with no whole video this time.

    `refused` marks that every address answered and the API itself, asked for the content, said an error in JSON
    that is not about the key, the balance or this moment.
    """

    def __init__(self, provider_text: str = "", *, http_status: int | None = None, refused: bool = False) -> None:
        super().__init__(FailureKind.RESULT_GONE, provider_text, http_status=http_status)
        self.refused = refused


class VideoProtocolError(VideoError):
    """The far side broke its contract."""

    def __init__(self, provider_text: str = "", *, http_status: int | None = None) -> None:
        super().__init__(FailureKind.PROVIDER, provider_text, http_status=http_status)


class PromptHelpUnavailable(BotError):
    """The chat model gave no words."""
