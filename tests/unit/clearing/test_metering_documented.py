"""docs/metering.md knows every outcome, reason and note, and so does the text for people."""

from __future__ import annotations

from pathlib import Path

from ocpi_hub.clearing.metering import Note, Outcome, Reason
from ocpi_hub.clearing.metering.explain import NOTES

PAGE = (Path(__file__).parents[3] / "docs" / "metering.md").read_text(encoding="utf-8")


def test_every_word_is_on_the_page() -> None:
    words = [each.value for kind in (Outcome, Reason, Note) for each in kind]
    assert [each for each in words if f"`{each}`" not in PAGE] == []


def test_every_note_has_words_for_people() -> None:
    assert set(NOTES) == set(Note)
