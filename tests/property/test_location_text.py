"""Changes of a Location's text against the same changes of its values."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpi_hub.ocpi.base import parse_datetime
from ocpi_hub.ocpi.json_text import elements, members
from ocpi_hub.ocpi.location_text import (
    connector_text,
    evse_text,
    patched_connector,
    patched_evse,
    with_connector,
    with_evse,
)

identifiers = st.sampled_from(["a", "A", "b", "B", "c", "d", 'q"\\'])
names = st.sampled_from(["status", "vendor", "ü", 'a"\\', "", "x"])
spaces = st.text(" \t\r\n", max_size=2)
scalar_texts = (
    st.from_regex(r"-?(0|[1-9][0-9]{0,5})(\.[0-9]{1,9})?([eE][+-]?[0-9])?", fullmatch=True)
    | st.sampled_from(["true", "false", "null", '"\\u00e9\\/"', '"{[,"', "[ ]", '{ "a" : 1.0 }'])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=4).map(json.dumps)
)
times = st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 3)).map(  # noqa: DTZ001 - written as UTC below
    lambda moment: f"{moment.replace(microsecond=0).isoformat()}Z"
)
extras = st.lists(st.tuples(names, scalar_texts), max_size=3, unique_by=lambda pair: pair[0])


def write(pairs: list[tuple[str, str]], space: str) -> str:
    body = f"{space},".join(f"{json.dumps(name)}{space}:{space}{text}" for name, text in pairs)
    return f"{{{space}{body}}}"


@st.composite
def objects(
    draw: st.DrawFn, identifier: str, name: str | None = None, *, of: st.SearchStrategy[str]
) -> str:
    """The text of an EVSE or connector: its id, any fields, its children, in any order."""
    pairs = draw(extras)
    pairs.append((identifier, json.dumps(draw(identifiers) if name is None else name)))
    pairs.append(("last_updated", json.dumps(draw(times))))
    children = draw(of)
    if children:
        pairs.append(("connectors" if identifier == "uid" else "evses", children))
    return write(draw(st.permutations(pairs)), draw(spaces))


def lists(of: st.SearchStrategy[str], identifier: str) -> st.SearchStrategy[str]:
    """The text of a list with distinct ids, of null, or no text for an absent field."""
    filled = st.tuples(
        st.lists(of, max_size=3, unique_by=lambda text: loads(text)[identifier].casefold()), spaces
    ).map(lambda drawn: f"[{drawn[1]}{f'{drawn[1]},'.join(drawn[0])}{drawn[1]}]")
    return filled | st.sampled_from(["", "null"])


def loads(text: str) -> Any:
    """JSON with numbers as their text: equal values are equal digit by digit."""
    return json.loads(text, parse_float=lambda number: ("#", number), parse_int=str)


connectors = objects("id", of=st.just(""))
evses = objects("uid", of=lists(connectors, "id"))
locations = objects("loc", "L", of=lists(evses, "uid"))
patches = st.tuples(extras, times, spaces).map(
    lambda drawn: write([*drawn[0], ("last_updated", json.dumps(drawn[1]))], drawn[2])
)


def model_find(parent: dict[str, Any], field: str, key: str, identifier: str) -> int | None:
    for at, child in enumerate(parent.get(field) or []):
        if child[key].lower() == identifier.lower():
            return at
    return None


def model_put(
    parent: dict[str, Any], field: str, key: str, child: dict[str, Any], moment: str
) -> None:
    at = model_find(parent, field, key, child[key])
    children = list(parent.get(field) or [])
    if at is None:
        children.append(child)
    else:
        children[at] = child
    parent[field] = children
    parent["last_updated"] = max(moment, parent["last_updated"])


def model_patch(child: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    merged = {**child, **patch}
    return {name: value for name, value in merged.items() if patch.get(name, 0) is not None}


def unchanged(before: str, after: str, field: str) -> None:
    """All fields but the list of children and the time have the same text and order."""
    touched = {field, "last_updated"}
    kept = [pair for pair in members(before) if pair[0] not in touched]
    assert [pair for pair in members(after) if pair[0] not in touched] == kept
    order = [name for name, _ in members(before)]
    assert [name for name, _ in members(after)][: len(order)] == order


def children_of(text: str | None, field: str) -> list[str]:
    found = dict(members(text or "{}")).get(field, "null")
    return [] if found == "null" else elements(found)


def one_differs(before: list[str], after: list[str], at: int | None) -> None:
    """Only the child at this place is another; None: only one more."""
    if at is None:
        assert after[:-1] == before
    else:
        assert after[:at] + after[at + 1 :] == before[:at] + before[at + 1 :]


@given(locations, identifiers, identifiers)
def test_children_are_found_as_in_the_values(location: str, uid: str, connector_id: str) -> None:
    value = loads(location)
    at = model_find(value, "evses", "uid", uid)
    evse = evse_text(location, uid)
    connector = connector_text(location, uid, connector_id)
    assert evse == (None if at is None else children_of(location, "evses")[at])
    inner = None if at is None else model_find(value["evses"][at], "connectors", "id", connector_id)
    assert connector == (None if inner is None else children_of(evse, "connectors")[inner])


@pytest.mark.req("LO-05")
@given(locations, evses, times)
def test_evse_is_put_as_into_the_values(location: str, evse: str, moment: str) -> None:
    changed = with_evse(location, evse, moment)
    expected = loads(location)
    at = model_find(expected, "evses", "uid", loads(evse)["uid"])
    model_put(expected, "evses", "uid", loads(evse), moment)
    assert loads(changed) == expected
    unchanged(location, changed, "evses")
    one_differs(children_of(location, "evses"), children_of(changed, "evses"), at)
    assert evse_text(changed, loads(evse)["uid"]) == evse
    assert with_evse(changed, evse, moment) == changed


@pytest.mark.req("LO-05")
@given(locations, identifiers, connectors, times)
def test_connector_is_put_as_into_the_values(
    location: str, uid: str, connector: str, moment: str
) -> None:
    changed = with_connector(location, uid, connector, moment)
    expected = loads(location)
    at = model_find(expected, "evses", "uid", uid)
    if changed is None:
        assert at is None
        return
    assert at is not None
    evse = expected["evses"][at]
    inner = model_find(evse, "connectors", "id", loads(connector)["id"])
    model_put(evse, "connectors", "id", loads(connector), moment)
    expected["last_updated"] = max(moment, expected["last_updated"])
    assert loads(changed) == expected
    unchanged(location, changed, "evses")
    one_differs(children_of(location, "evses"), children_of(changed, "evses"), at)
    old, new = evse_text(location, uid), evse_text(changed, uid)
    unchanged(old or "", new or "", "connectors")
    one_differs(children_of(old, "connectors"), children_of(new, "connectors"), inner)
    assert with_connector(changed, uid, connector, moment) == changed


@pytest.mark.req("LO-05", "TF-21")
@given(locations, identifiers, patches)
def test_evse_is_patched_as_in_the_values(location: str, uid: str, patch: str) -> None:
    patched = patched_evse(location, uid, patch)
    expected = loads(location)
    at = model_find(expected, "evses", "uid", uid)
    if patched is None:
        assert at is None
        return
    assert at is not None
    changed, evse = patched
    moment = loads(patch)["last_updated"]
    model_put(expected, "evses", "uid", model_patch(expected["evses"][at], loads(patch)), moment)
    assert loads(changed) == expected
    assert evse_text(changed, uid) == evse
    kept = [pair for pair in members(evse_text(location, uid) or "") if pair[0] not in loads(patch)]
    assert [pair for pair in members(evse) if pair[0] not in loads(patch)] == kept
    unchanged(location, changed, "evses")
    one_differs(children_of(location, "evses"), children_of(changed, "evses"), at)
    assert patched_evse(changed, uid, patch) == patched


@pytest.mark.req("LO-05", "TF-21")
@given(locations, identifiers, identifiers, patches)
def test_connector_is_patched_as_in_the_values(
    location: str, uid: str, connector_id: str, patch: str
) -> None:
    patched = patched_connector(location, uid, connector_id, patch)
    before = connector_text(location, uid, connector_id)
    if patched is None:
        assert before is None
        return
    assert before is not None
    changed, connector = patched
    moment = loads(patch)["last_updated"]
    assert loads(connector) == model_patch(loads(before), loads(patch))
    assert changed == with_connector(location, uid, connector, moment)
    assert connector_text(changed, uid, connector_id) == connector
    assert patched_connector(changed, uid, connector_id, patch) == patched


@given(locations, evses, times)
def test_location_never_takes_an_older_time(location: str, evse: str, moment: str) -> None:
    before = parse_datetime(loads(location)["last_updated"])
    after = parse_datetime(loads(with_evse(location, evse, moment))["last_updated"])
    assert after == max(before, parse_datetime(moment))
