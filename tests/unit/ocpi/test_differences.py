"""Fields in which two objects differ."""

from __future__ import annotations

from ocpi_hub.ocpi.differences import differing_fields


def test_only_content_makes_a_difference() -> None:
    ours = '{"a": 1, "b": [1, 2], "c": "x", "only": null}'
    theirs = '{"c":"X","b":[1.0,2e0],"a":1.0,"new":{}}'
    assert differing_fields(ours, theirs) == ("c", "only", "new")
    assert differing_fields(ours, ours) == ()
