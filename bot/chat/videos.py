"""A member's videos as a private list: state, where each is, and what can be done with it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from discord import ui

from bot.catalog import Catalog
from bot.chat import prices, text
from bot.chat.balances import failure_words
from bot.chat.buttons import CANCEL, DELETE, ERASE, JOIN, KEEP, KEPT, JobButton
from bot.chat.paging import page_buttons, page_line
from bot.i18n.marking import N_
from bot.i18n.translations import Translations
from bot.models import FailureKind, Job, JobId, JobState

LIST = "videos"
"""Its name among the lists in pages."""
PER_PAGE = 4
MOST = 100
"""So many of the newest are listed."""
PROMPT_LISTED = 80
PROMPT_GONE = N_("-# The prompt is no longer kept.")
NOT_FETCHED = N_("📦 done, being downloaded")
KEPT_NO_LONGER = N_("📭 done, no longer kept")
BLOCKED = N_("🚫 canceled because an admin blocked you, refunded")
NOTHING = N_("You have no videos yet. Make one with `/animate`.")

_STATES = {
    JobState.WAITING: N_("⏳ in the queue"),
    JobState.SUBMITTING: N_("📤 being sent"),
    JobState.RENDERING: N_("🎬 rendering"),
    JobState.DELIVERING: N_("📦 almost ready"),
    JobState.DELIVERED: N_("✅ done"),
    JobState.UNDELIVERED: N_("📥 done, kept for you"),
    JobState.CANCELLED: N_("🚫 canceled"),
    JobState.UNKNOWN: N_("❔ no answer from the video service, refunded"),
    JobState.TIMED_OUT: N_("⌛ not finished in time, refunded"),
}


def on_page(jobs: list[Job], page: int) -> list[Job]:
    """The jobs of a page, or of the nearest there is."""
    page = min(page, _pages(jobs) - 1)
    return jobs[page * PER_PAGE : (page + 1) * PER_PAGE]


def _pages(jobs: list[Job]) -> int:
    return max(1, -(-len(jobs) // PER_PAGE))


def still_name(job: Job) -> str:
    """What the file with a still is called; a spoiler's looks like one everywhere."""
    return f"{'SPOILER_' if job.picture.spoiler else ''}still-{job.key}.jpg"


def video_list(
    translations: Translations,
    jobs: list[Job],
    page: int,
    catalog: Catalog,
    kept: Collection[JobId] = frozenset(),
    stills: Collection[JobId] = frozenset(),
    joinable: Collection[JobId] = frozenset(),
) -> ui.LayoutView:
    """One page, the nearest there is. The videos of the `kept` can be shown again; files come with the `stills`.

    Each entry is at most 8 of Discord's 40 components, and the buttons of the pages are 4.
    """
    view = ui.LayoutView(timeout=None)
    pages = _pages(jobs)
    page = min(page, pages - 1)
    if not jobs:
        view.add_item(ui.TextDisplay(translations.gettext(NOTHING)))
    for job in on_page(jobs, page):
        entry: ui.Item[Any] = ui.TextDisplay(_entry(translations, job, catalog, is_kept=job.id in kept))
        view.add_item(ui.Section(entry, accessory=_still(translations, job)) if job.id in stills else entry)
        buttons = _buttons(translations, job, is_kept=job.id in kept, can_join=job.id in joinable)
        if buttons:
            view.add_item(ui.ActionRow(*buttons))
    if turns := page_buttons(LIST, page, pages):
        view.add_item(ui.ActionRow(*turns))
        view.add_item(ui.TextDisplay(page_line(translations, page, pages)))
    return view


def _still(translations: Translations, job: Job) -> ui.Thumbnail[Any]:
    key, alt = text.video_key(translations, job.key).replace("`", ""), text.alt_text(job.spec.prompt)
    said = key if alt is None else translations.labeled(key, alt)[: text.ALT_TEXT]
    return ui.Thumbnail(f"attachment://{still_name(job)}", description=said, spoiler=job.picture.spoiler)


def question(translations: Translations, job: Job, *, in_list: bool, count: int = 1) -> ui.LayoutView:
    """Asks before so many finished videos are deleted; `in_list`: in place of the list, which comes back."""
    view = sentence(translations, text.ASK_DELETE if count == 1 else text.ASK_DELETE_ALL)
    answers = (JobButton(action, job.id, translations, in_list=in_list) for action in (ERASE, KEEP))
    view.add_item(ui.ActionRow(*answers))
    return view


def sentence(translations: Translations, words: str) -> ui.LayoutView:
    """A sentence alone, where a view stood before: that cannot become a plain message any more."""
    view = ui.LayoutView(timeout=None)
    view.add_item(ui.TextDisplay(translations.gettext(words)))
    return view


def link_of(job: Job) -> str | None:
    """Where the video, or its card, stands."""
    place = job.card.place
    if place is None or (job.card.ephemeral and place[0] == job.card.channel):  # no link leads to a private message
        return None
    guild = "@me" if job.card.guild is None or place[0] != job.card.channel else job.card.guild
    return f"https://discord.com/channels/{guild}/{place[0]}/{place[1]}"


def _entry(translations: Translations, job: Job, catalog: Catalog, *, is_kept: bool) -> str:
    model = catalog.model(job.spec.model)
    label = job.spec.model if model is None else model.label
    length, key = prices.length(translations, job.spec.seconds), text.video_key(translations, job.key)
    line = (
        f"**{_state(translations, job, is_kept=is_kept)}** · {label} · {length} · {text.moment(job.created_at)} · {key}"
    )
    words = (
        text.prompt_block(job.spec.prompt, cut=PROMPT_LISTED) if job.spec.prompt else translations.gettext(PROMPT_GONE)
    )
    return f"{line}\n{words}"


def _state(translations: Translations, job: Job, *, is_kept: bool) -> str:
    known = _STATES.get(job.state)
    if job.state is JobState.UNDELIVERED and not is_kept:
        known = KEPT_NO_LONGER if job.fetched else NOT_FETCHED
    if job.state is JobState.DELIVERING and job.fetched and job.card.request is not None:
        known = _STATES[JobState.DELIVERED]  # as on the card, where it waits for the others
    if job.failure is FailureKind.BLOCKED:
        known = BLOCKED
    if known is not None:
        return translations.gettext(known)
    if job.failure is None:
        return translations.gettext("⚠️ no video, refunded")
    return translations.gettext("⚠️ {failure}, refunded", failure=failure_words(translations, job.failure))


def _buttons(translations: Translations, job: Job, *, is_kept: bool, can_join: bool) -> list[ui.Item[Any]]:
    found: list[ui.Item[Any]] = []
    link = link_of(job)
    if link is not None:
        found.append(ui.Button(label=translations.gettext("Go to message"), url=link))
    if is_kept:
        found.append(JobButton(KEPT, job.id, translations))
    if can_join:
        found.append(JobButton(JOIN, job.id, translations))
    if job.state is JobState.WAITING:
        found.append(JobButton(CANCEL, job.id, translations, in_list=True))
    if not job.state.needs_work:
        found.append(JobButton(DELETE, job.id, translations, in_list=True))
    return found
