"""What the acts share: the world, the plan, and what has happened so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ocpi_hub.demo.authorizing import Answered, authorize
from ocpi_hub.demo.billing import Billing
from ocpi_hub.demo.cdrs import DemoCdr
from ocpi_hub.demo.crawls import Crawl
from ocpi_hub.demo.plan import Ask, Plan
from ocpi_hub.demo.report import Report, latency
from ocpi_hub.demo.sessions import Charging, DemoSession
from ocpi_hub.demo.traffic import Traffic
from ocpi_hub.demo.wishes import Asked
from ocpi_hub.demo.world import World
from ocpi_hub.ocpi.v2_2_1.tokens import AllowedType

SETTLE_TIMEOUT_S = 90.0
"""Seconds to wait for what the hub does in its own time, before the checks tell what is missing."""


@dataclass(slots=True)
class Story:
    """What the acts work on and leave behind for the checks.

    Attributes:
        asked: what drivers wanted done by app.
        ongoing: Sessions that go on until the cars stop.
    """

    world: World
    plan: Plan
    report: Report
    answers: dict[str, Sequence[Answered]] = field(default_factory=dict)
    cdrs: list[DemoCdr] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    asked: list[Asked] = field(default_factory=list)
    ongoing: list[DemoSession] = field(default_factory=list)
    crawls: list[Crawl] = field(default_factory=list)
    billing: Billing = field(init=False)
    traffic: Traffic = field(init=False)
    charging: Charging = field(init=False)

    def __post_init__(self) -> None:
        self.billing = Billing(self.world.cpos)
        self.traffic = Traffic(self.world.cpos)
        self.charging = Charging(self.world.cpos)

    @property
    def all_answers(self) -> list[Answered]:
        return [answered for act in self.answers.values() for answered in act]


async def authorize_act(story: Story, name: str, asks: Sequence[Ask], pace: int) -> None:
    with story.report.progress(name, len(asks)) as progress:
        answers = await authorize(story.world.parties, asks, pace, progress)
    story.answers[name] = answers
    yes = sum(answered.allowed == AllowedType.ALLOWED for answered in answers)
    text = f"{len(answers):4}, {yes:3} allowed, {latency([each.ms for each in answers])}"
    story.report.line(name, text)


async def send_cdrs(story: Story, cdrs: Sequence[DemoCdr]) -> None:
    with story.report.progress("CDRs", len(cdrs)) as progress:
        await story.billing.send(cdrs, progress)
