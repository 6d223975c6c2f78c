"""The catalogs that documents show can be read as they stand."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from bot.catalog import load_catalog
from tests.documents import DOCUMENTS, PROJECT

_BLOCK = re.compile(r"^ *```toml\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SHOWN = [
    pytest.param(textwrap.dedent(block), id=f"{name}-{number}")
    for name in DOCUMENTS
    for number, block in enumerate(_BLOCK.findall((PROJECT / name).read_text("utf-8")))
    if "[providers." in block and "[[models]]" in block
]


@pytest.mark.parametrize("block", SHOWN)
def test_a_catalog_in_a_document_can_be_read(block: str, tmp_path: Path) -> None:
    path = tmp_path / "catalog.toml"
    path.write_text(block, "utf-8")

    assert load_catalog(path).models


def test_some_are_shown() -> None:
    assert SHOWN
