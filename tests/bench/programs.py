"""Programs that the bench starts: partners, baselines, load generators."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.hub import free_port

REPOSITORY = Path(__file__).parents[2]
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0

_NGINX = """\
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr error;
{user}
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {directory}/nginx-body;
  proxy_temp_path {directory}/nginx-proxy;
  fastcgi_temp_path {directory}/nginx-fastcgi;
  uwsgi_temp_path {directory}/nginx-uwsgi;
  scgi_temp_path {directory}/nginx-scgi;
  upstream receiver {{
    server 127.0.0.1:{upstream};
    keepalive 64;
    keepalive_requests 100000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    keepalive_requests 100000000;
    location / {{
      proxy_pass http://receiver;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
}}
"""


class MissingTool(Exception):
    """A program that is not part of the project is not installed; the text says how to get it."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server on this machine."""

    pid: int
    ports: tuple[int, ...]

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def find_tool(name: str, remedy: str) -> str:
    """The path of a program.

    Args:
        remedy: how to get it.

    Raises:
        MissingTool: it is not there.
    """
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        raise MissingTool(f"{name} is not installed: {remedy}")
    return found


@asynccontextmanager
async def python(module: str, *arguments: str) -> AsyncIterator[Running]:
    """A module of ours that prints its ports as JSON once it listens."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        cwd=REPOSITORY,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT_S)
        if not line:
            raise AssertionError(f"{module} did not start")
        yield Running(process.pid, tuple(json.loads(line)["ports"]))
    finally:
        await _end(process)


@asynccontextmanager
async def nginx(directory: Path, upstream: int) -> AsyncIterator[Running]:
    """nginx with one worker process, which passes everything to a port of this machine.

    Raises:
        MissingTool: it is not installed.
    """
    program = find_tool("nginx", "on Debian, apt-get install nginx-light")
    port = free_port()
    configuration = directory / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    configuration.write_text(
        _NGINX.format(directory=directory, port=port, upstream=upstream, user=user)
    )
    process = await asyncio.create_subprocess_exec(
        program, "-p", str(directory), "-e", "stderr", "-c", str(configuration)
    )
    try:
        await _until_open(port)
        yield Running(process.pid, (port,))
    finally:
        await _end(process)


async def output(*command: str) -> str:
    """What a program prints that ends by itself."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=REPOSITORY,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await process.communicate()
    finally:
        await _end(process)
    if process.returncode:
        raise AssertionError(f"{command[0]} failed: {err.decode(errors='replace')}")
    return out.decode()


async def _until_open(port: int) -> None:
    async with asyncio.timeout(START_TIMEOUT_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
