"""What a form says beside its fields, in every language."""

from __future__ import annotations

import pytest
from discord import ui

from bot.catalog import Catalog, Model
from bot.chat.modals import VideoForm
from bot.i18n.translations import TranslationCatalog

ABLE = [Model(name, name.title(), (4,), {"720x1280": 1}, {}, last_image=True) for name in ("able", "bold")]
OR = {"en-US": "or", "es-ES": "o", "pt-BR": "ou", "fr": "ou", "de": "oder", "ja": "または"}


async def _submitted(*_: object) -> None:
    raise AssertionError("nobody submits it")


@pytest.mark.parametrize("locale", OR)
async def test_any_of_the_models_that_take_a_last_picture_will_do(locale: str) -> None:
    form = VideoForm(TranslationCatalog().of(locale), "title", Catalog(ABLE, "able"), _submitted, spec=None)

    (said,) = [
        item.description
        for item in form.children
        if isinstance(item, ui.Label) and isinstance(item.component, ui.FileUpload)
    ]

    assert said is not None
    between = said.partition("Able")[2].partition("Bold")[0]
    assert between.strip("、 ") == OR[locale]
