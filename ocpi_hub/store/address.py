"""Where the database is: an operator's DSN, or the socket of our own server."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypedDict
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

from asyncpg.connect_utils import SessionAttribute

EMBEDDED_USER = "app"
EMBEDDED_DATABASE = "ocpi_hub"
EMBEDDED_PORT = 5432  # names the socket file only: our own server does not listen on TCP


class ConnectArguments(TypedDict, total=False):
    """Keyword arguments of `asyncpg.connect` and `asyncpg.create_pool`."""

    dsn: str
    host: str
    port: int
    user: str
    database: str
    ssl: bool
    target_session_attrs: SessionAttribute


@dataclass(frozen=True, slots=True, repr=False)
class DatabaseAddress:
    """What asyncpg needs to reach one database. Printing it never shows a password.

    Attributes:
        dsn: the operator's DSN; the other fields are then unused.
        host: socket directory of the embedded server.
        user: database user of the embedded server.
        database: name of the database on the embedded server.
    """

    dsn: str | None = field(default=None)
    host: str | None = None
    user: str | None = None
    database: str = EMBEDDED_DATABASE

    def connect_arguments(self) -> ConnectArguments:
        """Explicit values for all that asyncpg would else take from PG* variables.

        Of several hosts, and after a failover, only one that accepts writes is good, unless the
        DSN itself says otherwise.
        """
        if self.dsn is not None:
            if "target_session_attrs" in parse_qs(urlsplit(self.dsn).query):
                return {"dsn": self.dsn}
            return {"dsn": self.dsn, "target_session_attrs": SessionAttribute.read_write}
        return {
            "host": self.host or "",
            "port": EMBEDDED_PORT,
            "user": self.user or EMBEDDED_USER,
            "database": self.database,
            "ssl": False,
            "target_session_attrs": SessionAttribute.any,
        }

    def as_dsn(self) -> str:
        """A DSN for another process. It holds the password if the operator's DSN does."""
        if self.dsn is not None:
            return self.dsn
        user, name = quote(self.user or EMBEDDED_USER, safe=""), quote(self.database, safe="")
        return f"postgresql://{user}@/{name}?host={quote(self.host or '')}&port={EMBEDDED_PORT}"

    def with_database(self, name: str) -> DatabaseAddress:
        """The same server, another database."""
        if self.dsn is None:
            return replace(self, database=name)
        return replace(self, dsn=urlunsplit(urlsplit(self.dsn)._replace(path=f"/{quote(name)}")))

    def __repr__(self) -> str:
        if self.dsn is None:
            return f"DatabaseAddress(socket={self.host!r}, database={self.database!r})"
        parts = urlsplit(self.dsn)
        hosts = parts.netloc.rpartition("@")[2]
        return f"DatabaseAddress({hosts!r}, database={parts.path.lstrip('/')!r})"
