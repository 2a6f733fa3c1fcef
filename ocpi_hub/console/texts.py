"""What people read, in one place: `texts/en/<area>.toml`; another language is another directory.

A text is named `<area>.<key>`. Braces stand for values: `t("login.wait", seconds=5)`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources

LANGUAGE = "en"


class Texts:
    """The texts of a language.

    Raises:
        LookupError: on call, when there is no such text.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    @classmethod
    def load(cls, language: str = LANGUAGE) -> Texts:
        found: dict[str, str] = {}
        directory = resources.files("ocpi_hub.console").joinpath("texts", language)
        for file in directory.iterdir():
            area = file.name.removesuffix(".toml")
            for key, text in tomllib.loads(file.read_text(encoding="utf-8")).items():
                found[f"{area}.{key}"] = text
        return cls(found)

    def __call__(self, name: str, **values: object) -> str:
        text = self._texts[name]
        return text.format(**values) if values else text

    def label(self, name: str) -> str:
        """What a field is called: a text of the area `label`, or its name in words."""
        return self._texts.get(f"label.{name}") or name.replace("_", " ").capitalize()

    def word(self, name: str) -> str:
        """What a value is called: a text of the area `word`, or the value in words."""
        return self._texts.get(f"word.{name}") or name.replace("_", " ")

    def hint(self, name: str, otherwise: str) -> str:
        """What to know about a filter: a text of the area `hint`, or another one."""
        return self._texts.get(f"hint.{name}", otherwise)

    def names(self) -> frozenset[str]:
        return frozenset(self._texts)


t = Texts.load()
"""The console's texts."""
