"""Tokens: search, erase. Both concern personal data, and are logged with who asked."""

from __future__ import annotations

from collections.abc import Sequence

from ocpi_hub.admin.access import OperatorAccess
from ocpi_hub.admin.acting import change
from ocpi_hub.admin.views.tokens import TokenErased, token_erased
from ocpi_hub.errors import NoSuchObject, OperatorError
from ocpi_hub.store.token_admin import FoundToken, TokenAdmin, TokenFilter
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

COMMAND = "command"
"""Who asks on the machine itself."""


async def search(
    access: OperatorAccess,
    wanted: TokenFilter,
    limit: int,
    *,
    after: int | None = None,
    asked_by: str = COMMAND,
    clear: bool = True,
) -> Sequence[FoundToken]:
    """Tokens in the order in which they arrived.

    Args:
        asked_by: the id of an admin key.
        clear: whether whoever asks is shown what names a driver.

    Raises:
        OperatorError: nothing is searched for.
    """
    if not wanted.names:
        raise OperatorError(
            "say what to search for: uid, visual_number, contract_id, group_id or issuer"
        )
    found = await TokenAdmin(access.database).search(wanted, limit, after=after)
    log.info(
        "personal_data_read", asked_by=asked_by, by=wanted.names, found=len(found), clear=clear
    )
    return found


async def show(
    access: OperatorAccess, serial: int, *, asked_by: str = COMMAND, clear: bool = True
) -> FoundToken:
    """A token by its place in the order of arrival; see `search`.

    Raises:
        NoSuchObject: there is none.
    """
    found = await TokenAdmin(access.database).find(serial)
    if found is None:
        raise NoSuchObject("there is no such token any more")
    log.info("personal_data_read", asked_by=asked_by, by=("serial",), found=1, clear=clear)
    return found


async def erase(
    access: OperatorAccess, uid: str, token_type: str | None, *, asked_by: str = COMMAND
) -> TokenErased:
    """Erase the records of one token; see docs/authorization.md for what stays."""
    if not uid:
        raise OperatorError("which token? its uid is empty")
    mask = access.keyring.mac("token uid", uid.upper())
    async with change("token.erase", mask) as noted:
        erased = await TokenAdmin(access.database).erase(uid, token_type, mask)
        shown = noted.became(token_erased(erased))
    log.info(
        "personal_data_erased",
        asked_by=asked_by,
        uid_hmac=mask,
        decisions=erased.decisions,
        messages=erased.messages,
        examples=erased.examples,
    )
    return shown
