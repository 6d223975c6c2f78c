"""Every English sentence that people read uses the words of `docs/voice.md`, and writes numbers as it says."""

from __future__ import annotations

import re

import pytest

from tests.unit.test_translations import english_sentences

NOT_OURS = {
    "the bot": r"I|we|our|us",
    "the person who runs this bot": r"whoever|Whoever",
    "no longer": r"any more|anymore",
    "canceled": r"cancelled|Cancelled",
    "bonus credits": r"grants?|granted|extra credits",
    "nothing: a sentence without it is as friendly": r"please|Please",
    "leave empty": r"left out",
}
"""What is said instead; `test_names_in_code.py` has the words that were replaced everywhere."""


@pytest.mark.parametrize("word", NOT_OURS)
def test_no_sentence_has_another_word_for_it(word: str) -> None:
    wrong = re.compile(rf"\b(?:{NOT_OURS[word]})\b")

    assert [sentence for sentence in english_sentences() if wrong.search(_plain(sentence))] == []


def test_a_number_and_its_sign_stand_together_and_nothing_is_shouted() -> None:
    sentences = english_sentences()

    assert [sentence for sentence in sentences if re.search(r" %|!|\d+ ?x ?\d+|’", sentence)] == []
    assert len(sentences) > 250


def test_a_number_of_credits_is_put_into_a_sentence_only_behind_a_colon() -> None:
    """ "20 credits per day" is a phrase of its own: in a sentence its form would have to go with the sentence."""
    wrong = [
        sentence
        for sentence in english_sentences()
        for before in re.findall(r"^(.*?)\{(?:limit|credits|price)\}", sentence)
        if not before.endswith(": ")
    ]

    assert wrong == []


def _plain(sentence: str) -> str:
    """Without names of commands and of what stands in it."""
    return re.sub(r"`[^`]*`|\{[^}]*\}", "", sentence)
