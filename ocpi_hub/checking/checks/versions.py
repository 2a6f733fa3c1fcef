"""Versions and version details."""

from __future__ import annotations

import re
from collections import Counter

from ocpi_hub.checking.checks.validity import judge_object
from ocpi_hub.checking.conversation import Seen
from ocpi_hub.checking.model import Check, Notes, Severity, Skip
from ocpi_hub.checking.partner import RECEIVER, SENDER, VERSION, Partner
from ocpi_hub.domain.party import InterfaceRole, Module, Role
from ocpi_hub.ocpi.base import MAX_URL
from ocpi_hub.ocpi.v2_2_1.versions import Version, VersionDetails, VersionNumber

MUST, SHOULD, INFO = Severity.MUST, Severity.SHOULD, Severity.INFO

_DEPRECATED = frozenset({VersionNumber.V2_1, VersionNumber.V2_2})
_MOST = 200
_ABSOLUTE = re.compile(r"https?://[^/?#]", re.IGNORECASE)

_NEEDS = (
    ((Module.LOCATIONS, RECEIVER), (Module.TARIFFS, RECEIVER)),
    ((Module.COMMANDS, RECEIVER), (Module.LOCATIONS, SENDER)),
    ((Module.COMMANDS, RECEIVER), (Module.SESSIONS, SENDER)),
    ((Module.CHARGING_PROFILES, RECEIVER), (Module.SESSIONS, SENDER)),
)
_OF_ROLES = (
    (Role.CPO, Module.LOCATIONS, SENDER),
    (Role.CPO, Module.TOKENS, RECEIVER),
    (Role.EMSP, Module.TOKENS, SENDER),
    (Role.EMSP, Module.CDRS, RECEIVER),
    (Role.HUB, Module.HUB_CLIENT_INFO, SENDER),
)


async def listed(partner: Partner, notes: Notes) -> None:
    seen = await partner.versions()
    notes.saw(seen)
    if not seen.succeeded:
        hint = "; the token is not, or no longer, the one to present" if seen.http == 401 else ""
        notes.fault(f"GET versions: {seen.outcome}{hint}", seen)
    elif not isinstance(seen.data, list) or not seen.data:
        notes.fault("data is not a list of versions", seen)
    else:
        for each in seen.data[:_MOST]:
            judge_object(each, Version, notes, seen)


async def offers_ours(partner: Partner, notes: Notes) -> None:
    offered = await partner.version_urls()
    notes.saw(await partner.versions())
    if VERSION not in offered:
        names = ", ".join(sorted(offered)) or "none"
        notes.fault(f"version {VERSION} is not offered, only: {names}", await partner.versions())


async def not_deprecated(partner: Partner, notes: Notes) -> None:
    seen = await partner.versions()
    notes.saw(seen)
    for version in await partner.version_urls():
        if version in _DEPRECATED:
            notes.fault(f"version {version} is deprecated", seen)


async def versions_differ(partner: Partner, notes: Notes) -> None:
    await partner.version_urls()
    seen = await partner.versions()
    notes.saw(seen)
    entries = seen.data if isinstance(seen.data, list) else []
    names = Counter(str(each.get("version")) for each in entries if isinstance(each, dict))
    for name, times in names.items():
        if times > 1:
            notes.fault(f"version {name} is listed {times} times", seen)


async def all_details(partner: Partner, notes: Notes) -> None:
    others = {name: url for name, url in (await partner.version_urls()).items() if name != VERSION}
    if not others:
        raise Skip(f"only {VERSION} is offered")
    for name, url in list(others.items())[:10]:
        seen = await partner.conversation.ask(url)
        notes.saw(seen)
        if not seen.succeeded:
            notes.fault(f"the details of {name} are answered with {seen.outcome}", seen)


async def details(partner: Partner, notes: Notes) -> None:
    seen = await partner.details()
    notes.saw(seen)
    if not seen.succeeded:
        notes.fault(f"GET version details: {seen.outcome}", seen)
        return
    judge_object(seen.data, VersionDetails, notes, seen)
    named = seen.data.get("version") if isinstance(seen.data, dict) else None
    if isinstance(named, str) and named != VERSION:
        notes.fault(f"the details of {VERSION} say that they are of {named[:10]}", seen)


async def one_credentials(partner: Partner, notes: Notes) -> None:
    listed_ones = [each.get("identifier") for each in await partner.announced()]
    seen = await partner.details()
    notes.saw(seen)
    times = listed_ones.count(Module.CREDENTIALS.value)
    if times != 1:
        notes.fault(f"credentials is listed {times} times", seen)


async def interfaces_differ(partner: Partner, notes: Notes) -> None:
    seen = await partner.details()
    notes.saw(seen)
    named: Counter[tuple[str, str]] = Counter()
    urls: dict[str, tuple[str, str]] = {}
    for each in await partner.announced():
        identifier, role = str(each.get("identifier")), str(each.get("role"))
        url = str(each.get("url")).rstrip("/")
        if identifier == Module.CREDENTIALS:
            continue
        named[identifier, role] += 1
        other = urls.setdefault(url, (identifier, role))
        if other != (identifier, role):
            notes.fault(f"{' '.join(other)} and {identifier} {role} have the same URL", seen)
    for (identifier, role), times in named.items():
        if times > 1:
            notes.fault(f"{identifier} {role} is listed {times} times", seen)


