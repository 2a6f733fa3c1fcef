"""How keys of the admin API look."""

from __future__ import annotations

from ocpi_hub.admin.keys import AdminKey, KeySecret, Scope
from ocpi_hub.admin.views.base import Moment, View, moment


class KeyItem(View):
    """A key; what it is in clear is known to nobody but its holder."""

    key: str
    name: str
    scopes: tuple[Scope, ...]
    created_at: Moment | None
    last_used_at: Moment | None
    revoked_at: Moment | None


class NewKey(KeyItem):
    """A key that was just made."""

    secret: str
    """What to send as `Authorization: Bearer ...`; shown this once."""


def key_item(key: AdminKey) -> KeyItem:
    return KeyItem(
        key=key.key_id,
        name=key.name,
        scopes=tuple(scope for scope in Scope if scope in key.scopes),
        created_at=moment(key.created_at),
        last_used_at=moment(key.last_used_at),
        revoked_at=moment(key.revoked_at),
    )


def new_key(key: AdminKey, secret: KeySecret) -> NewKey:
    return NewKey(**dict(key_item(key)), secret=str(secret))
