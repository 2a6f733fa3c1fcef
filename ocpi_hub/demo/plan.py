"""What is asked: every authorization of the demo, and what has to come of it. Pure.

Laadoever and Roulibre work by whitelist, all other pairs in real time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from ocpi_hub.authorization.protocols import DecidedBy
from ocpi_hub.demo.chance import SEED, chance
from ocpi_hub.demo.parties import EMSPS, FAHRTWIND, LAADOEVER, ROULIBRE, STROMWEIDE, Company
from ocpi_hub.demo.sites import Evse, evses_of
from ocpi_hub.demo.tokens import DemoToken, make_tokens, unknown_uids
from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi.status_codes import StatusCode
from ocpi_hub.ocpi.v2_2_1.tokens import AllowedType, TokenType, WhitelistType

TOKENS = 2000
CDRS = 300

SUCCESS = StatusCode.SUCCESS.value
UNREACHED = frozenset({StatusCode.RECEIVER_TIMEOUT.value, StatusCode.RECEIVER_NOT_CONNECTED.value})


@dataclass(frozen=True, slots=True)
class Expected:
    """What has to come of an authorization.

    Attributes:
        status_codes: OCPI status codes that are right.
        allowed: of the AuthorizationInfo; None without one.
    """

    status_codes: frozenset[int]
    allowed: AllowedType | None
    decided_by: DecidedBy


@dataclass(frozen=True, slots=True)
class Ask:
    """One authorization.

    Attributes:
        to: the eMSP addressed; None leaves it to the hub to find it.
        token: None for a uid that nobody issued.
    """

    cpo: Company
    evse: Evse
    uid: str
    token_type: TokenType
    to: PartyId | None
    token: DemoToken | None
    expected: Expected


@dataclass(frozen=True, slots=True)
class Driver:
    """Somebody who charges with an app."""

    cpo: Company
    emsp: Company
    evse: Evse
    token: DemoToken


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole demo: tokens by eMSP, drivers with apps, authorizations by act, number of CDRs."""

    tokens: Mapping[Company, Sequence[DemoToken]]
    drivers: Sequence[Driver]
    realtime: Sequence[Ask]
    unknown: Sequence[Ask]
    slow: Sequence[Ask]
    too_slow: Sequence[Ask]
    whitelist: Sequence[Ask]
    down: Sequence[Ask]
    cdrs: int

    @property
    def asks(self) -> Sequence[Ask]:
        """All authorizations."""
        return [
            *self.realtime,
            *self.unknown,
            *self.slow,
            *self.too_slow,
            *self.whitelist,
            *self.down,
        ]

    @property
    def all_tokens(self) -> Sequence[DemoToken]:
        return [token for tokens in self.tokens.values() for token in tokens]


Kind = Callable[[DemoToken], bool]


def _usual(token: DemoToken) -> bool:
    usual = (WhitelistType.ALLOWED, WhitelistType.ALLOWED_OFFLINE)
    return token.valid and token.whitelist in usual


def _blocked(token: DemoToken) -> bool:
    return not token.valid and token.whitelist is not WhitelistType.NEVER


def _never(token: DemoToken) -> bool:
    return token.valid and token.whitelist is WhitelistType.NEVER


def _always(token: DemoToken) -> bool:
    return token.valid and token.whitelist is WhitelistType.ALWAYS


def _app(token: DemoToken) -> bool:
    return token.valid and token.type is TokenType.APP_USER


def _decided(by: DecidedBy, allowed: AllowedType) -> Expected:
    return Expected(frozenset({SUCCESS}), allowed, by)


_EMSP_YES = _decided(DecidedBy.EMSP, AllowedType.ALLOWED)
_EMSP_NO = _decided(DecidedBy.EMSP, AllowedType.BLOCKED)
_STORE_YES = _decided(DecidedBy.HUB_WHITELIST, AllowedType.ALLOWED)
_STORE_NO = _decided(DecidedBy.HUB_WHITELIST, AllowedType.BLOCKED)
_FALLBACK_YES = _decided(DecidedBy.HUB_FALLBACK, AllowedType.ALLOWED)
_FALLBACK_NO = _decided(DecidedBy.HUB_FALLBACK, AllowedType.BLOCKED)
_NOBODY = Expected(UNREACHED, None, DecidedBy.NOBODY)
_UNKNOWN = Expected(frozenset({StatusCode.UNKNOWN_TOKEN.value}), None, DecidedBy.EMSP)

Row = tuple[int, Kind, Expected]
"""How many authorizations with which kind of token, and what has to come of them."""

