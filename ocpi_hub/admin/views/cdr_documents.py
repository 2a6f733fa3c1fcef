"""How what is found out about a CDR that somebody sends looks."""

from __future__ import annotations

from ocpi_hub.admin.views.base import View


class MeterView(View):
    """What signed meter data proves.

    Attributes:
        answer: as `cdr meter` gives it.
        explained: the same for people, line by line.
    """

    answer: dict[str, object]
    explained: tuple[str, ...]
