"""Who is shown to whom, and how: a pure function of the directory.

A platform is shown the parties that one of its own may exchange something with, in the roles in
which they do (HC-07). With `unrelated_planned` it is shown those, too, whose relation nobody has
set yet, as PLANNED: they stand differently for different platforms (HC-12).

Spec: 2.2.1 mod_hub_client_info_module.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final

from ocpi_hub.delivery.client_info import Audience, Standing, Visible, announced_at
from ocpi_hub.directory.snapshot import (
    CPO_SIDE,
    DELEGATED_SIDE,
    DELEGATING_SIDE,
    EMSP_SIDE,
    Directory,
    PartyStatus,
    platform_status,
    told_status,
)
from ocpi_hub.domain.party import PartyId, Platform, PlatformId, RelationMode, Role

_SIDES: Final = ((CPO_SIDE, EMSP_SIDE), (DELEGATING_SIDE, DELEGATED_SIDE))

_Own = Sequence[tuple[Sequence[PartyId], Sequence[PartyId]]]
"""The active parties of a platform on both sides of each kind of relation."""

About = frozenset[PartyId] | None
"""The parties about whom something may have changed; None: everybody."""


class Sight:
    """Who is shown to whom by one directory."""

    def __init__(self, directory: Directory, *, unrelated_planned: bool) -> None:
        self.directory = directory
        self._planned = unrelated_planned

    def whole(self, platform: Platform) -> Audience:
        """All that a platform is to know."""
        return _audience(platform, self.among(platform, self._candidates(platform)))

    def some(self, platform: Platform, about: frozenset[PartyId], base: int | None) -> Audience:
        """What a platform is to know about some parties."""
        return _audience(platform, self.among(platform, about), about, base)

    def among(self, platform: Platform, parties: Iterable[PartyId]) -> Visible:
        """Those of these parties that a platform is shown. Never its own, never the hub (HC-16)."""
        return dict(self._shown(platform, parties))

    def shows_any(self, platform: Platform, parties: Iterable[PartyId]) -> bool:
        """Whether a platform is shown one of these parties."""
        return next(self._shown(platform, parties), None) is not None

    def _shown(
        self, platform: Platform, parties: Iterable[PartyId]
    ) -> Iterator[tuple[tuple[PartyId, Role], Standing]]:
        directory, own = self.directory, _own(platform)
        hidden = {held.party for held in platform.roles} | {directory.hub}
        for party in parties:
            other = directory.platform_of(party)
            if other is None or party in hidden:
                continue
            for role in sorted(directory.roles_of(party)):
                standing = self._standing(party, role, other, own)
                if standing is not None:
                    yield (party, role), standing

    def _candidates(self, platform: Platform) -> Iterable[PartyId]:
        """Whoever may be shown to a platform: with thousands of parties, not all there are."""
        if self._planned or self.directory.default_relation is not RelationMode.NONE:
            return self.directory.parties()
        own = {held.party for held in platform.roles}
        return {other for party in own for other in self._partners.get(party, ())}

    @cached_property
    def _partners(self) -> Mapping[PartyId, Sequence[PartyId]]:
        partners: dict[PartyId, list[PartyId]] = defaultdict(list)
        for (one, other), relation in self.directory.relations.items():
            if relation.mode is not RelationMode.NONE:
                partners[one].append(other)
                partners[other].append(one)
        return partners

    def _standing(self, party: PartyId, role: Role, other: Platform, own: _Own) -> Standing | None:
        directory, unset = self.directory, False
        for one, another in _pairs(party, role, own):
            relation = directory.relations.get((one, another))
            mode = relation.mode if relation else directory.default_relation
            if mode is not RelationMode.NONE:
                return _standing_of(other, role)
            unset = unset or relation is None
        suspended = platform_status(other) is PartyStatus.SUSPENDED
        if unset and self._planned and not suspended:
            return Standing(PartyStatus.PLANNED)
        return None


def affected(before: Sight, after: Sight) -> Iterator[tuple[PlatformId, About]]:
    """For whom the step from one directory to the next may change something, about whom.

    Only what differs is looked at: of a thousand platforms, one changes at a time. Comes with a
    word about every platform, if about nobody, so that whoever reads it can do other things.
    """
    old, new = before.directory, after.directory
    if (old.default_relation, old.hub) != (new.default_relation, new.hub):
        yield from dict.fromkeys(new.platforms).items()
        return
    changed, pairs = _changed_platforms(old, new), _changed_relations(old, new)
    if not changed and not pairs:
        return
    concerned = frozenset(
        held.party
        for platform_id in changed
        for platform in (old.platforms.get(platform_id), new.platforms.get(platform_id))
        if platform is not None
        for held in platform.roles
    )
    for platform_id, platform in new.platforms.items():
        known = old.platforms.get(platform_id)
        if known is None or (platform_id in changed and known.roles != platform.roles):
            yield platform_id, None
            continue
        about = concerned | pairs.get(platform_id, frozenset())
        seen = (
            platform_id in changed
            or after.shows_any(platform, about)
            or before.shows_any(known, about)
        )
        yield platform_id, about if seen else frozenset()


def _changed_platforms(old: Directory, new: Directory) -> frozenset[PlatformId]:
    return frozenset(
        platform_id
        for platform_id in old.platforms.keys() | new.platforms.keys()
        if _differ(old.platforms.get(platform_id), new.platforms.get(platform_id))
    )


def _changed_relations(old: Directory, new: Directory) -> Mapping[PlatformId, frozenset[PartyId]]:
    """The parties to whom a relation of a platform's own has changed, by platform."""
    found: dict[PlatformId, set[PartyId]] = defaultdict(set)
    if old.relations == new.relations:
        return {}
    for pair in old.relations.keys() | new.relations.keys():
        if old.relations.get(pair) != new.relations.get(pair):
            for one, other in (pair, pair[::-1]):
                platform = new.platform_of(one)
                if platform is not None:
                    found[platform.platform_id].add(other)
    return {platform_id: frozenset(parties) for platform_id, parties in found.items()}


def _differ(one: Platform | None, other: Platform | None) -> bool:
    """Whether two states of a platform make a difference to anybody here."""
    if one is None or other is None:
        return True
    return (
        (one.state, one.online, one.offline_since)
        != (other.state, other.online, other.offline_since)
        or announced_at(one) != announced_at(other)
        or one.roles != other.roles
    )


def _audience(
    platform: Platform,
    visible: Visible,
    about: frozenset[PartyId] | None = None,
    base: int | None = None,
) -> Audience:
    return Audience(
        platform.platform_id,
        announced_at(platform),
        platform.online,
        platform.offline_since,
        visible,
        about,
        base,
    )


def _standing_of(platform: Platform, role: Role) -> Standing:
    status = told_status(platform, role)
    return Standing(status, platform.offline_since if status is PartyStatus.OFFLINE else None)


def _own(platform: Platform) -> _Own:
    active = [held for held in platform.roles if held.active]
    return [
        (
            [held.party for held in active if held.role in offering],
            [held.party for held in active if held.role in using],
        )
        for offering, using in _SIDES
    ]


def _pairs(party: PartyId, role: Role, own: _Own) -> Iterable[tuple[PartyId, PartyId]]:
    """The relations that a party in a role may have with a platform's own."""
    for (offering, using), (own_offering, own_using) in zip(_SIDES, own, strict=True):
        if role in using:
            yield from ((one, party) for one in own_offering)
        if role in offering:
            yield from ((party, one) for one in own_using)
