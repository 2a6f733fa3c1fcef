"""relation set and list: who works with whom, and how."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ocpi_hub.cli.common import (
    add_command,
    not_negative,
    operator_access,
    party_argument,
    positive,
)
from ocpi_hub.directory.snapshot import CPO_SIDE, EMSP_SIDE, Directory
from ocpi_hub.domain.party import Fallback, PartyId, Relation, RelationMode, Role
from ocpi_hub.errors import OperatorError
from ocpi_hub.settings import Settings
from ocpi_hub.store.platform_admin import RelationChange
from ocpi_hub.telemetry import get_logger

if TYPE_CHECKING:
    from ocpi_hub.cli.common import Subparsers

log = get_logger(__name__)

SET_EXAMPLE = """\
  ocpi-hub relation set "NL*CCO" "DE*MSP" --mode realtime
  ocpi-hub relation set "NL*CCO" "DE*MSP" --mode whitelist --whitelist-max-age-s 86400

Options that are not given stay as they are; those of a new relation follow the configuration.
Returns when every process of the hub acts on the change. The parties need not be on board yet.
"""
LIST_EXAMPLE = "  ocpi-hub relation list --json\n"


def add_relation_parser(subparsers: Subparsers) -> None:
    """Add `relation` with its commands; each sets `run`."""
    group = subparsers.add_parser("relation", help="decide who works with whom, and how")
    commands = group.add_subparsers(dest="relation_command", required=True, metavar="COMMAND")
    parser = add_command(
        commands, "set", "say how a CPO and an eMSP work together", SET_EXAMPLE, run_set
    )
    parser.add_argument("cpo", type=party_argument, metavar="CPO", help="CC*PID")
    parser.add_argument("emsp", type=party_argument, metavar="EMSP", help="CC*PID")
    parser.add_argument(
        "--mode",
        required=True,
        choices=[mode.value for mode in RelationMode],
        help="ask the eMSP in real time, answer from its token list, or exchange nothing",
    )
    parser.add_argument(
        "--fallback",
        choices=[fallback.value for fallback in Fallback],
        help="who decides when the eMSP does not answer",
    )
    parser.add_argument("--authorize-budget-ms", type=positive, metavar="N")
    parser.add_argument("--whitelist-max-age-s", type=not_negative, metavar="N")
    parser.add_argument("--fallback-max-age-s", type=not_negative, metavar="N")
    add_command(commands, "list", "all relations that were set", LIST_EXAMPLE, run_list)


async def run_set(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """The relation, once every process acts on it."""
    change = RelationChange(
        mode=RelationMode(args.mode),
        fallback=Fallback(args.fallback) if args.fallback else None,
        authorize_budget_ms=args.authorize_budget_ms,
        whitelist_max_age_s=args.whitelist_max_age_s,
        fallback_max_age_s=args.fallback_max_age_s,
    )
    async with operator_access(settings) as access:
        _check_sides(await access.load(), args.cpo, args.emsp)
        await access.admin.set_relation(args.cpo, args.emsp, change)
        await access.until_everyone_follows()
        return item((await access.load()).relation(args.cpo, args.emsp))


async def run_list(_: argparse.Namespace, settings: Settings) -> list[dict[str, object]]:
    """The relations; pairs without one follow `default_relation`."""
    async with operator_access(settings) as access:
        directory = await access.load()
    return [item(relation) for relation in directory.relations.values()]


def item(relation: Relation) -> dict[str, object]:
    """A relation as lists show it; null stands for the hub's default."""
    return {
        "cpo": str(relation.cpo),
        "emsp": str(relation.emsp),
        "mode": relation.mode.value,
        "fallback": relation.fallback.value,
        "authorize_budget_ms": relation.authorize_budget_ms,
        "whitelist_max_age_s": relation.whitelist_max_age_s,
        "fallback_max_age_s": relation.fallback_max_age_s,
    }


def _check_sides(directory: Directory, cpo: PartyId, emsp: PartyId) -> None:
    """Catch parties given the wrong way round; unknown ones may come later.

    Raises:
        OperatorError: a party that is on board has no role of its side.
    """
    if cpo == emsp:
        raise OperatorError("a relation has two different parties")
    for party, side, word in ((cpo, CPO_SIDE, "CPO"), (emsp, EMSP_SIDE, "eMSP")):
        roles: frozenset[Role] = directory.roles_of(party)
        if not roles:
            log.warning("party_not_on_board", party=str(party), remedy="see platform list")
        elif roles.isdisjoint(side):
            names = ", ".join(sorted(roles))
            raise OperatorError(f"{party} is no {word} but {names}: write the CPO first")
