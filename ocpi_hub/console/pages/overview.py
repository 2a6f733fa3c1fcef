"""The overview: what flows, what is stuck, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.overview import OverviewNow
from ocpi_hub.console.cells import At, Cell, Chip, Link, Number, url
from ocpi_hub.console.charts import Chart, bars, lines
from ocpi_hub.console.page import Page
from ocpi_hub.console.stories import Grid
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Answer, Live, Redirect, Shown, Tone, Visit
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.party import PlatformState
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.store.traffic import TrafficMinute

EVERY_S = 5.0
TOP_RECEIVERS = 20
_MINUTES = 60
_FAILED_WARN, _FAILED_BAD = 0.01, 0.05
_PLATFORMS = url("platforms", state=PlatformState.CONNECTED)


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure that is seen first.

    Attributes:
        href: the complete path of the page that tells more.
    """

    value: Cell
    text: str
    tone: str = ""
    href: str = ""


def overview_pages() -> tuple[Page, ...]:
    return (
        Page("GET", "/", Scope.READ, show, partner=True, nav="nav.overview"),
        Page("GET", "/live", Scope.READ, live),
    )


async def show(visit: Visit) -> Answer:
    """The page. A partner begins with what is missing until its traffic flows."""
    viewer = visit.viewer
    if viewer.is_partner:
        return Redirect(f"/platforms/{viewer.platform_id}/onboarding")
    return Shown("overview.html", t("overview.title"), await now(visit))


async def live(visit: Visit) -> Answer:
    """Its figures, again and again."""
    return Live("overview_now.html", lambda: now(visit), EVERY_S)


async def now(visit: Visit) -> Mapping[str, object]:
    """What it shows."""
    found = await visit.parts.overview.now()
    directory = visit.parts.admin.keeper.current
    return {
        "tiles": [*_traffic_tiles(found.minutes), *_state_tiles(found, directory)],
        "welcome": "" if directory.platforms else t("overview.welcome"),
        "begin": (t("onboarding.begin"), url("onboarding"))
        if visit.viewer.may(Scope.ADMIN)
        else None,
        "note": None if found.figures else t("overview.no_figures"),
        "charts": _charts(found),
        "grids": [_backlog(found), _custody(found)],
    }


def _traffic_tiles(minutes: Sequence[TrafficMinute]) -> list[Tile]:
    received, sent = sum(each.received for each in minutes), sum(each.sent for each in minutes)
    failed = sum(each.failed for each in minutes)
    share = failed / (received + sent) if received + sent else 0.0
    tone = Tone.BAD if share >= _FAILED_BAD else Tone.WARN if share >= _FAILED_WARN else Tone.GOOD
    last = next((each for each in reversed(minutes) if each.p50_ms is not None), None)
    traffic, failures = url("traffic"), url("messages", failed="true")
    return [
        Tile(Number(received), t("overview.received"), href=traffic),
        Tile(Number(sent), t("overview.sent"), href=traffic),
        Tile(Number(share * 100, 1, "%"), t("overview.failed_share"), tone, failures),
        Tile(Number(last.p50_ms if last else None, 1, "ms"), t("overview.p50"), href=traffic),
        Tile(Number(last.p95_ms if last else None, 1, "ms"), t("overview.p95"), href=traffic),
    ]


def _state_tiles(found: OverviewNow, directory: Directory) -> list[Tile]:
    connected = [
        platform
        for platform in directory.platforms.values()
        if platform.state is PlatformState.CONNECTED
    ]
    offline = sum(not platform.online for platform in connected)
    tiles = [
        Tile(Number(len(connected)), t("overview.platforms"), href=_PLATFORMS),
        Tile(
            Number(offline), t("overview.offline"), Tone.WARN if offline else Tone.GOOD, _PLATFORMS
        ),
    ]
    if found.figures is None:
        return tiles
    cdrs = {count.state: count.objects for count in found.figures.custody if count.module == "cdrs"}
    return [
        *tiles,
        Tile(Number(cdrs.get("pending", 0)), t("overview.pending"), href=_in_state("pending")),
        *(
            Tile(
                Number(cdrs.get(state, 0)),
                t(f"overview.{state}"),
                tone if cdrs.get(state) else Tone.GOOD,
                _in_state(state),
            )
            for state, tone in (
                ("held", Tone.WARN), ("uncertain", Tone.WARN), ("dead", Tone.BAD)
            )
        ),
        Tile(Number(found.figures.processes), t("overview.processes")),
    ]  # fmt: skip


def _charts(found: OverviewNow) -> list[object]:
    minutes = {each.minute: each for each in found.minutes}
    start = found.at.replace(second=0, microsecond=0) - timedelta(minutes=_MINUTES - 1)
    places: list[datetime] = []
    if minutes:
        places = [start + timedelta(minutes=number) for number in range(_MINUTES)]
    labels = [timestamp(place) for place in places]
    each = [minutes.get(place) for place in places]
    deciders = sorted({name for minute in found.minutes for name in minute.decided})
    return [
        bars(
            Chart(
                t("overview.traffic"),
                labels,
                {
                    t("overview.received"): [minute.received if minute else 0 for minute in each],
                    t("overview.sent"): [minute.sent if minute else 0 for minute in each],
                },
            )
        ),
        lines(
            Chart(
                t("overview.latency"),
                labels,
                {
                    t("overview.p50"): [minute.p50_ms if minute else None for minute in each],
                    t("overview.p95"): [minute.p95_ms if minute else None for minute in each],
                    t("overview.p99"): [minute.p99_ms if minute else None for minute in each],
                },
                "ms",
            )
        ),
        bars(
            Chart(
                t("overview.decisions"),
                labels,
                {
                    t.word(name): [minute.decided.get(name, 0) if minute else 0 for minute in each]
                    for name in deciders
                },
            )
        ),
    ]


def _backlog(found: OverviewNow) -> Grid:
    return Grid(
        t("overview.backlog"),
        [t("overview.receiver"), t("overview.module"), t("overview.state"),
         t("overview.changes"), t("overview.gaps"), t("overview.age")],
        [
            [Link(lane.receiver, url("lanes", lane.receiver, lane.module)), lane.module,
             Chip(lane.status), Number(lane.backlog), Number(lane.gaps),
             Number(max(lane.age_s, lane.oldest_gap_s))]
            for lane in found.lanes[:TOP_RECEIVERS]
        ],
        t("overview.no_backlog"),
    )  # fmt: skip


def _custody(found: OverviewNow) -> Grid:
    counts = found.figures.custody if found.figures else ()
    return Grid(
        t("overview.custody"),
        [t("overview.module"), t("overview.state"), t("overview.objects"), t("overview.oldest")],
        [
            [
                Link(t.word(count.module), _in_state(count.state, count.module)),
                Chip(count.state),
                Number(count.objects),
                At(count.oldest_at),
            ]
            for count in counts
        ],
        t("overview.nothing_in_custody"),
    )


def _in_state(state: str, module: str = "cdrs") -> str:
    """The list of what is in custody like this: CDRs and sessions have one each."""
    return url(module, state=state)
