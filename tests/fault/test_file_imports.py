"""SIGKILL of a command that imports a file."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from pathlib import Path

from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from tests.support.directory import KEY
from tests.support.stores import eventually
from tests.support.token_files import IMPORT, staged, stored, token_hub, tokens, written


async def test_a_killed_import_leaves_nothing_and_the_next_one_is_not_in_its_way(
    address: DatabaseAddress, database: Database, tmp_path: Path
) -> None:
    run = await token_hub(address, database)
    everything = tokens(*(f"T{number:04}" for number in range(1500)))
    environment = os.environ | {
        "OCPI_HUB_DATABASE_URL": address.as_dsn(),
        "OCPI_HUB_SECRET_KEY": base64.b64encode(KEY).decode(),
    }
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ocpi_hub", *IMPORT, "-", "--format", "jsonl"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment,
    )
    try:
        assert command.stdin is not None
        command.stdin.write("".join(f"{line}\n" for line in everything).encode())

        async def a_batch_is_staged() -> bool:
            return await staged(database) >= 1000

        await eventually(a_batch_is_staged)
        assert await stored(database) == {}
    finally:
        command.kill()
        await command.wait()
    result = await run(*IMPORT, written(tmp_path / "in.jsonl", everything))
    assert (result["added"], result["resumed"]) == (1500, False)
    assert await staged(database) == 0
