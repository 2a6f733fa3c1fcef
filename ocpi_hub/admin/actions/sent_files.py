"""Files that come in a request: small ones; `whitelist import` and `cdr import` take any."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from io import BytesIO
from typing import Any, Final, TypeVar

from ocpi_hub.admin.actions.incoming import ImportPlan, Watch
from ocpi_hub.delivery.files.lines import Fault, Source
from ocpi_hub.errors import OperatorError

MAX_BYTES: Final = 4 * 1024 * 1024
"""Of a request with a file, which a process has in memory."""
AT_ONCE: Final = 200
"""Objects of a batch: the process serves partners meanwhile."""
SHOWN_FAULTS: Final = 20

Item = TypeVar("Item")


async def imported(
    content: str,
    plan: ImportPlan,
    run: Callable[[Source, ImportPlan, Watch], Coroutine[Any, Any, Item]],
) -> Item:
    """Import a file's content.

    Raises:
        OperatorError: nothing was imported; names the first lines that are wrong.
    """
    faults: list[Fault] = []
    try:
        return await run(BytesIO(content.encode()), plan, Watch(faults.append))
    except OperatorError as error:
        if not faults:
            raise
        lines = "; ".join(map(str, faults[:SHOWN_FAULTS]))
        raise OperatorError(f"{error}: {lines}") from None
