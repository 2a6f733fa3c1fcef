"""Meters that sign what they show, as OCMF records."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ocpi_hub.ocpi.v2_2_1.cdrs import SignedData

IMPORT = "01-00:B2.08.00*FF"
_SECRET = 20_260_222_000


class Meter:
    """A meter with a key of its own, the same in each run.

    Args:
        number: of the meter; tells its key.
    """

    def __init__(self, curve: ec.EllipticCurve | None = None, *, number: int = 1) -> None:
        self._curve = curve or ec.SECP256R1()
        self._key = ec.derive_private_key(_SECRET + number, self._curve)
        self._algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        self.serial = f"1TST{number:010}"
        self.public_key = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.key = base64.b64encode(self.public_key).decode()

    @property
    def algorithm(self) -> str:
        return f"ECDSA-{self._curve.name}-SHA256"

    @property
    def point(self) -> bytes:
        """The public key without anything around it."""
        return self._key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )

    def sign(self, payload: bytes) -> bytes:
        return self._key.sign(payload, self._algorithm)

    def record(self, payload: Mapping[str, Any] | str, **signature: Any) -> str:
        """A record of a payload, which a text gives as it is to be signed."""
        text = payload if isinstance(payload, str) else dense({"MS": self.serial, **payload})
        section = {"SA": self.algorithm, "SD": self.sign(text.encode()).hex(), **signature}
        return f"OCMF|{text}|{dense(section)}"

    def session(self, begin: datetime, end: datetime, first_wh: int, last_wh: int) -> str:
        """One record with the reading of the begin and that of the end."""
        readings = [reading(begin, "B", first_wh), reading(end, "E", last_wh)]
        return self.record({"FV": "1.0", "PG": "T1", "RD": readings})


def reading(at: datetime, kind: str, wh: int, **fields: Any) -> dict[str, Any]:
    """A reading in kWh with three places."""
    moment = at.strftime("%Y-%m-%dT%H:%M:%S,000%z S")
    shown = {"RV": f"{wh / 1000:.3f}", "RI": IMPORT, "RU": "kWh", "ST": "G"}
    return {"TM": moment, "TX": kind, **shown, **fields}


def dense(told: object) -> str:
    return json.dumps(told, separators=(",", ":"))


def encoded(record: str | bytes) -> str:
    """As OCPI wants it."""
    return base64.b64encode(record.encode() if isinstance(record, str) else record).decode()


def signed_data(*records: str | Sequence[str], key: str | None, method: str = "OCMF") -> SignedData:
    """Signed values as they come in a CDR; a pair is nature and content."""
    pairs = [("Start/End", each) if isinstance(each, str) else (each[0], each[1])
             for each in records]  # fmt: skip
    values = [{"nature": nature, "plain_data": "", "signed_data": text} for nature, text in pairs]
    told: dict[str, Any] = {"encoding_method": method, "signed_values": values}
    return SignedData.model_validate(told if key is None else {**told, "public_key": key})
