"""Which eMSPs an authorization concerns: the one addressed, the owners of stored tokens, or all
that might know an unknown token. Pure.

Design section 4, step 1.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ocpi_hub.authorization.protocols import DecidedBy, KnownToken
from ocpi_hub.directory.snapshot import EMSP_SIDE, Directory, PartyStatus
from ocpi_hub.domain.party import (
    Fallback,
    InterfaceRole,
    Module,
    PartyId,
    Platform,
    PlatformId,
    Relation,
    RelationMode,
)
from ocpi_hub.domain.value import value
from ocpi_hub.errors import (
    OcpiError,
    Overloaded,
    ReceiverNotConnected,
    UnknownReceiver,
    UnknownToken,
)
from ocpi_hub.routing.rules import RULES
from ocpi_hub.settings import Settings

TOKEN_OWNERS = RULES[Module.TOKENS].callers[InterfaceRole.RECEIVER]
AUTHORIZE = (Module.TOKENS.value, InterfaceRole.SENDER)
REACHABLE = (PartyStatus.CONNECTED, PartyStatus.OFFLINE)
MOST_PAIRS = 50_000
"""Of those that are remembered; each takes half a kilobyte."""


@value
class Terms:
    """A relation with the hub's defaults filled in."""

    mode: RelationMode
    fallback: Fallback
    budget_ms: int
    whitelist_max_age_s: int
    fallback_max_age_s: int

    @classmethod
    def of(cls, relation: Relation, settings: Settings) -> Terms:
        return cls(
            mode=relation.mode,
            fallback=relation.fallback,
            budget_ms=_given(relation.authorize_budget_ms, settings.authorize_budget_ms),
            whitelist_max_age_s=_given(relation.whitelist_max_age_s, settings.whitelist_max_age_s),
            fallback_max_age_s=_given(relation.fallback_max_age_s, settings.fallback_max_age_s),
        )


def _given(value: int | None, default: int) -> int:
    return default if value is None else value


@value
class Candidate:
    """An eMSP that may decide, or whose stored token may.

    Attributes:
        online: false when its platform is known to be OFFLINE, or does not answer lately.
        offers: its platform announced the tokens SENDER interface.
        token: its stored token, if the hub has one.
    """

    emsp: PartyId
    platform: Platform
    terms: Terms
    online: bool
    offers: bool
    token: KnownToken | None = None

    def holding(self, tokens: Sequence[KnownToken]) -> Candidate:
        """The same with its token among these, if there is one."""
        for token in tokens:
            if token.owner == self.emsp:
                return Candidate(
                    self.emsp, self.platform, self.terms, self.online, self.offers, token
                )
        return self


@value
class Refuse:
    """The answer is an error.

    Attributes:
        emsp: the only one concerned, if there is one.
        decided_by: EMSP when all that were asked said that they do not know the token.
    """

    error: OcpiError
    reason: str
    emsp: PartyId | None = None
    decided_by: DecidedBy = DecidedBy.NOBODY


def addressed(
    cpo: PartyId,
    emsp: PartyId,
    directory: Directory,
    settings: Settings,
    away: Collection[PlatformId] = (),
) -> Candidate | Refuse:
    """The eMSP that TO names, still without its token.

    Args:
        away: platforms that count as OFFLINE.
    """
    if directory.platform_of(emsp) is None:
        unknown = UnknownReceiver(f"Unknown receiver: this hub does not know {emsp}")
        return Refuse(unknown, "unknown_receiver", emsp)
    terms = _terms(cpo, emsp, directory, settings)
    if terms is None:
        error = ReceiverNotConnected(f"{cpo} and {emsp} have no relation on this hub")
        return Refuse(error, "no_relation", emsp)
    candidate = _candidate(emsp, terms, directory, away)
    if candidate is None:
        status = directory.status(emsp)
        error = ReceiverNotConnected(f"{emsp} is not connected ({status})")
        return Refuse(error, "not_connected", emsp)
    return candidate


