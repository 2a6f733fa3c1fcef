"""Where URLs lead."""

from __future__ import annotations

import pytest

from ocpi_hub.ocpi.places import leads_below

BASE = "https://hub.example/ocpi"


@pytest.mark.parametrize(
    "url",
    [
        "https://hub.example/ocpi",
        "https://HUB.example/OCPI/versions?x=1",
        "https://hub.example:443/ocpi/versions",
        "https://hub.example./ocpi",
        "https://hub.example//ocpi/2.2.1",
        "https://hub.example/%6fcpi/2.2.1",
        "https://hub.example/%256fcpi/2.2.1",
        "https://hub.example/./ocpi",
        "https://hub.example/a/../ocpi",
        "https://hub.example/a/%2e%2e/ocpi",
        "https://hub.example/../ocpi",
        "https://hub.example/ocpi;v=1/versions",
        "https://hub.example/ocpi#here",
        "https://hub.example\\ocpi",
    ],
)
def test_every_spelling_of_a_url_below_another_is_known(url: str) -> None:
    assert leads_below(url, BASE)


@pytest.mark.parametrize(
    "url",
    [
        "https://hub.example/ocpi-of-a-partner",
        "https://hub.example/cpo/ocpi",
        "https://hub.example:8443/ocpi",
        "https://other.example/ocpi",
        "https://hub.example.org/ocpi",
        "https://hub.example/",
    ],
)
def test_other_places_are_not_below_it(url: str) -> None:
    assert not leads_below(url, BASE)
