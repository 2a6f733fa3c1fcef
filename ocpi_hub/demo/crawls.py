"""GET All: a party reads a list of the hub from its first page to its last."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ocpi_hub.demo.parties import HUB, Company
from ocpi_hub.demo.processes import Party
from ocpi_hub.domain.party import InterfaceRole
from ocpi_hub.errors import OperatorError
from ocpi_hub.ocpi.headers import LIMIT, LINK, TOTAL_COUNT, next_link
from ocpi_hub.ocpi.status_codes import StatusCode

MAX_PAGES = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it came.

    Attributes:
        total: X-Total-Count.
        limit: X-Limit.
        link: to the next page; None on the last one.
    """

    total: str
    limit: str
    link: str | None
    objects: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Crawl:
    """A list as a party read it.

    Attributes:
        limit: objects asked for a page.
        expected: keys of all objects that the reader may see, see `key_of`.
        again: the second page, asked for once more when the last one was read.
    """

    reader: Company
    module: str
    limit: int
    expected: Collection[str]
    pages: Sequence[Page]
    again: Page | None

    @property
    def objects(self) -> list[Mapping[str, Any]]:
        return [each for page in self.pages for each in page.objects]

    def faults(self) -> Iterator[str]:
        """What is wrong with it."""
        name = f"the list of {self.module} for {self.reader.name}"
        counted = Counter(key_of(each) for each in self.objects)
        for key in sorted(set(self.expected) - counted.keys()):
            yield f"{name} lacks {key}"
        for key in sorted(counted.keys() - set(self.expected)):
            yield f"{name} shows {key}, which is not for it"
        for key, count in counted.items():
            if count > 1:
                yield f"{name} shows {key} {count} times"
        totals = {page.total for page in self.pages}
        if totals != {str(len(self.expected))}:
            yield f"{name} says {sorted(totals)} objects in all, expected {len(self.expected)}"
        for page in self.pages:
            if len(page.objects) > self.limit:
                yield f"{name} has a page of {len(page.objects)}, asked for {self.limit}"
        if self.again is not None and _keys(self.again) != _keys(self.pages[1]):
            yield f"{name} has another second page when it is asked for again"


def key_of(value: Mapping[str, Any]) -> str:
    """What tells objects of a list apart."""
    identifier = value["uid"] if "contract_id" in value else value["id"]
    return f"{value['country_code']}*{value['party_id']} {identifier}"


def _keys(page: Page) -> list[str]:
    return [key_of(each) for each in page.objects]


async def crawl(
    party: Party, module: str, limit: int, expected: Collection[str], **query: str
) -> Crawl:
    """Read the hub's whole list by the links in its answers.

    Raises:
        OperatorError: a page was refused, or the links do not end.
    """
    wanted = {"module": module, "role": InterfaceRole.SENDER.value, "to": str(HUB)}
    page = await _page(party, wanted | {"query": {"limit": str(limit), **query}})
    pages = [page]
    while page.link is not None:
        if len(pages) == MAX_PAGES:
            raise OperatorError(f"{party.company.name}: the list of {module} does not end")
        page = await _page(party, wanted | {"url": page.link})
        pages.append(page)
    second = pages[0].link
    again = await _page(party, wanted | {"url": second}) if second is not None else None
    return Crawl(party.company, module, limit, expected, pages, again)


async def _page(party: Party, request: Mapping[str, object]) -> Page:
    """Raises: OperatorError: it was refused."""
    [answer] = await party.send_many([request], 1)
    if answer.get("ocpi") != StatusCode.SUCCESS:
        raise OperatorError(f"{party.company.name}: a list was refused: {answer}")
    headers = answer["headers"]
    return Page(
        total=headers.get(TOTAL_COUNT.lower(), ""),
        limit=headers.get(LIMIT.lower(), ""),
        link=next_link(headers.get(LINK.lower())),
        objects=json.loads(answer["body"])["data"],
    )
