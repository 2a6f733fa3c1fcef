"""Which tariff prices a period: the CDR's own, as it was when the session started; for ids that the
CDR does not hold, one that was given beside it."""

from __future__ import annotations

from collections.abc import Sequence

from ocpi_hub.clearing.pricing.model import Findings, NotCheckable, shown
from ocpi_hub.clearing.pricing.tariff import Tariff, prepare
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from ocpi_hub.ocpi.v2_2_1.tariffs import Tariff as OcpiTariff


class TariffChoice:
    """The tariffs of a session, by the ids that its periods name.

    Attributes:
        used: those that were asked for.
        only: place of the tariff for periods that name none, if there is one choice.

    Raises:
        NotCheckable: there is no tariff, or the only one cannot be used.
    """

    def __init__(self, cdr: CDR, stored: Sequence[OcpiTariff], findings: Findings) -> None:
        self._currency = cdr.currency
        self._findings = findings
        self._own = self._by_id(cdr.tariffs, "tariffs")
        self._stored = self._by_id(stored, "the stored tariffs")
        self._places: dict[str, int] = {}
        self.used: list[Tariff] = []
        choice = self._own or self._stored
        if not choice:
            raise NotCheckable("no_tariff", "the CDR has no tariff, and none was given")
        self.only: int | None = None
        if len(choice) == 1:
            self.only = self.place(next(iter(choice)))

    def _by_id(self, tariffs: Sequence[OcpiTariff], where: str) -> dict[str, OcpiTariff]:
        found: dict[str, OcpiTariff] = {}
        for each in tariffs:
            if each.id.casefold() in found:
                self._findings.add("tariff_twice", "of tariffs with one id the first counts", where)
            found.setdefault(each.id.casefold(), each)
        return found

    def place(self, tariff_id: str) -> int:
        """Raises:
        NotCheckable: there is no such tariff, or it cannot be used.
        """
        place = self._places.get(tariff_id)
        if place is not None:
            return place
        key = tariff_id.casefold()
        source = self._own.get(key)
        if source is None:
            source = self._stored.get(key)
            if source is None:
                raise NotCheckable("tariff_missing", f"tariff {shown(tariff_id)} is not in the CDR")
            if self._own:
                text = "a tariff that the CDR names but does not hold is taken from those given"
                self._findings.add("tariff_not_in_cdr", text, shown(tariff_id))
        if source.currency.upper() != self._currency.upper():
            raise NotCheckable(
                "currency_differs",
                f"tariff {shown(source.id)} is in {shown(source.currency)},"
                f" the CDR in {shown(self._currency)}",
            )
        place = self._places.get(key)
        if place is None:
            place = len(self.used)
            self.used.append(prepare(place, source, self._findings))
            self._places[key] = place
        self._places[tariff_id] = place
        return place


def look_at_validity(tariff: OcpiTariff, cdr: CDR, findings: Findings) -> None:
    """A tariff is judged by the start of the session; outside its time it still prices it."""
    start = cdr.start_date_time
    begins, ends = tariff.start_date_time, tariff.end_date_time
    if (begins is not None and start < begins) or (ends is not None and start >= ends):
        text = "a tariff was not valid when the session started"
        findings.add("tariff_not_valid", text, shown(tariff.id))
    if tariff.last_updated > start:
        text = "a tariff was changed after the session had started"
        findings.add("tariff_changed", text, shown(tariff.id))
