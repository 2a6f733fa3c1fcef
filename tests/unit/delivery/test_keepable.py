"""Ids that the hub can keep objects under."""

from __future__ import annotations

import pytest

from ocpi_hub.delivery.keepable import MAX_KEY, require_keepable
from ocpi_hub.errors import InvalidRequest


@pytest.mark.parametrize("name", [".", "..", "x" * (MAX_KEY + 1)])
def test_an_id_that_nobody_could_be_sent_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest):
        require_keepable("id", name)


@pytest.mark.parametrize("name", ["...", "a.b", "/", "x" * MAX_KEY])
def test_any_other_id_is_kept(name: str) -> None:
    require_keepable("id", name)
