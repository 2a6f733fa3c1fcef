"""Who takes part: parties, platforms, relations.

Spec: 2.2.1 terminology, credentials_credentials_role_class, version_information_endpoint.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, NewType

from ocpi_hub.domain.cdr_rules import NO_RULES, CdrRules

PlatformId = NewType("PlatformId", str)
"""The hub's own short id of a platform, for instance `p-3f9a1c02`."""

OcpiVersion = NewType("OcpiVersion", str)
"""A version number as partners write it, for instance `2.2.1`."""


class CredentialsToken(str):
    """A credentials token in clear. Its repr is redacted, so that it cannot slip into a log.

    Spec: 2.2.1 credentials_credentials_object.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "CredentialsToken(***)"

    @property
    def sha256(self) -> bytes:
        """The digest under which issued tokens are stored (decision D-9)."""
        return hashlib.sha256(self.encode()).digest()


class Role(StrEnum):
    """Spec: 2.2.1 types_role_enum."""

    CPO = "CPO"
    EMSP = "EMSP"
    HUB = "HUB"
    NAP = "NAP"
    NSP = "NSP"
    OTHER = "OTHER"
    SCSP = "SCSP"


class InterfaceRole(StrEnum):
    """Spec: 2.2.1 version_information_endpoint_interface_role_enum."""

    SENDER = "SENDER"
    RECEIVER = "RECEIVER"


class Module(StrEnum):
    """Spec: 2.2.1 version_information_endpoint_moduleid_enum."""

    CDRS = "cdrs"
    CHARGING_PROFILES = "chargingprofiles"
    COMMANDS = "commands"
    CREDENTIALS = "credentials"
    HUB_CLIENT_INFO = "hubclientinfo"
    LOCATIONS = "locations"
    SESSIONS = "sessions"
    TARIFFS = "tariffs"
    TOKENS = "tokens"


class _PartyId(NamedTuple):
    country_code: str
    party_id: str


class PartyId(_PartyId):
    """A country code and a party id, folded to upper case: equal parties compare equal.

    A tuple, because parties are compared and looked up a dozen times for one request.

    The spelling a partner uses travels in the bodies and URLs that pass through, which the hub
    does not change. Spec: 2.2.1 types_cistring_type, credentials_credentials_role_class.
    """

    __slots__ = ()

    def __new__(cls, country_code: str, party_id: str) -> PartyId:
        return super().__new__(cls, country_code.upper(), party_id.upper())

    @staticmethod
    def parse(text: str) -> PartyId:
        """Read `CC*PID`, the way operators write a party.

        Raises:
            ValueError: `text` is not two letters, an asterisk and three letters or digits.
        """
        return _parsed_party(text)

    def __str__(self) -> str:
        return f"{self[0]}*{self[1]}"


@functools.lru_cache(maxsize=4096)
def _parsed_party(text: str) -> PartyId:
    country_code, star, party_id = text.partition("*")
    if (
        star
        and text.isascii()
        and len(country_code) == 2
        and country_code.isalpha()
        and len(party_id) == 3
        and party_id.isalnum()
    ):
        return PartyId(country_code, party_id)
    raise ValueError(f"{text!r} is not a party id: write CC*PID, for instance NL*CPO")


class PlatformState(StrEnum):
    """Where a platform stands with the hub; the status of its parties follows from it."""

    INVITED = "invited"
    """An invitation is out, the handshake has not happened: PLANNED."""
    CONNECTING = "connecting"
    """The hub has started the handshake and waits for its answer: PLANNED."""
    CONNECTED = "connected"
    """Registered: CONNECTED, or OFFLINE while it does not answer."""
    SUSPENDED = "suspended"
    """Stopped by an operator: SUSPENDED."""
    DISCONNECTED = "disconnected"
    """Sent DELETE credentials: SUSPENDED, and back only with a new invitation."""
    BY_FILE = "by_file"
    """Exchanges files with the hub, and no message."""


class Quirk(StrEnum):
    """Known deviations of a partner, as data on its platform (decision D-11)."""

    RAW_TOKEN = "raw_token"  # noqa: S105 - a name, not a secret
    NO_ROUTING_HEADERS = "no_routing_headers"
    NO_PATCH = "no_patch"
    LOWERCASE_IDS = "lowercase_ids"
    TRAILING_SLASH = "trailing_slash"


@dataclass(frozen=True, slots=True)
class PartyRole:
    """One CredentialsRole of a platform. `active` is false once the platform withdrew it."""

    party: PartyId
    role: Role
    name: str
    active: bool = True


@dataclass(frozen=True, slots=True)
class Platform:
    """A connected system with one set of credentials; it hosts parties.

    Attributes:
        our_token: the credentials token the hub presents to it; None until the handshake has
            brought one.
        endpoints: announced URL by (module, interface role) of the version in force.
        online: false after silence and failed checks; any message makes it true again.
        offline_since: when it became false, by the database's clock.
        custom_modules: identifiers outside the specification's that an operator agreed on with it.
    """

    platform_id: PlatformId
    name: str
    state: PlatformState
    online: bool
    version: OcpiVersion | None
    versions_url: str | None
    our_token: CredentialsToken | None
    roles: tuple[PartyRole, ...]
    endpoints: Mapping[tuple[str, InterfaceRole], str]
    quirks: frozenset[Quirk] = frozenset()
    page_limit: int | None = None
    catch_up: str = "push"
    custom_modules: frozenset[str] = frozenset()
    offline_since: datetime | None = None

    @property
    def is_hub(self) -> bool:
        """Another hub: what it sends may come from anybody behind it."""
        return any(held.role is Role.HUB and held.active for held in self.roles)

    def __repr__(self) -> str:
        return f"Platform({self.platform_id}, {self.name!r}, {self.state})"


class RelationMode(StrEnum):
    NONE = "none"
    REALTIME = "realtime"
    WHITELIST = "whitelist"


class Fallback(StrEnum):
    """Who decides when the eMSP does not answer: the hub by the stored token, or the CPO."""

    HUB = "hub"
    CPO = "cpo"


class CdrExchange(StrEnum):
    """How CDRs go to the eMSP: each at once, or all of a period at its end."""

    IMMEDIATE = "immediate"
    BATCH = "batch"


@dataclass(frozen=True, slots=True)
class Relation:
    """How a CPO and an eMSP work together. None means: the hub's default.

    Attributes:
        cdr_schedule: with batches, when periods end: a cron expression, UTC.
        cdr_rules: what the checks of CDRs do otherwise than for others.
    """

    cpo: PartyId
    emsp: PartyId
    mode: RelationMode
    fallback: Fallback = Fallback.HUB
    authorize_budget_ms: int | None = None
    whitelist_max_age_s: int | None = None
    fallback_max_age_s: int | None = None
    cdrs: CdrExchange = CdrExchange.IMMEDIATE
    cdr_schedule: str | None = None
    cdr_rules: CdrRules = NO_RULES
