"""relation set, rules and list: who works with whom, and how."""

from __future__ import annotations

import argparse

from ocpi_hub.admin.actions.relations import set_relation
from ocpi_hub.admin.views.relations import relation_item
from ocpi_hub.cli.cdr_checks import add_rules_command
from ocpi_hub.cli.common import (
    add_command,
    not_negative,
    operator_access,
    party_argument,
    positive,
)
from ocpi_hub.domain.party import CdrExchange, Fallback, RelationMode
from ocpi_hub.settings import Settings
from ocpi_hub.store.platform_admin import RelationChange

SET_EXAMPLE = """\
  ocpi-hub relation set "NL*CCO" "DE*MSP" --mode realtime
  ocpi-hub relation set "NL*CCO" "DE*MSP" --mode whitelist --whitelist-max-age-s 86400
  ocpi-hub relation set "NL*CCO" "DE*MSP" --mode whitelist --cdrs batch --cdr-schedule "0 3 1 * *"

Options that are not given stay as they are; those of a new relation follow the configuration.
Returns when every process of the hub acts on the change. The parties need not be on board yet.
"""
LIST_EXAMPLE = "  ocpi-hub relation list --json\n"


def add_arguments(group: argparse.ArgumentParser) -> None:
    """Add the commands of `relation`; each sets `run`."""
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
    parser.add_argument(
        "--authorize-budget-ms", type=positive, metavar="N", help="for one authorization in all"
    )
    parser.add_argument(
        "--whitelist-max-age-s",
        type=not_negative,
        metavar="N",
        help="the oldest token list that decides in mode whitelist",
    )
    parser.add_argument(
        "--fallback-max-age-s",
        type=not_negative,
        metavar="N",
        help="the oldest knowledge of a token that decides in the place of its eMSP",
    )
    parser.add_argument(
        "--cdrs",
        choices=[exchange.value for exchange in CdrExchange],
        help="send each CDR at once, or all of a period at its end",
    )
    parser.add_argument(
        "--cdr-schedule", metavar="CRON", help="when periods end: a cron expression, UTC"
    )
    add_rules_command(commands)
    add_command(commands, "list", "all relations that were set", LIST_EXAMPLE, run_list)


async def run_set(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """The relation, once every process acts on it."""
    change = RelationChange(
        mode=RelationMode(args.mode),
        fallback=Fallback(args.fallback) if args.fallback else None,
        authorize_budget_ms=args.authorize_budget_ms,
        whitelist_max_age_s=args.whitelist_max_age_s,
        fallback_max_age_s=args.fallback_max_age_s,
        cdrs=CdrExchange(args.cdrs) if args.cdrs else None,
        cdr_schedule=args.cdr_schedule,
    )
    async with operator_access(settings) as access:
        return (await set_relation(access, args.cpo, args.emsp, change)).shown()


async def run_list(_: argparse.Namespace, settings: Settings) -> list[dict[str, object]]:
    """The relations; pairs without one follow `default_relation`."""
    async with operator_access(settings) as access:
        directory = await access.load()
    return [relation_item(relation).shown() for relation in directory.relations.values()]
