"""The audit log: show."""

from __future__ import annotations

from ocpi_hub.admin.views.audit import AuditItem, audit_item
from ocpi_hub.errors import NoSuchObject
from ocpi_hub.store.audit import AuditLog


async def show(log: AuditLog, entry: int) -> AuditItem:
    """One change.

    Raises:
        NoSuchObject: there is no such entry.
    """
    found = await log.find(entry)
    if found is None:
        raise NoSuchObject(f"there is no entry {entry}: see `admin audit`")
    return audit_item(found)
