"""Styles: words of the catalog that a member adds to a prompt by choosing their label."""

from __future__ import annotations

from dataclasses import replace

from bot.catalog.offer import Catalog, Style
from bot.errors import UserError
from bot.models import VideoSpec

NO_STYLE = "none"
"""What somebody chooses whose last choice is not to be taken again."""


def find(catalog: Catalog, label: str | None) -> Style | None:
    """The style of this label, which somebody may type; None where the catalog has none."""
    typed = (label or "").strip().casefold()
    return next((style for style in catalog.styles if style.label.casefold() == typed), None)


def styled(catalog: Catalog, spec: VideoSpec) -> VideoSpec:
    """The request with its style as the catalog calls it. Raises UserError for one that the catalog does not have."""
    if spec.style is None:
        return spec
    if not spec.style or spec.style.strip().casefold() == NO_STYLE:
        return replace(spec, style=None)
    found = find(catalog, spec.style)
    if found is None:
        raise UserError(
            "There is no style “{style}”. Nothing was charged. Choose one from the list of `style`.", style=spec.style
        )
    return replace(spec, style=found.label)


def prompt_of(catalog: Catalog, spec: VideoSpec) -> str:
    """What is sent: the prompt, and the words of its style while the catalog has it."""
    style = find(catalog, spec.style)
    return spec.prompt if style is None else f"{spec.prompt}\n{style.words}"