class Addressed:
    """`addressed`, worked out once for each pair as long as the directory stays as it is, and
    nobody else is away."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._directory: Directory | None = None
        self._away: Collection[PlatformId] = ()
        self._known: dict[tuple[PartyId, PartyId], Candidate] = {}

    def find(
        self,
        cpo: PartyId,
        emsp: PartyId,
        directory: Directory,
        away: Collection[PlatformId] = (),
    ) -> Candidate | Refuse:
        if directory is not self._directory or away is not self._away:
            self._directory, self._away, self._known = directory, away, {}
        known = self._known.get((cpo, emsp))
        if known is not None:
            return known
        found = addressed(cpo, emsp, directory, self._settings, away)
        if isinstance(found, Candidate):
            if len(self._known) >= MOST_PAIRS:
                self._known.clear()
            self._known[cpo, emsp] = found
        return found


def owners(
    cpo: PartyId,
    tokens: Sequence[KnownToken],
    directory: Directory,
    settings: Settings,
    away: Collection[PlatformId] = (),
) -> tuple[Candidate, ...] | Refuse:
    """The eMSPs whose stored tokens match, without those that `cpo` has no relation with."""
    related = [
        (token, terms)
        for token in tokens
        if (terms := _terms(cpo, token.owner, directory, settings)) is not None
    ]
    if not related:
        error = ReceiverNotConnected(f"{cpo} has no relation with the token's eMSP on this hub")
        return Refuse(error, "no_relation")
    found = [
        candidate
        for token, terms in related
        if (candidate := _candidate(token.owner, terms, directory, away, token)) is not None
    ]
    if not found:
        return Refuse(ReceiverNotConnected("The token's eMSP is not connected"), "not_connected")
    return tuple(sorted(found, key=lambda each: each.emsp))


def strangers(
    cpo: PartyId,
    own: Platform,
    directory: Directory,
    settings: Settings,
    away: Collection[PlatformId] = (),
    *,
    store_answered: bool,
) -> tuple[Candidate, ...] | Refuse:
    """The eMSPs to ask about a token the hub does not know; OFFLINE ones are left out.

    Args:
        own: the CPO's platform, which knows its own parties' tokens without the hub.
        store_answered: false when the token may well be stored, but the database is away.
    """
    related = [
        candidate
        for emsp in directory.parties()
        if not directory.roles_of(emsp).isdisjoint(TOKEN_OWNERS)
        and (terms := _terms(cpo, emsp, directory, settings)) is not None
        and (candidate := _candidate(emsp, terms, directory, away)) is not None
        and candidate.offers
        and candidate.platform.platform_id != own.platform_id
    ]
    found = sorted((each for each in related if each.online), key=lambda each: each.emsp)
    if found:
        return tuple(found)
    if related:
        error: OcpiError = ReceiverNotConnected("No eMSP that may know this token is connected")
        return Refuse(error, "offline:unknown_token")
    if not store_answered:
        error = Overloaded("The hub cannot look tokens up now", headers={"Retry-After": "2"})
        return Refuse(error, "store_unavailable")
    return Refuse(UnknownToken(), "unknown_token")


def _terms(cpo: PartyId, emsp: PartyId, directory: Directory, settings: Settings) -> Terms | None:
    """The terms between two parties; None when they have no relation."""
    if directory.roles_of(emsp).isdisjoint(EMSP_SIDE) or directory.behind_one_hub(cpo, emsp):
        return None
    relation = directory.relation(cpo, emsp)
    return None if relation.mode is RelationMode.NONE else Terms.of(relation, settings)


def _candidate(
    emsp: PartyId,
    terms: Terms,
    directory: Directory,
    away: Collection[PlatformId],
    token: KnownToken | None = None,
) -> Candidate | None:
    """The candidate; None while its platform is PLANNED or SUSPENDED."""
    platform, status = directory.platform_of(emsp), directory.status(emsp)
    if platform is None or status not in REACHABLE:
        return None
    return Candidate(
        emsp=emsp,
        platform=platform,
        terms=terms,
        online=status is PartyStatus.CONNECTED and platform.platform_id not in away,
        offers=AUTHORIZE in platform.endpoints,
        token=token,
    )
