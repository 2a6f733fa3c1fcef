"""Charging profiles of a CPO's Sessions. Spec: 2.2.1 mod_charging_profiles_module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi.envelope import timestamp

DEFAULT_LIMIT = ("A", 32.0)
"""Unit and capacity of an EVSE that nobody has described."""

_VOLT = 230.0
"""Line to neutral, for limits in ampere of each phase."""


class ProfileTable:
    """Profiles in force, and who is told when they change."""

    def __init__(self) -> None:
        self._profiles: dict[str, Mapping[str, Any]] = {}
        self._setters: dict[str, PartyId | None] = {}

    def get(self, session_id: str) -> Mapping[str, Any] | None:
        return self._profiles.get(session_id.casefold())

    def set(self, session_id: str, profile: Mapping[str, Any], setter: PartyId | None) -> None:
        """A partner sets a profile: from now on it is told when the profile changes."""
        self._profiles[session_id.casefold()] = profile
        self._setters[session_id.casefold()] = setter

    def clear(self, session_id: str) -> None:
        """A partner takes the profile back, and is told nothing any more."""
        self._profiles.pop(session_id.casefold(), None)
        self._setters.pop(session_id.casefold(), None)

    def change(self, session_id: str, profile: Mapping[str, Any] | None) -> None:
        """The profile is another one by the CPO's own doing; None: there is none any more."""
        if profile is None:
            self._profiles.pop(session_id.casefold(), None)
        else:
            self._profiles[session_id.casefold()] = profile

    def is_followed(self, session_id: str) -> bool:
        """Whether a partner has set a profile (CP-09)."""
        return session_id.casefold() in self._setters

    def setter(self, session_id: str) -> PartyId | None:
        """Who has set the profile; None also for a partner without a name."""
        return self._setters.get(session_id.casefold())

    def active(self, session_id: str, capacity_w: float | None) -> dict[str, Any]:
        """The ActiveChargingProfile of a Session.

        Args:
            capacity_w: what its EVSE can give, which counts while nobody has set a profile.
        """
        unit, limit = DEFAULT_LIMIT if capacity_w is None else ("W", round(capacity_w, 1))
        unlimited = {
            "charging_rate_unit": unit,
            "charging_profile_period": [{"start_period": 0, "limit": limit}],
        }
        profile = self.get(session_id) or unlimited
        return {"start_date_time": timestamp(), "charging_profile": profile}


def profile_kw(profile: Mapping[str, Any] | None, elapsed_s: float, phases: int) -> float | None:
    """The limit of a charging profile in kW, so many seconds after charging began; None: none.

    Spec: 2.2.1 mod_charging_profiles_charging_profile_class.
    """
    if profile is None:
        return None
    limit: float | None = None
    for period in profile.get("charging_profile_period") or ():
        if period["start_period"] <= elapsed_s:
            limit = max(0.0, float(period["limit"]))
    duration = profile.get("duration")
    if limit is None or (duration is not None and elapsed_s >= duration):
        return None
    if profile["charging_rate_unit"] == "A":
        return limit * _VOLT * phases / 1000
    return limit / 1000
