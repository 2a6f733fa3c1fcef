"""What the bench measures, and what is asked of it."""

from __future__ import annotations

from tests.bench.figures import Better, Quantity

RELAY = Quantity(
    "relayed authorize, requests/s per core / nginx proxy_pass", Better.HIGHER, "", 0.07, 0.25
)
ADDED_P50 = Quantity("added p50 at half load", Better.LOWER, "ms", 2.0, 0.6)
P99 = Quantity("p99 at half load", Better.LOWER, "ms", 12.0, 3.0)
WHITELIST = Quantity(
    "whitelist answer with evidence / trivial aiohttp handler, requests/s per core",
    Better.HIGHER,
    "",
    0.3,
    0.6,
)
INTAKE = Quantity(
    "durable CDR intake per core / same handler without the database",
    Better.HIGHER,
    "",
    0.35,
    0.7,
)
FAN_OUT = Quantity("one change to 500 receivers, CPU per push", Better.LOWER, "us", 250.0, 60.0)
FEED_READS = Quantity(
    "one change to 500 receivers, reads of objects in the database", Better.LOWER, "", 10.0, 4.0
)
PAGES = Quantity("token page, hub CPU per token", Better.LOWER, "us", 5.0, 1.0)
DEEP = Quantity("token page at the end of the list / at its beginning, CPU", Better.LOWER, "", 1.5)
PULL = Quantity("first pull of a token list, hub CPU per token", Better.LOWER, "us")
PULL_TO_INSERT = Quantity(
    "first pull of a token list, hub and PostgreSQL / PostgreSQL storing the same rows, CPU",
    Better.LOWER,
    "",
)
LISTS = Quantity("page of 1,000 Locations, hub CPU per Location", Better.LOWER, "us", 20.0, 8.0)
LISTS_SIZE = Quantity("page of 1,000 Locations / page of 100, hub CPU", Better.LOWER, "", 10.0)
EVSE_ROWS = Quantity("one EVSE's status change, rows of objects written", Better.LOWER, "", 2.0)
EVSE_BYTES = Quantity(
    "one EVSE's status change, bytes to each receiver", Better.LOWER, "bytes", 1024.0
)
WORKERS = Quantity(
    "two workers / one worker, relayed requests/s on two cores", Better.HIGHER, "", 1.5, 1.9
)
PRICING = Quantity(
    "price engine, CDRs of 20 periods per second per core", Better.HIGHER, "", 2000, 10_000
)
CLIENT_WARM = Quantity("outbound client, TLS, kept connection, CPU per POST", Better.LOWER, "us")
CLIENT_NEW = Quantity("outbound client, TLS, new connection, CPU per POST", Better.LOWER, "us")
CONSOLE = Quantity("slowest page of the console / a form", Better.LOWER, "")
CONSOLE_MS = Quantity("slowest page of the console, median", Better.LOWER, "ms", 200.0, 50.0)
CONSOLE_LATER = Quantity("what a page asks for once it is there", Better.LOWER, "ms")
ADMIN_LISTS = Quantity("slowest list of the admin API / a form", Better.LOWER, "")
ADMIN_LISTS_MS = Quantity("slowest list of the admin API, median", Better.LOWER, "ms", 200.0, 50.0)
STATEMENT = Quantity(
    "a statement's totals / plain sum over the same CDRs", Better.LOWER, "", 25.0, 8.0
)
STATEMENT_CLOSE = Quantity("closing a statement, time per CDR", Better.LOWER, "us")
STATEMENT_MEMORY = Quantity(
    "a statement of all CDRs / of a tenth of them, peak memory of the hub's code",
    Better.LOWER,
    "",
    2.0,
)
