"""The outbound client over TLS, beside the libraries it could be made of.

Each client runs in a process of its own and POSTs the same body to the same receiver: over
connections that are kept, and with a new connection for each request (the receiver closes it).
"""

from __future__ import annotations

import importlib.util
import json
import statistics
import sys
from collections.abc import Sequence

from tests.bench import programs, targets
from tests.bench.figures import Figure, Quantity
from tests.bench.programs import output
from tests.bench.world import Bench
from tests.support.pki import make_certificate, write_pair

CLIENTS = ("hub", "aiohttp", "pyreqwest")
WARM_REQUESTS = 5000
NEW_REQUESTS = 500


async def run(bench: Bench) -> Sequence[Figure]:
    authority = make_certificate("Bench CA", None)
    ca_file, _ = write_pair(bench.directory, "ca", authority)
    certificate, key = write_pair(bench.directory, "sink", make_certificate("127.0.0.1", authority))
    clients = [name for name in CLIENTS if name == "hub" or importlib.util.find_spec(name)]
    arguments = ("--certificate", str(certificate), "--key", str(key))
    figures = []
    async with programs.python("tests.bench.sink", *arguments) as sink:
        for quantity, path, requests in (
            (targets.CLIENT_WARM, "/tokens", WARM_REQUESTS),
            (targets.CLIENT_NEW, "/close/tokens", NEW_REQUESTS),
        ):
            url = f"https://127.0.0.1:{sink.port}{path}"
            found = {
                name: [await _cost(name, url, str(ca_file), requests) for _ in range(bench.repeats)]
                for name in clients
            }
            figures.append(_figure(quantity, found))
    return figures


async def _cost(client: str, url: str, ca_file: str, requests: int) -> float:
    """Microseconds of CPU time for each request."""
    module = "tests.bench.client_process"
    told = await output(sys.executable, "-m", module, client, url, ca_file, str(requests))
    return float(json.loads(told)["cpu_us"])


def _figure(quantity: Quantity, found: dict[str, list[float]]) -> Figure:
    others = {f"{name} us": statistics.median(v) for name, v in found.items() if name != "hub"}
    absent = [name for name in CLIENTS if name not in found]
    note = f"not installed: {', '.join(absent)} (pip install it to compare)" if absent else ""
    return Figure(quantity, found["hub"], others, note=note)
