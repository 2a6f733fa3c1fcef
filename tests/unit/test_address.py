from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from asyncpg.connect_utils import SessionAttribute

from ocpi_hub.store.address import DatabaseAddress


def test_printing_an_address_hides_the_password() -> None:
    for dsn in (
        "postgresql://me:hunter2@a.example,b.example:5433/hub?target_session_attrs=any",
        "postgresql://a.example/hub?user=me&password=hunter2",
    ):
        text = repr(DatabaseAddress(dsn=dsn))
        assert "hunter2" not in text
        assert "a.example" in text
        assert "hub" in text


def test_only_a_server_that_accepts_writes_is_good_unless_the_dsn_says_so() -> None:
    plain = DatabaseAddress(dsn="postgresql://a,b/hub").connect_arguments()
    assert plain["target_session_attrs"] is SessionAttribute.read_write
    own = DatabaseAddress(dsn="postgresql://a,b/hub?target_session_attrs=primary")
    assert "target_session_attrs" not in own.connect_arguments()


def test_embedded_address_leaves_nothing_to_the_environment() -> None:
    arguments = DatabaseAddress(host="/run/hub").connect_arguments()
    assert {"host", "port", "user", "database", "ssl"} <= arguments.keys()


@pytest.mark.parametrize("directory", ["/run/hub", "/run/with space & more?"])
def test_dsn_of_an_embedded_address_names_the_socket(directory: str) -> None:
    dsn = DatabaseAddress(host=directory, user="app", database="a b").as_dsn()
    assert dsn.startswith("postgresql://app@/a%20b?")
    assert parse_qs(urlsplit(dsn).query) == {"host": [directory], "port": ["5432"]}


def test_another_database_of_the_same_server() -> None:
    dsn = DatabaseAddress(dsn="postgresql://me:pw@a:5433/hub?sslmode=require")
    assert dsn.with_database("x").dsn == "postgresql://me:pw@a:5433/x?sslmode=require"
    socket = DatabaseAddress(host="/run/hub").with_database("x")
    assert socket.connect_arguments()["database"] == "x"
