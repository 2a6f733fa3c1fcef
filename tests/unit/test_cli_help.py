"""What --help says."""

from __future__ import annotations

import argparse

from ocpi_hub.cli import main as program


def test_help_explains_every_command_and_every_argument() -> None:
    lacking: list[str] = []
    parsers = [program.build_parser()]
    while parsers:
        parser = parsers.pop()
        if isinstance(parser, program.CommandParser):
            parser.complete()
        if not parser.description:
            lacking.append(parser.prog)
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                parsers += action.choices.values()
            elif not action.help:
                lacking.append(f"{parser.prog} {action.dest}")
    assert not lacking
