"""What waits for a person, of all that has to do with CDRs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ocpi_hub.admin.actions import cdrs
from ocpi_hub.admin.actions.cdr_gaps import gap_report
from ocpi_hub.admin.personal import V
from ocpi_hub.admin.views.cdr_affairs import GapItem, conflict_item, dispute_view
from ocpi_hub.admin.views.cdr_life import CdrLine, cdr_line
from ocpi_hub.clearing.life import Stage
from ocpi_hub.console.cells import At, Cell, Code, Link, url
from ocpi_hub.console.pages.cdr_cells import cdr_url, number, stage_chips
from ocpi_hub.console.pages.disputes import gap_link
from ocpi_hub.console.stories import Block, Facts, Grid, Story, told
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Answer, Visit
from ocpi_hub.store.cdr_gaps import GapKind
from ocpi_hub.store.cdr_life import CdrFilters, CdrLife
from ocpi_hub.store.disputes import Disputes

SHOWN: Final = 20
"""Of each kind; the lists have the others."""

_STAGES = (Stage.HELD, Stage.UNCERTAIN, Stage.DEAD)
_GAPS = tuple(kind for kind in GapKind if kind is not GapKind.DEAD)
"""Dead letters stand among the stages."""


async def waiting(visit: Visit) -> Answer:
    """Held, uncertain, dead, disputed, refused after acknowledgement, conflicts, gaps."""
    access = visit.parts.admin.access
    by_stage = {
        stage: [
            _told(visit, cdr_line(cdr))
            for cdr in await cdrs.list_cdrs(access.cdrs, CdrFilters(stage=stage), limit=SHOWN + 1)
        ]
        for stage in _STAGES
    }
    disputes = await Disputes(access.database).list(is_open=True, limit=SHOWN + 1)
    conflicts = await CdrLife(access.database).conflicts(owner=None, receiver=None, limit=SHOWN + 1)
    report = await gap_report(
        access,
        since=None,
        expected_after_h=None,
        owner=None,
        receiver=None,
        limit=SHOWN + 1,
        kinds=_GAPS,
    )
    report = _told(visit, report)
    gaps = {kind: [gap for gap in report.gaps if gap.kind is kind] for kind in _GAPS}
    counted: list[tuple[str, int, str]] = [
        *((t(f"waiting.{stage}"), len(rows), url("cdrs", stage=stage))
          for stage, rows in by_stage.items()),
        (t("waiting.disputed"), len(disputes), url("disputes", open="true")),
        (t("waiting.conflict"), len(conflicts), url("conflicts")),
        *((t(f"waiting.{kind}"), len(rows), url("gaps", kind=kind))
          for kind, rows in gaps.items()),
    ]  # fmt: skip
    blocks: list[Block] = [
        Facts("", [(name, _count(count, path)) for name, count, path in counted]),
        *(_cdrs(t(f"waiting.{stage}"), rows) for stage, rows in by_stage.items() if rows),
    ]
    if disputes:
        heads = [t.label(name) for name in ("opened_at", "id", "raised_by", "amount", "reason")]
        shown = [_told(visit, dispute_view(each)) for each in disputes[:SHOWN]]
        blocks.append(
            Grid(
                t("waiting.disputed"),
                heads,
                [
                    [At(each.opened_at), Link(each.id, cdr_url(each.owner, each.id)),
                     each.raised_by, number(each.amount, 2, each.currency or ""), each.reason]
                    for each in shown
                ],
            )
        )  # fmt: skip
    if conflicts:
        heads = [t.label(name) for name in ("at", "owner", "id", "differs")]
        items = map(conflict_item, conflicts[:SHOWN])
        rows: list[list[Cell]] = [
            [At(each.at), Code(each.owner), Link(each.id, cdr_url(each.owner, each.id)),
             ", ".join(each.differs)]
            for each in items
        ]  # fmt: skip
        blocks.append(Grid(t("waiting.conflict"), heads, rows))
    blocks += [_gaps(t(f"waiting.{kind}"), found) for kind, found in gaps.items() if found]
    crumbs = [(t("cdrs.title"), url("cdrs"))]
    return told(visit, Story(t("waiting.title"), blocks, crumbs=crumbs))


def _told(visit: Visit, shown: V) -> V:
    return visit.privacy.quotes(shown) if visit.privacy else shown


def _count(count: int, path: str) -> Cell:
    if not count:
        return 0
    return Link(str(count) if count <= SHOWN else t("waiting.more_than", count=SHOWN), path)


def _cdrs(title: str, lines: Sequence[CdrLine]) -> Grid:
    names = ("id", "stage", "owner", "receiver", "excl_vat", "reason")
    return Grid(
        title,
        [t.label(name) for name in names],
        [
            [
                Link(line.id, cdr_url(line.owner, line.id)),
                stage_chips(line.stage, line.disputed),
                Code(line.owner),
                Code(line.receiver),
                number(line.figures.excl_vat, 2, line.figures.currency) if line.figures else None,
                line.reason,
            ]
            for line in lines[:SHOWN]
        ],
    )


def _gaps(title: str, found: Sequence[GapItem]) -> Grid:
    rows: list[list[Cell]] = []
    for gap in found[:SHOWN]:
        path = gap_link(gap)
        name: Cell = Link(gap.id, path) if path else Code(gap.id)
        rows.append([At(gap.at), Code(gap.owner), Code(gap.receiver), name, gap.text])
    return Grid(title, [t.label(name) for name in ("at", "owner", "receiver", "id", "text")], rows)
