"""The credentials module, read only: registering again would cut the connection."""

from __future__ import annotations

from collections import Counter

from ocpi_hub.checking.checks.validity import judge_object, mild_faults
from ocpi_hub.checking.model import Check, Notes, Severity, Skip
from ocpi_hub.checking.partner import Partner
from ocpi_hub.domain.party import Role
from ocpi_hub.ocpi.v2_2_1.credentials import Credentials

MUST, SHOULD, INFO = Severity.MUST, Severity.SHOULD, Severity.INFO

_SHORT_TOKEN = 20
_WEAK = "shorter ones can be guessed"


async def readable(partner: Partner, notes: Notes) -> None:
    seen = await partner.credentials()
    notes.saw(seen)
    if not seen.succeeded:
        notes.fault(f"GET credentials: {seen.outcome}", seen)
    else:
        judge_object(seen.data, Credentials, notes, seen)


async def tidy(partner: Partner, notes: Notes) -> None:
    await partner.roles()
    seen = await partner.credentials()
    notes.saw(seen)
    for text in mild_faults(seen.data, Credentials):
        notes.fault(text, seen)


async def own_token(partner: Partner, notes: Notes) -> None:
    await partner.roles()
    seen = await partner.credentials()
    notes.saw(seen)
    token = seen.data.get("token") if isinstance(seen.data, dict) else None
    if token != str(partner.target.token):
        notes.fault("token is another one than this request came with", seen)


async def own_url(partner: Partner, notes: Notes) -> None:
    await partner.roles()
    seen = await partner.credentials()
    notes.saw(seen)
    url = seen.data.get("url") if isinstance(seen.data, dict) else None
    if not isinstance(url, str):
        raise Skip("there is no url")
    if url.rstrip("/") == partner.target.versions_url.rstrip("/"):
        return
    there = await partner.conversation.ask(url)
    if not (there.succeeded and isinstance(there.data, list)):
        notes.fault(f"url leads to no list of versions: {there.outcome}", there)


async def roles_differ(partner: Partner, notes: Notes) -> None:
    roles = await partner.roles()
    seen = await partner.credentials()
    notes.saw(seen)
    if not roles:
        notes.fault("no role names a party", seen)
    for (party, role), times in Counter(roles).items():
        if times > 1:
            notes.fault(f"{party} {role} is listed {times} times", seen)


async def hub_alone(partner: Partner, notes: Notes) -> None:
    roles = await partner.roles()
    seen = await partner.credentials()
    notes.saw(seen)
    if not any(role == Role.HUB for _, role in roles):
        raise Skip("the partner is no hub")
    if len(roles) > 1:
        notes.fault("a hub lists its own role only; its parties are in hubclientinfo", seen)


async def as_registered(partner: Partner, notes: Notes) -> None:
    if partner.target.expected is None:
        raise Skip("nothing is known of a registration")
    now = {(party, role) for party, role in await partner.roles()}
    then = {(party, role.value) for party, role in partner.target.expected}
    seen = await partner.credentials()
    notes.saw(seen)
    for party, role in sorted(now - then):
        notes.fault(f"{party} {role} is new since the platform registered", seen)
    for party, role in sorted(then - now):
        notes.fault(f"{party} {role} is missing since the platform registered", seen)


async def long_token(partner: Partner, notes: Notes) -> None:
    notes.saw(await partner.versions())
    length = len(partner.target.token)
    if length < _SHORT_TOKEN:
        notes.fault(f"the token has {length} characters: {_WEAK}")


_FIX_READ = "Answer GET with {token, url, roles}, as in the answer to the registration."

CHECKS = (
    Check("credentials.get", "Credentials can be read and are valid", ("CR-12", "CR-17", "CR-19"),
          MUST, _FIX_READ, readable),
    Check("credentials.values", "Values of the credentials have the right form", ("TY-10",),
          SHOULD, "Correct the values named: names, logos and websites are shown to drivers.",
          tidy),
    Check("credentials.token", "The token is the one that was presented", ("CR-12",), SHOULD,
          "Answer with the token that this client uses towards you, in clear and not as Base64.",
          own_token),
    Check("credentials.url", "The URL leads to the versions", ("CR-17",), MUST,
          "Set url to the absolute URL of your versions endpoint, as partners reach it.", own_url),
    Check("credentials.roles", "Every role is listed once, with a party", ("CR-19",), MUST,
          "List each (role, country_code, party_id) once, with two letters and three letters or"
          " digits.", roles_differ),
    Check("credentials.hub", "A hub names itself only", ("CR-18",), MUST,
          "Announce connected parties through hubclientinfo, not as roles.", hub_alone),
    Check("credentials.registered", "The roles are those that were registered", ("CR-21",), SHOULD,
          "Send PUT credentials after changing roles: partners route by what they were told.",
          as_registered),
    Check("credentials.strength", "The token cannot be guessed", ("CR-17",), SHOULD,
          "Issue random tokens of 32 characters or more.", long_token),
)  # fmt: skip