REALTIME_ROWS: Sequence[Row] = (
    (170, _usual, _EMSP_YES),
    (40, _blocked, _EMSP_NO),
    (20, _never, _EMSP_YES),
    (10, _always, _STORE_YES),
)
UNKNOWN_COUNT = 40
SLOW_ROWS: Sequence[Row] = ((60, _usual, _EMSP_YES),)
NO_ANSWER_ROWS: Sequence[Row] = (
    (28, _usual, _FALLBACK_YES),
    (6, _blocked, _FALLBACK_NO),
    (6, _never, _NOBODY),
)
WHITELIST_ROWS: Sequence[Row] = (
    (45, _usual, _STORE_YES),
    (8, _blocked, _STORE_NO),
    (7, _never, _EMSP_YES),
)
DOWN_ROWS: Sequence[Row] = (
    (42, _usual, _FALLBACK_YES),
    (8, _blocked, _FALLBACK_NO),
    (10, _never, _NOBODY),
)

Pair = tuple[Company, Company]
REALTIME_PAIRS: Sequence[Pair] = (
    (STROMWEIDE, FAHRTWIND),
    (LAADOEVER, FAHRTWIND),
    (STROMWEIDE, ROULIBRE),
)
WHITELIST_PAIR: Pair = (LAADOEVER, ROULIBRE)
DRIVERS_A_PAIR = 3


def make_plan(scale: float = 1.0, seed: int = SEED) -> Plan:
    """The demo at a scale; the same seed gives the same plan."""
    source = chance(seed)
    each = max(50, round(TOKENS * scale / len(EMSPS)))
    tokens = {emsp: make_tokens(emsp, each, source) for emsp in EMSPS}
    planner = _Planner(tokens, scale, source)
    drivers = planner.drivers()
    fahrtwind_pairs = [pair for pair in REALTIME_PAIRS if pair[1] is FAHRTWIND]
    return Plan(
        tokens=tokens,
        drivers=drivers,
        realtime=planner.act(REALTIME_ROWS, REALTIME_PAIRS),
        unknown=planner.strangers(UNKNOWN_COUNT),
        slow=planner.act(SLOW_ROWS, fahrtwind_pairs),
        too_slow=planner.act(NO_ANSWER_ROWS, fahrtwind_pairs),
        whitelist=planner.act(WHITELIST_ROWS, [WHITELIST_PAIR]),
        down=planner.act(DOWN_ROWS, [(STROMWEIDE, ROULIBRE)]),
        cdrs=max(8, round(CDRS * scale)),
    )


class _Planner:
    """Deals out tokens, each once, and charging points."""

    def __init__(
        self,
        tokens: Mapping[Company, Sequence[DemoToken]],
        scale: float,
        source: random.Random,
    ) -> None:
        self._scale = scale
        self._source = source
        self._known = [token for issued in tokens.values() for token in issued]
        self._left = {emsp: list(issued) for emsp, issued in tokens.items()}

    def act(self, rows: Sequence[Row], pairs: Sequence[Pair]) -> Sequence[Ask]:
        """The authorizations of an act, shuffled; every other one names its eMSP."""
        asks: list[Ask] = []
        for count, kind, expected in rows:
            for cpo, emsp in islice(cycle(pairs), self._scaled(count)):
                token = self._take(emsp, kind)
                to = token.owner if len(asks) % 2 else None
                asks.append(Ask(cpo, self._evse(cpo), token.uid, token.type, to, token, expected))
        self._source.shuffle(asks)
        return asks

    def drivers(self) -> Sequence[Driver]:
        """Drivers of every eMSP at every CPO, each at a charging point of its own."""
        found: list[Driver] = []
        for cpo, emsp in (*REALTIME_PAIRS, WHITELIST_PAIR):
            taken = {driver.evse for driver in found}
            free = [evse for evse in evses_of(cpo) if evse not in taken]
            places = self._source.sample(free, self._scaled(DRIVERS_A_PAIR))
            found += [Driver(cpo, emsp, evse, self._take(emsp, _app)) for evse in places]
        return found

    def strangers(self, count: int) -> Sequence[Ask]:
        """Authorizations of uids that nobody issued."""
        uids = unknown_uids(self._scaled(count), self._known, self._source)
        return [
            Ask(cpo, self._evse(cpo), uid, TokenType.RFID, None, None, _UNKNOWN)
            for uid, cpo in zip(uids, cycle((STROMWEIDE, LAADOEVER)), strict=False)
        ]

    def _scaled(self, count: int) -> int:
        return max(1, round(count * self._scale))

    def _evse(self, cpo: Company) -> Evse:
        return self._source.choice(evses_of(cpo))

    def _take(self, emsp: Company, kind: Kind) -> DemoToken:
        left = self._left[emsp]
        return left.pop(next(index for index, token in enumerate(left) if kind(token)))
