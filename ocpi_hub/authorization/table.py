"""The decision table: what one eMSP comes to, as data.

The engine (`decision.py`) looks its rules up here, docs/authorization.md shows them, and the tests
try every row. `RULES` say what the relation and the stored token allow, `SITUATIONS` how the eMSP
stands; a row is one of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from itertools import product
from types import MappingProxyType

from ocpi_hub.authorization.answer import Failure
from ocpi_hub.authorization.protocols import DecidedBy
from ocpi_hub.domain.party import Fallback, RelationMode
from ocpi_hub.domain.value import value
from ocpi_hub.errors import (
    HubRoutingError,
    OcpiError,
    ReceiverNotConnected,
    ReceiverTimeout,
)
from ocpi_hub.ocpi.v2_2_1.tokens import WhitelistType

ANY = "-"


class NoFallback(StrEnum):
    """Why the stored token does not stand in for a missing answer."""

    UNKNOWN_TOKEN = "unknown_token"  # noqa: S105 - a reason, not a secret
    NEVER = "never"
    TOO_OLD = "too_old"
    FALLBACK_CPO = "fallback_cpo"
    DENIED = "denied"


class Kind(StrEnum):
    """What the hub knows about a token."""

    UNKNOWN = "unknown token"
    NEVER = "NEVER"
    """Or a whitelist type that the specification does not know."""
    ALWAYS = "ALWAYS"
    REALTIME = "ALLOWED, ALLOWED_OFFLINE"


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        WhitelistType.ALWAYS.value: Kind.ALWAYS,
        WhitelistType.ALLOWED.value: Kind.REALTIME,
        WhitelistType.ALLOWED_OFFLINE.value: Kind.REALTIME,
    }
)
"""By the `whitelist` of a stored token; whatever is not here is `Kind.NEVER`."""


@value
class Rule:
    """What relation and stored token allow. None stands for any value.

    Attributes:
        fresh: whether the knowledge is younger than what `by_list` says counts.
        listed: the reason for answering from the store without asking; None: the eMSP is asked.
        without: why the stored token does not help when no answer comes; None: it does.
    """

    kind: Kind
    mode: RelationMode | None = None
    fresh: bool | None = None
    fallback: Fallback | None = None
    listed: str | None = None
    without: NoFallback | None = None


RULES = (
    Rule(Kind.UNKNOWN, without=NoFallback.UNKNOWN_TOKEN),
    Rule(Kind.NEVER, without=NoFallback.NEVER),
    Rule(Kind.ALWAYS, fresh=True, listed="always"),
    Rule(Kind.ALWAYS, fresh=False, without=NoFallback.TOO_OLD),
    Rule(Kind.REALTIME, RelationMode.WHITELIST, fresh=True, listed="whitelist"),
    # It would have been answered from the store if the knowledge were young enough.
    Rule(Kind.REALTIME, RelationMode.WHITELIST, fresh=False, without=NoFallback.TOO_OLD),
    Rule(
        Kind.REALTIME,
        RelationMode.REALTIME,
        fallback=Fallback.CPO,
        without=NoFallback.FALLBACK_CPO,
    ),
    Rule(Kind.REALTIME, RelationMode.REALTIME, fresh=True, fallback=Fallback.HUB),
    Rule(
        Kind.REALTIME,
        RelationMode.REALTIME,
        fresh=False,
        fallback=Fallback.HUB,
        without=NoFallback.TOO_OLD,
    ),
)
"""Each case has exactly one."""


def by_list(mode: RelationMode, kind: Kind) -> bool:
    """Whether a token is answered from the store first: then `whitelist_max_age_s` says what is
    fresh, else `fallback_max_age_s`."""
    return mode is RelationMode.WHITELIST or kind is Kind.ALWAYS


def _fits(rule: Rule, mode: RelationMode, fresh: bool, fallback: Fallback) -> bool:
    return (
        rule.mode in (None, mode)
        and rule.fresh in (None, fresh)
        and rule.fallback in (None, fallback)
    )


RULE_OF: Mapping[tuple[RelationMode, Kind, bool, Fallback], Rule] = MappingProxyType(
    {
        (mode, kind, fresh, fallback): next(
            rule for rule in RULES if rule.kind is kind and _fits(rule, mode, fresh, fallback)
        )
        for mode, kind, fresh, fallback in product(
            (RelationMode.REALTIME, RelationMode.WHITELIST), Kind, (True, False), Fallback
        )
    }
)
"""The rule for mode, kind, freshness and fallback."""


@value
class Situation:
    """How an eMSP stands.

    Attributes:
        failure: None: it answers.
        asked: whether it is asked at all.
        denied: its answer is broken, but says no.
    """

    name: str
    failure: Failure | None
    asked: bool = True
    denied: bool = False


SITUATIONS = (
    Situation("answers", None),
    Situation("is silent", Failure.TIMEOUT),
    Situation("unreachable", Failure.UNREACHABLE),
    Situation("unusable answer", Failure.UNUSABLE),
    Situation("broken no", Failure.UNUSABLE, denied=True),
    Situation("OFFLINE", Failure.OFFLINE, asked=False),
    Situation("no interface", Failure.NO_INTERFACE, asked=False),
)

ERRORS: Mapping[Failure, type[OcpiError]] = MappingProxyType(
    {
        Failure.TIMEOUT: ReceiverTimeout,
        Failure.NOT_ASKED: ReceiverTimeout,
        Failure.UNREACHABLE: ReceiverNotConnected,
        Failure.OFFLINE: ReceiverNotConnected,
        Failure.UNUSABLE: HubRoutingError,
        Failure.NO_INTERFACE: HubRoutingError,
    }
)
"""What the CPO gets when nothing stands in for the answer."""


@value
class Row:
    """One row of the table."""

    rule: Rule
    situation: Situation | None
    answer: str
    decided_by: DecidedBy
    reason: str

    @property
    def asked(self) -> bool:
        return self.situation is not None and self.situation.asked

    @property
    def cells(self) -> tuple[str, ...]:
        """As the page shows it; see `COLUMNS`."""
        rule, fresh = self.rule, {True: "fresh", False: "old", None: ANY}
        return (
            rule.mode.value if rule.mode else ANY,
            rule.kind.value,
            fresh[rule.fresh],
            rule.fallback.value if rule.fallback else ANY,
            self.situation.name if self.situation else ANY,
            "yes" if self.asked else "no",
            self.answer,
            self.decided_by.value,
            self.reason,
        )


COLUMNS = (
    "mode", "whitelist", "knowledge", "fallback", "eMSP",
    "asked", "answer", "decided by", "reason",
)  # fmt: skip
STORED, ITS_ANSWER = "stored token", "its answer"


def rows() -> Iterator[Row]:
    """The whole table."""
    for rule in RULES:
        if rule.listed is not None:
            yield Row(rule, None, STORED, DecidedBy.HUB_WHITELIST, rule.listed)
        else:
            yield from (_row(rule, situation) for situation in SITUATIONS)


def _row(rule: Rule, situation: Situation) -> Row:
    failure = situation.failure
    if failure is None:
        return Row(rule, situation, ITS_ANSWER, DecidedBy.EMSP, "answered")
    why = NoFallback.DENIED if situation.denied else rule.without
    if why is None:
        return Row(rule, situation, STORED, DecidedBy.HUB_FALLBACK, failure.value)
    answer = str(ERRORS[failure].status_code)
    return Row(rule, situation, answer, DecidedBy.NOBODY, f"{failure}:{why}")


def markdown() -> str:
    """The table as the page shows it."""
    lines = [COLUMNS, tuple("---" for _ in COLUMNS), *(row.cells for row in rows())]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines).replace("| --- ", "|---") + "\n"
