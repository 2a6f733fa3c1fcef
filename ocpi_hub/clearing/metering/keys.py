"""Public keys of meters: DER, PEM, or the bare point, in hex or base64.

cryptography verifies on all curves but secp192k1, which OpenSSL has not and which devices use; for
that one there is the `ecdsa` package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from ocpi_hub.clearing.metering import koblitz
from ocpi_hub.clearing.metering.model import MAX_KEY_CHARACTERS, NotVerifiable, Reason
from ocpi_hub.clearing.metering.text import from_base64, from_hex
from ocpi_hub.domain.value import value

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

HASHES: Final[Mapping[str, type[hashes.HashAlgorithm]]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
_CURVES: Final[Mapping[str, type[ec.EllipticCurve]]] = {
    each.name.casefold(): each
    for each in (
        ec.SECP192R1,
        ec.SECP224R1,
        ec.SECP256R1,
        ec.SECP256K1,
        ec.SECP384R1,
        ec.SECP521R1,
        ec.BrainpoolP256R1,
        ec.BrainpoolP384R1,
        ec.BrainpoolP512R1,
    )
}
_PEM_MARK: Final = "-----"


@value
class Key:
    """A public key.

    Attributes:
        curve: as OCMF names it, in small letters.
        accepts: whether a DER signature over a text is this key's, by the name of the hash.
    """

    curve: str
    size: int
    accepts: Callable[[bytes, bytes, str], bool]


def read_key(sent: str, curve: str) -> Key:
    """A key as partners send it.

    Args:
        curve: that the record's algorithm names; a bare point does not tell its own.

    Raises:
        NotVerifiable: it cannot be read, or its curve is not known here.
    """
    if len(sent) > MAX_KEY_CHARACTERS:
        raise NotVerifiable(Reason.TOO_LARGE, "the public key is too long")
    text = "".join(line for line in sent.splitlines() if _PEM_MARK not in line).strip()
    found = from_hex(text) or from_base64(text)
    if not found:
        raise NotVerifiable(Reason.KEY_UNREADABLE, "the public key is neither hex nor base64")
    # A DER key says its length; a bare point that begins like that is one in 20,000.
    if found[0] == 0x30 and found[1:2] in (bytes([(len(found) - 2) & 0xFF]), b"\x81", b"\x82"):
        return _from_der(found)
    return _from_point(found, curve.casefold())


def _from_der(found: bytes) -> Key:
    point = koblitz.point_of(found)
    if point is not None:
        return _koblitz_key(point)
    try:
        key: PublicKeyTypes = serialization.load_der_public_key(found)
    except UnsupportedAlgorithm:
        raise NotVerifiable(
            Reason.CURVE_UNSUPPORTED, "the public key is on a curve that is not known here"
        ) from None
    except (ValueError, TypeError):
        raise NotVerifiable(Reason.KEY_UNREADABLE, "the public key cannot be read") from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise NotVerifiable(Reason.CURVE_UNSUPPORTED, "the public key is on no elliptic curve")
    return _openssl_key(key)


def _from_point(found: bytes, curve: str) -> Key:
    """A bare point, with or without the byte that says that it is complete."""
    point = found if len(found) % 2 else b"\x04" + found
    if curve == koblitz.NAME:
        return _koblitz_key(point)
    known = _CURVES.get(curve)
    if known is None:
        raise NotVerifiable(
            Reason.CURVE_UNSUPPORTED, "the record names a curve that is not known here"
        )
    try:
        return _openssl_key(ec.EllipticCurvePublicKey.from_encoded_point(known(), point))
    except (ValueError, UnsupportedAlgorithm):
        raise NotVerifiable(Reason.KEY_UNREADABLE, "the public key is no point") from None


def _openssl_key(key: ec.EllipticCurvePublicKey) -> Key:
    def accepts(signature: bytes, signed: bytes, digest: str) -> bool:
        try:
            key.verify(signature, signed, ec.ECDSA(HASHES[digest]()))
        except InvalidSignature:
            return False
        return True

    return Key(key.curve.name.casefold(), (key.curve.key_size + 7) // 8, accepts)


def _koblitz_key(point: bytes) -> Key:
    try:
        accepts = koblitz.verifier(point)
    except ValueError:
        raise NotVerifiable(Reason.KEY_UNREADABLE, "the public key is no point") from None
    return Key(koblitz.NAME, koblitz.SIZE, accepts)


def der_signature(found: bytes, size: int) -> bytes:
    """A signature in DER; some devices write both numbers one behind the other instead."""
    if len(found) != 2 * size or found[:2] == bytes((0x30, len(found) - 2)):
        return found
    return encode_dss_signature(
        int.from_bytes(found[:size], "big"), int.from_bytes(found[size:], "big")
    )
