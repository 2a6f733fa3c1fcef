"""Whether a record is signed by the owner of a key."""

from __future__ import annotations

from typing import Final

from ocpi_hub.clearing.metering.keys import HASHES, Key, der_signature
from ocpi_hub.clearing.metering.model import NotVerifiable, Reason
from ocpi_hub.clearing.metering.record import Object, Record
from ocpi_hub.clearing.metering.text import from_base64, from_hex
from ocpi_hub.domain.value import value

DEFAULT_ALGORITHM: Final = "ECDSA-secp256r1-SHA256"
_ALIASES: Final = {
    "prime192v1": "secp192r1",
    "prime256v1": "secp256r1",
    **{f"brainpool{size}r1": f"brainpoolp{size}r1" for size in (256, 384, 512)},
}
"""Other names of curves; OCMF's own list has the last ones without their P."""


@value
class Algorithm:
    """A signature algorithm: `ECDSA-curve-hash`, parts in small letters."""

    curve: str
    digest: str


def algorithm_of(section: Object) -> Algorithm:
    """The algorithm that a signature section names.

    Raises:
        NotVerifiable: it is none that is known here.
    """
    named = section.get("SA") or DEFAULT_ALGORITHM
    parts = named.casefold().split("-") if isinstance(named, str) else []
    if len(parts) != 3 or parts[0] != "ecdsa" or parts[2] not in HASHES:
        raise NotVerifiable(
            Reason.ALGORITHM_UNSUPPORTED, "a record names a signature algorithm not known here"
        )
    return Algorithm(_ALIASES.get(parts[1], parts[1]), parts[2])


def is_signed(record: Record, key: Key, algorithm: Algorithm) -> bool:
    """Whether the key's owner signed the record.

    Raises:
        NotVerifiable: the signature cannot be read.
    """
    signature = _signature(record.signature)
    return key.accepts(der_signature(signature, key.size), record.payload, algorithm.digest)


def _signature(section: Object) -> bytes:
    data, encoding = section.get("SD"), section.get("SE")
    found = None
    if isinstance(data, str):
        found = None if encoding == "base64" else from_hex(data)
        if found is None:
            found = from_base64(data)
    if not found:
        raise NotVerifiable(
            Reason.SIGNATURE_UNREADABLE, "the signature of a record is neither hex nor base64"
        )
    return found