async def absolute_urls(partner: Partner, notes: Notes) -> None:
    versions, seen = await partner.versions(), await partner.details()
    notes.saw(seen)
    for name, url in (await partner.version_urls()).items():
        _judge_url(f"of version {name}", url, notes, versions)
    for each in await partner.announced():
        what = f"of {each.get('identifier')} {each.get('role')}"
        _judge_url(what, str(each.get("url")), notes, seen)


def _judge_url(what: str, url: str, notes: Notes, seen: Seen) -> None:
    if not _ABSOLUTE.match(url):
        notes.fault(f"the URL {what} is not absolute: {url[:80]}", seen)
    elif "?" in url or "#" in url:
        notes.fault(f"the URL {what} has a query or fragment: paths cannot follow it", seen)
    elif len(url) > MAX_URL:
        notes.fault(f"the URL {what} has {len(url)} characters, {MAX_URL} are allowed", seen)


async def dependencies(partner: Partner, notes: Notes) -> None:
    offered = await partner.endpoints()
    seen = await partner.details()
    notes.saw(seen)
    for (module, role), (needed, needed_role) in _NEEDS:
        if (module, role) in offered and (needed, needed_role) not in offered:
            notes.fault(f"{module} {role} needs {needed} {needed_role}, which is not offered", seen)


async def fit_roles(partner: Partner, notes: Notes) -> None:
    played = {role for _, role in await partner.roles()}
    offered = await partner.endpoints()
    seen = await partner.details()
    notes.saw(seen)
    for role, module, interface in _OF_ROLES:
        if role in played and (module, interface) not in offered:
            notes.fault(f"a {role} offers {module} {interface} as a rule: it is missing", seen)


async def known_identifiers(partner: Partner, notes: Notes) -> None:
    known = {module.value for module in Module}
    seen = await partner.details()
    notes.saw(seen)
    for each in await partner.announced():
        identifier, role = str(each.get("identifier")), str(each.get("role"))
        if identifier.lower() in known and identifier not in known:
            notes.fault(f"{identifier[:30]}: identifiers are in lower case", seen)
        elif identifier not in known:
            notes.remark(f"{identifier[:30]} is a custom module: used only if agreed on")
        if role not in InterfaceRole.__members__:
            notes.fault(f"{identifier[:30]} has the role {role[:20]}: SENDER or RECEIVER", seen)


CHECKS = (
    Check(
        "versions.list", "The versions endpoint lists versions", ("VE-01",), MUST,
        "Accept the token, and answer GET with HTTP 200, status_code 1000 and a list of"
        " {version, url} in data.", listed,
    ),
    Check(
        "versions.offered", "Version 2.2.1 is offered", ("VE-01", "VE-08"), MUST,
        "Switch version 2.2.1 on, or agree on another version with the hub's operator.",
        offers_ours,
    ),
    Check(
        "versions.deprecated", "No deprecated version is offered", ("VE-02",), SHOULD,
        "Take 2.1 and 2.2 off the list: 2.1.1 and 2.2.1 replace them.", not_deprecated,
    ),
    Check(
        "versions.once", "Each version is listed once", ("VE-01",), SHOULD,
        "List each version number once; which entry counts is anybody's guess.", versions_differ,
    ),
    Check(
        "versions.other_details", "Details of all versions can be read", ("VE-03",), SHOULD,
        "Answer the details of every version on the list, or take it off.", all_details,
    ),
    Check(
        "versions.details", "Version details are valid", ("VE-03",), MUST,
        "Answer with {version, endpoints}, each endpoint with identifier, role and url.", details,
    ),
    Check(
        "versions.credentials", "The credentials endpoint is listed once", ("VE-07", "CR-14"), MUST,
        "List credentials once, whatever its role.", one_credentials,
    ),
    Check(
        "versions.interfaces", "Interfaces are told apart by their URLs", ("VE-06", "VE-09"), MUST,
        "Give SENDER and RECEIVER of a module different URLs, and list each once: a path such as"
        " locations/A/B/C could be either.", interfaces_differ,
    ),
    Check(
        "versions.urls", "URLs are absolute and not too long", ("TY-07", "TF-34"), MUST,
        "Announce URLs as https://host/path, with 255 characters at most and without a query.",
        absolute_urls,
    ),
    Check(
        "versions.identifiers", "Module identifiers and roles are known", ("VE-03", "VE-11"), MUST,
        "Write module identifiers and roles exactly as the specification does.", known_identifiers,
    ),
    Check(
        "versions.dependencies", "Modules come with those they need", ("VE-13",), SHOULD,
        "Offer the modules that others depend on: commands are about locations and sessions,"
        " locations about tariffs.", dependencies,
    ),
    Check(
        "versions.roles", "The modules fit the roles of the parties", ("VE-05",), SHOULD,
        "Offer what partners of such a party need, or correct the roles.", fit_roles,
    ),
)  # fmt: skip
