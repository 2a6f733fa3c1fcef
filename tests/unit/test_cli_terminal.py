"""What partners wrote does nothing to a terminal but being shown."""

from __future__ import annotations

import json

import pytest

from ocpi_hub.cli.terminal import clean, escaped

EVIL = "a\x1b[2Jb\x9b31mc\u202ed\re\x07\U000e0041"


def test_lines_of_text_move_nothing() -> None:
    assert clean(f"one {EVIL}\ntwo") == "one a [2Jb 31mc d e  \ntwo"


@pytest.mark.parametrize(
    "text", ["plain", "\u20ac \u65e5\u672c", EVIL], ids=["ascii", "words", "evil"]
)
def test_json_is_the_same_and_moves_nothing(text: str) -> None:
    shown = escaped(json.dumps({"text": text}, ensure_ascii=False))
    assert shown.isprintable()
    assert json.loads(shown) == {"text": text}
