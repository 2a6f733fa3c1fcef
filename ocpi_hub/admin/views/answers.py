"""How the last answer of a receiver looks."""

from __future__ import annotations

from ocpi_hub.admin.personal import OptionalQuoting
from ocpi_hub.admin.views.base import View
from ocpi_hub.domain.objects import LastAnswer


class AnswerView(View):
    """The last answer of a receiver; null where there was none of that kind."""

    http: int | None
    ocpi: int | None
    message: OptionalQuoting

    @classmethod
    def of(cls, answer: LastAnswer | None) -> AnswerView | None:
        if answer is None:
            return None
        return cls(http=answer.http, ocpi=answer.ocpi, message=answer.message)
