"""Forms: what is asked for a deed, and reading what came back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from pydantic import BaseModel, ValidationError

from ocpi_hub.admin.faults import invalid_model
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.viewer import Viewer
from ocpi_hub.console.texts import t

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Input:
    """A field of a form.

    Attributes:
        kind: `text`, `number`, `password`, `select`, `checkbox`, `area`, `hidden` or
            `datetime-local`.
        options: of a select: value and text.
    """

    name: str
    label: str
    kind: str = "text"
    value: str = ""
    options: Sequence[tuple[str, str]] = ()
    help: str = ""
    required: bool = False
    autocomplete: str = "off"


@dataclass(frozen=True, slots=True)
class Form:
    """A deed that can be done.

    Attributes:
        path: where it goes, complete.
        needs: the scope of those who see it; None: everybody who sees the page.
        confirm: what is asked before.
        method: `get` asks for another page, and changes nothing.
    """

    path: str
    submit: str
    inputs: Sequence[Input] = ()
    title: str = ""
    needs: Scope | None = None
    confirm: str = ""
    danger: bool = False
    method: Literal["get", "post"] = "post"


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
