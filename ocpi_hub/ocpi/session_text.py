"""PATCH on the stored text of a Session. Spec: 2.2.1 mod_sessions_patch_method (SE-04)."""

from __future__ import annotations

from typing import Final

from ocpi_hub.ocpi.json_text import elements, fingerprint, members
from ocpi_hub.ocpi.merge import merge_patch

_PERIODS: Final = "charging_periods"
_STATUS: Final = "status"
_COMPLETED: Final = '"COMPLETED"'
_INVALID: Final = '"INVALID"'


def appended_periods(session: str, patch: str) -> str:
    """The Session after a PATCH: its charging periods follow the stored ones, and its other fields
    replace the stored ones as `merge_patch` does.

    Charging periods that are absent, null or an empty list change nothing; only a PUT takes periods
    away. A patch that is applied twice appends twice: the caller knows whether it was seen before.
    The result may lack a required field: validate it before it is stored.

    Args:
        session: JSON text of the stored Session.
        patch: JSON text of the PATCH body.

    Raises:
        ValueError: one of the texts is no JSON object, or its charging periods are no list.
    """
    added = _periods(patch)
    all_of_them = "null"
    if added:
        held = _periods(session)
        all_of_them = f"[{held},{added}]" if held else f"[{added}]"
    # null takes the field out of the patch, so that the stored periods stay as they are.
    return merge_patch(session, merge_patch(patch, f'{{"{_PERIODS}":{all_of_them}}}'))


def has_periods(session: str, patch: str) -> bool:
    """Whether a PATCH brings charging periods, all of which the Session has already.

    Args:
        session: JSON text of the stored Session.
        patch: JSON text of the PATCH body.

    Raises:
        ValueError: one of the texts is no JSON object, or its charging periods are no list.
    """
    added = [fingerprint(period) for period in elements(f"[{_periods(patch)}]")]
    held = {fingerprint(period) for period in elements(f"[{_periods(session)}]")}
    return bool(added) and held.issuperset(added)


def changes_what_is_over(before: str, after: str) -> bool:
    """Whether a Session was over before it changed: COMPLETED, and not merely voided by the change,
    or INVALID (SE-05).

    Args:
        before, after: JSON texts of the whole Session.

    Raises:
        ValueError: a text that matters is no JSON object.
    """
    if _COMPLETED not in before and _INVALID not in before:
        return False  # what is going on need not be taken apart
    status = dict(members(before)).get(_STATUS)
    if status == _COMPLETED:
        return dict(members(after)).get(_STATUS) != _INVALID
    return status == _INVALID


def _periods(text: str) -> str:
    """The texts of the charging periods with the commas between them; empty if there are none."""
    periods = dict(members(text)).get(_PERIODS, "null")
    if periods == "null":
        return ""
    if not periods.startswith("["):
        raise ValueError(f"{_PERIODS} must be a list")
    return periods[1:-1].strip(" \t\r\n")
