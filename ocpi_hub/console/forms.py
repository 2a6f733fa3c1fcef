"""Forms: what is asked for a deed, and reading what came back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeVar
from urllib.parse import unquote

from pydantic import BaseModel, TypeAdapter, ValidationError

from ocpi_hub.admin.faults import invalid_model
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.viewer import Viewer
from ocpi_hub.console.texts import t

M = TypeVar("M", bound=BaseModel)

SECRETS: Final = frozenset({"old", "new", "again", "password", "token"})
"""Fields that are never kept: each input of the kind `password` has one of these names."""
MAX_KEPT = 32_000
"""Characters of what is kept of a form that was refused; of a longer one nothing is."""


@dataclass(frozen=True, slots=True)
class Input:
    """A field of a form.

    Attributes:
        kind: `text`, `number`, `password`, `select`, `checkbox`, `area`, `hidden`, `month` or
            `datetime-local`.
        options: of a select: value and text.
        fault: what was wrong with what stands in it.
        focus: whether one begins here.
    """

    name: str
    label: str
    kind: str = "text"
    value: str = ""
    options: Sequence[tuple[str, str]] = ()
    help: str = ""
    required: bool = False
    autocomplete: str = "off"
    fault: str = ""
    focus: bool = False

    def __post_init__(self) -> None:
        if self.kind == "password" and self.name not in SECRETS:
            raise AssertionError(f"{self.name} would be kept: it has to be one of SECRETS")


@dataclass(frozen=True, slots=True)
class Form:
    """A deed that can be done.

    Attributes:
        path: where it goes, complete.
        needs: the scope of those who see it; None: everybody who sees the page.
        confirm: what is asked before.
        method: `get` asks for another page, and changes nothing.
        fault: why it was refused.
    """

    path: str
    submit: str
    inputs: Sequence[Input] = ()
    title: str = ""
    needs: Scope | None = None
    confirm: str = ""
    danger: bool = False
    method: Literal["get", "post"] = "post"
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """A form that was refused: the page it stood on shows it once more as it was filled in.

    Attributes:
        path: where it went, complete.
        text: why it was refused.
        field: what of it was wrong: the name of an input, perhaps with more behind a point.
        values: what was typed, without secrets.
    """

    path: str
    text: str
    field: str
    values: Mapping[str, str]

    @classmethod
    def of(cls, path: str, text: str, field: str | None, form: Mapping[str, str]) -> Kept | None:
        """Nothing of a form that is empty, or too long."""
        values = {name: value for name, value in form.items() if name not in SECRETS}
        long = sum(len(name) + len(value) for name, value in values.items()) > MAX_KEPT
        return cls(path, text, field or "", values) if form and not long else None

    @classmethod
    def read(cls, text: str) -> Kept | None:
        """What `text` wrote; nothing if another version of the hub wrote it."""
        try:
            return _KEPT.validate_json(text) if text else None
        except ValidationError:
            return None

    def written(self) -> str:
        return _KEPT.dump_json(self).decode()

    def fits(self, form: Form) -> bool:
        """Whether it was this form."""
        names = {each.name for each in form.inputs}
        return unquote(form.path.partition("?")[0]) == self.path and self.values.keys() <= names

    def into(self, form: Form) -> Form:
        """The form as it was filled in."""
        wrong = self.field.partition(".")[0]
        asked = [each.name for each in form.inputs if each.kind != "hidden"]
        marked = wrong in asked
        focus = wrong if marked else next(iter(asked), "")
        text = self.text.removeprefix(f"{self.field}: ")
        inputs = tuple(
            replace(
                each,
                value=self._value(each),
                fault=text if each.name == wrong else "",
                focus=each.name == focus,
            )
            for each in form.inputs
        )
        return replace(form, inputs=inputs, fault=t("base.refused") if marked else self.text)

    def _value(self, field: Input) -> str:
        typed = self.values.get(field.name, "")
        match field.kind:
            case "hidden" | "password":
                return field.value
            case "select" if typed not in dict(field.options):
                return field.value
            case _:
                return typed


_KEPT = TypeAdapter(Kept)


def offered(forms: Sequence[Form], viewer: Viewer) -> list[Form]:
    """Those that somebody may send."""
    return [form for form in forms if form.needs is None or viewer.may(form.needs)]


def choices(values: Sequence[str], *, empty: str | None = None) -> list[tuple[str, str]]:
    """The options of a select.

    Args:
        empty: what no choice is called.
    """
    start = [("", empty)] if empty is not None else []
    return start + [(value, t.word(value)) for value in values]


def read_form(model: type[M], form: Mapping[str, object]) -> M:
    """What was sent, as a model that the admin API takes, too.

    Raises:
        Refusal: it does not fit; the message says where.
    """
    try:
        return model.model_validate(form)
    except ValidationError as error:
        raise invalid_model(error, list(model.model_fields)) from None
