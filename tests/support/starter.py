"""Starts Python programs by forking a process that has imported the hub already.

A test that needs a hub and two parties would spend most of its time on imports. The starter, a
process of its own without any thread or event loop, pays for them once; a program forked from it
begins where `python -m MODULE ARGUMENTS` would, with its own arguments, environment and files.
`tests.support.program` talks to it over pairs of sockets, on which a message is a packet:

    starter   ->  a `Request`, with one end of a new pair, stdout and stderr
    new pair  <-  the process id
              <-  the status, once it ended: negative for a signal, as in `subprocess`

A program that ended stays a zombie until the other end of its pair is closed, so that its id is
nobody else's as long as somebody may still send it a signal. Who closes it earlier does not look
after the program any more: it is killed. The starter ends with its owner.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypedDict
from unittest.mock import MagicMock

from ocpi_hub.admin.openapi import openapi_text
from ocpi_hub.admin.routes import all_routes
from ocpi_hub.cli.main import COMMANDS

MAX_REQUEST_BYTES = 1 << 20
FILES = 3
STDOUT = 1


class Request(TypedDict):
    """`arguments`: of the program, its module first."""

    arguments: Sequence[str]
    environment: dict[str, str]
    directory: str


@dataclass(slots=True)
class Child:
    """A program that was started. `client`: who looks after it; `watch`: a pidfd."""

    pid: int
    client: socket.socket
    watch: int
    ended: bool = False
    watched: bool = True


class Starter:
    """The loop of the starter's process; `owner` sends requests."""

    def __init__(self, owner: socket.socket) -> None:
        self._owner = owner
        self._children: dict[int, Child] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(owner, selectors.EVENT_READ)

    def run(self) -> Request | None:
        """Return what to become, in each forked process; here None, once the owner has gone."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._owner:
                    self._selector.unregister(key.fileobj)
                    key.data()
                    continue
                text, files, _, _ = socket.recv_fds(self._owner, MAX_REQUEST_BYTES, FILES)
                if not text:
                    self._kill_all()
                    return None
                pid = os.fork()
                if pid == 0:
                    self._forget()
                    return become(json.loads(text), files)
                self._watch(pid, files)

    def _watch(self, pid: int, files: Sequence[int]) -> None:
        client = socket.socket(fileno=files[0])
        for file in files[1:]:
            os.close(file)
        child = Child(pid, client, os.pidfd_open(pid))
        self._children[pid] = child
        self._selector.register(client, selectors.EVENT_READ, partial(self._left, child))
        self._selector.register(child.watch, selectors.EVENT_READ, partial(self._ended, child))
        client.send(str(pid).encode())

    def _ended(self, child: Child) -> None:
        """The program has ended."""
        os.close(child.watch)
        child.ended = True
        ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        if ended is None:
            raise AssertionError("it has ended")
        if child.watched:
            exited = ended.si_code == os.CLD_EXITED
            child.client.send(str(ended.si_status if exited else -ended.si_status).encode())
        else:
            self._bury(child)

    def _left(self, child: Child) -> None:
        """Nobody looks after the program any more."""
        child.client.close()
        child.watched = False
        if child.ended:
            self._bury(child)
        else:
            os.kill(child.pid, signal.SIGKILL)

    def _bury(self, child: Child) -> None:
        os.waitpid(child.pid, 0)
        del self._children[child.pid]

    def _kill_all(self) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)

    def _forget(self) -> None:
        """Close what is the starter's own."""
        self._selector.close()
        self._owner.close()
        for child in self._children.values():
            if child.watched:
                child.client.close()
            if not child.ended:
                os.close(child.watch)


def become(request: Request, files: Sequence[int]) -> Request:
    """Take on what belongs to a process of one's own."""
    client, *outputs = files
    os.close(client)
    for number, file in enumerate(outputs, STDOUT):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["directory"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return request


def main() -> None:
    # Ctrl-C reaches all processes; this one ends with its owner, who may have to clean up before.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in COMMANDS:
        importlib.import_module(f"ocpi_hub.cli.{name.replace('-', '_')}")
    openapi_text(all_routes(MagicMock()))  # what a hub describes at its start, and keeps
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as owner:
        request = Starter(owner).run()
    if request is not None:
        sys.argv = list(request["arguments"])
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
