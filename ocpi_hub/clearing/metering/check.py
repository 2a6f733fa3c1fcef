"""Signed meter data of one CDR, from what was sent to what it proves."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from ocpi_hub.clearing.metering.energy import Metered, metered
from ocpi_hub.clearing.metering.keys import read_key
from ocpi_hub.clearing.metering.model import (
    MAX_VALUES,
    MeteringResult,
    Note,
    NotVerifiable,
    Reason,
)
from ocpi_hub.clearing.metering.record import Record, read_record
from ocpi_hub.clearing.metering.signature import algorithm_of, is_signed
from ocpi_hub.clearing.metering.text import device_bytes
from ocpi_hub.ocpi.v2_2_1.cdrs import SignedData, SignedValue

OCMF: Final = "OCMF"
_PLACES: Final = {"start": 0, "end": 2}
_SHOWN: Final = 40


def verify(signed: SignedData, *, total_energy_kwh: Decimal) -> MeteringResult:
    """What signed meter data proves, and how the CDR's energy stands to it.

    Every value has to be signed by the public key beside it; the first that is not decides, and a
    wrong signature comes before one that cannot be verified. That the key is the meter's, nobody
    can tell from a CDR. Spec: 2.2.1 mod_cdrs_signed_data_class.
    """
    if not signed.encoding_method.strip().casefold().startswith(OCMF.casefold()):
        method = _shown(signed.encoding_method)
        return MeteringResult(
            Reason.ENCODING_UNSUPPORTED,
            "signed data of this encoding_method cannot be read here",
            method,
            values=len(signed.signed_values),
        )
    if len(signed.signed_values) > MAX_VALUES:
        return MeteringResult(
            Reason.TOO_LARGE,
            f"there are more than {MAX_VALUES} signed values",
            OCMF,
            values=len(signed.signed_values),
        )
    return _Looking(signed).result(total_energy_kwh)


class _Looking:
    """One look at all values of a CDR."""

    def __init__(self, signed: SignedData) -> None:
        self._values = sorted(signed.signed_values, key=_place)
        self._key = signed.public_key
        self._failed: list[NotVerifiable] = []
        self._notes: dict[Note, None] = {}
        self._wrong = 0
        self._verified = 0

    def result(self, total_energy_kwh: Decimal) -> MeteringResult:
        records = [each for each in map(self._read, self._values) if each is not None]
        for record in records:
            self._verify(record)
        told = self._metered(records) if len(records) == len(self._values) else _NOTHING
        energy = told.energy_kwh
        reason, message = self._reason()
        return MeteringResult(
            reason=reason,
            message=message,
            encoding=OCMF,
            energy_kwh=energy,
            begin=told.begin,
            end=told.end,
            meter=self._meter(records),
            difference_kwh=None if energy is None else total_energy_kwh - energy,
            verified=self._verified,
            values=len(self._values),
            notes=tuple(self._notes) + told.notes,
        )

    def _read(self, sent: SignedValue) -> Record | None:
        try:
            found, note = device_bytes(sent.signed_data)
            if note is not None:
                self._notes[note] = None
            return read_record(found)
        except NotVerifiable as failed:
            self._failed.append(failed)
            return None

    def _verify(self, record: Record) -> None:
        try:
            algorithm = algorithm_of(record.signature)
            sent = self._key or record.key
            if not sent:
                raise NotVerifiable(Reason.NO_KEY, "there is no public key")
            if not self._key:
                self._notes[Note.KEY_IN_RECORD] = None
            key = read_key(sent, algorithm.curve)
            if key.curve != algorithm.curve:
                self._notes[Note.CURVE_DIFFERS] = None
            signed = is_signed(record, key, algorithm)
        except NotVerifiable as failed:
            self._failed.append(failed)
            return
        if signed:
            self._verified += 1
        else:
            self._wrong += 1

    def _metered(self, records: Sequence[Record]) -> Metered:
        try:
            return metered([each.content for each in records])
        except NotVerifiable as failed:
            self._failed.append(failed)
            return _NOTHING

    def _meter(self, records: Sequence[Record]) -> str | None:
        names = [each.content.get("MS") for each in records]
        told = [_shown(each) for each in names if isinstance(each, str) and each]
        if len(set(told)) > 1:
            self._notes[Note.METERS_DIFFER] = None
        return told[0] if told else None

    def _reason(self) -> tuple[Reason, str]:
        if self._wrong:
            return (
                Reason.SIGNATURE_WRONG,
                f"{self._wrong} of {len(self._values)} signatures do not fit record and key",
            )
        if self._failed:
            return self._failed[0].reason, self._failed[0].message
        return Reason.VERIFIED, f"the key signed {self._verified} of {len(self._values)} records"


_NOTHING: Final = Metered(None, None, None, (Note.READINGS_INCOMPLETE,))


def _place(sent: SignedValue) -> int:
    return _PLACES.get(sent.nature.strip().casefold(), 1)


def _shown(text: str) -> str:
    """A partner's words, short and without what moves a cursor."""
    return "".join(each if each.isprintable() else "?" for each in text[:_SHOWN])
