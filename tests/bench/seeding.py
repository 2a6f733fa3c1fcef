"""What a row finds in the database: partners as a handshake leaves them, and stored tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from ocpi_hub.domain.party import CredentialsToken, PartyId
from ocpi_hub.store.columns import columns
from ocpi_hub.store.secret_key import Keyring
from tests.support import factories

_KEYRING = Keyring(b"k" * 32)  # what HubProcess gives the hub
_TOKENS_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Partner:
    """A platform of one party.

    Attributes:
        endpoints: (module, interface role, URL).
        catch_up: as of `platform set`; `none`: the hub reads none of its lists by itself.
    """

    party: PartyId
    role: str
    base_url: str
    endpoints: Sequence[tuple[str, str, str]] = ()
    catch_up: str = "push"

    @property
    def platform_id(self) -> str:
        return f"p-{self.party.country_code}-{self.party.party_id}".lower()

    @property
    def token(self) -> str:
        """The credentials token that this platform presents."""
        return f"token-of-{self.platform_id}"


def parties(country_code: str, number: int) -> list[PartyId]:
    """So many party ids: AAA, AAB, ..."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return [
        PartyId(country_code, letters[n // 676] + letters[n // 26 % 26] + letters[n % 26])
        for n in range(number)
    ]


async def bring_on_board(
    connection: asyncpg.Connection[asyncpg.Record],
    partners: Sequence[Partner],
    relations: Sequence[tuple[PartyId, PartyId, str]],
) -> None:
    names = [each.platform_id for each in partners]
    countries = [each.party.country_code for each in partners]
    ids = [each.party.party_id for each in partners]
    sealed = [_KEYRING.seal(f"hub-at-{name}", context=name) for name in names]
    endpoints = columns(
        ((each.platform_id, *endpoint) for each in partners for endpoint in each.endpoints), 4
    )
    async with connection.transaction():
        await connection.execute(
            "insert into platform (platform_id, name, state, ocpi_version, versions_url,"
            " our_token_sealed, catch_up, connected_at)"
            " select id, id, 'connected', '2.2.1', url, sealed, catch_up, now()"
            " from unnest($1::text[], $2::text[], $3::bytea[], $4::text[])"
            " as p (id, url, sealed, catch_up)",
            names,
            [f"{each.base_url}/versions" for each in partners],
            sealed,
            [each.catch_up for each in partners],
        )
        await connection.execute(
            "insert into party (country_code, party_id, platform_id)"
            " select * from unnest($1::text[], $2::text[], $3::text[])",
            countries,
            ids,
            names,
        )
        await connection.execute(
            "insert into party_role (country_code, party_id, role, name)"
            " select * from unnest($1::text[], $2::text[], $3::text[], $4::text[])",
            countries,
            ids,
            [each.role for each in partners],
            names,
        )
        await connection.execute(
            "insert into endpoint (platform_id, ocpi_version, module, interface_role, url)"
            " select p, '2.2.1', m, i, u"
            " from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as e (p, m, i, u)",
            *endpoints,
        )
        await connection.execute(
            "insert into credentials_token (token_sha256, platform_id, kind, first_used_at)"
            " select digest, id, 'access', now() from unnest($1::bytea[], $2::text[])"
            " as t (digest, id)",
            [CredentialsToken(each.token).sha256 for each in partners],
            names,
        )
        await connection.execute(
            "insert into platform_contact (platform_id, last_contact_at)"
            " select platform_id, now() from platform"
        )
        await connection.executemany(
            "insert into relation (cpo_country_code, cpo_party_id, emsp_country_code,"
            " emsp_party_id, mode) values ($1, $2, $3, $4, $5)",
            [
                (cpo.country_code, cpo.party_id, emsp.country_code, emsp.party_id, mode)
                for cpo, emsp, mode in relations
            ],
        )


async def store_tokens(
    connection: asyncpg.Connection[asyncpg.Record], owner: PartyId, uids: Sequence[str]
) -> None:
    for begin in range(0, len(uids), _TOKENS_AT_ONCE):
        some = uids[begin : begin + _TOKENS_AT_ONCE]
        await connection.execute(
            "insert into shared_object (module, country_code, party_id, object_id, object_type,"
            " position, body, last_updated, origin, correlation_id)"
            " select 'tokens', $1, $2, upper(uid), 'RFID', nextval('shared_object_position'),"
            " body::json, now(), 'broadcast', 'bench'"
            " from unnest($3::text[], $4::text[]) as t (uid, body)",
            owner.country_code,
            owner.party_id,
            some,
            [factories.text(factories.token(uid, owner=owner)) for uid in some],
        )


async def store_locations(
    connection: asyncpg.Connection[asyncpg.Record], owner: PartyId, texts: Sequence[str]
) -> None:
    """Locations as they stand in these texts, their ids included."""
    await connection.execute(
        "insert into shared_object (module, country_code, party_id, object_id, object_type,"
        " position, body, last_updated, origin, correlation_id)"
        " select 'locations', $1, $2, upper(body::json ->> 'id'), '',"
        " nextval('shared_object_position'), body::json, now(), 'broadcast', 'bench'"
        " from unnest($3::text[]) as t (body)",
        owner.country_code,
        owner.party_id,
        list(texts),
    )
