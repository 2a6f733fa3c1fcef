"""Keys of the admin API: create, list, revoke."""

from __future__ import annotations

from collections.abc import Collection

from ocpi_hub.admin.acting import change
from ocpi_hub.admin.keys import KeySecret, Scope
from ocpi_hub.admin.views.keys import KeyItem, NewKey, key_item, new_key
from ocpi_hub.errors import NoSuchObject
from ocpi_hub.store.admin_keys import PostgresAdminKeys


async def create(keys: PostgresAdminKeys, name: str, scopes: Collection[Scope]) -> NewKey:
    """A new key, in clear this once."""
    secret = KeySecret.new()
    async with change("key.create", name) as noted:
        key = await keys.create(name, scopes, secret)
        return noted.became(new_key(key, secret), key.key_id)


async def revoke(keys: PostgresAdminKeys, key_id: str) -> KeyItem:
    """End a key; within `KEY_CACHE_S` seconds no process accepts it any more."""
    before = await keys.named(key_id)
    async with change("key.revoke", key_id, key_item(before) if before else None) as noted:
        key = await keys.revoke(key_id)
        if key is None:
            raise NoSuchObject(f"there is no key {key_id}: `admin key list` shows them all")
        return noted.became(key_item(key))
