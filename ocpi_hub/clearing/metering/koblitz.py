"""Signatures on secp192k1, which meters use and OpenSSL has not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

# The package has no types.
from ecdsa import BadSignatureError, VerifyingKey, der  # type: ignore[import-untyped]
from ecdsa.curves import Curve  # type: ignore[import-untyped]
from ecdsa.ellipticcurve import CurveFp, PointJacobi  # type: ignore[import-untyped]
from ecdsa.errors import MalformedPointError  # type: ignore[import-untyped]
from ecdsa.util import sigdecode_der  # type: ignore[import-untyped]

NAME: Final = "secp192k1"
SIZE: Final = 24
"""Bytes of each number of a signature."""
_OID: Final = (1, 3, 132, 0, 31)

# SEC 2, version 2.0, section 2.2.1.
_P: Final = 2**192 - 2**32 - 4553
_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFE26F2FC170F69466A74DEFD8D
_X: Final = 0xDB4FF10EC057E9AE26B07D0280B7F4341DA5D1B1EAE06C7D
_Y: Final = 0x9B2F2F6D9C5628A7844163D015BE86344082AA88D95E2F9D
_FIELD: Final = CurveFp(_P, 0, 3, 1)
CURVE: Final = Curve(
    "SECP192k1", _FIELD, PointJacobi(_FIELD, _X, _Y, 1, _ORDER, generator=True), _OID
)


def point_of(key: bytes) -> bytes | None:
    """The point of a DER key on this curve; None when it is another key, or none."""
    try:
        whole, _ = der.remove_sequence(key)
        algorithm, rest = der.remove_sequence(whole)
        _, parameters = der.remove_object(algorithm)
        curve, _ = der.remove_object(parameters)
        if curve != _OID:
            return None
        point, _ = der.remove_bitstring(rest, 0)
    except (der.UnexpectedDER, ValueError, IndexError):
        return None
    return bytes(point)


def verifier(point: bytes) -> Callable[[bytes, bytes, str], bool]:
    """What verifies signatures of the key with this point: signature, text, name of the hash.

    Raises:
        ValueError: it is no point of the curve.
    """
    try:
        key = VerifyingKey.from_string(point, curve=CURVE)
    except MalformedPointError as error:
        raise ValueError(str(error)) from None

    def accepts(signature: bytes, signed: bytes, digest: str) -> bool:
        try:
            return bool(
                key.verify(
                    signature, signed, hashfunc=getattr(hashlib, digest), sigdecode=sigdecode_der,
                    allow_truncate=True,
                )
            )  # fmt: skip
        except (BadSignatureError, ValueError, IndexError):  # the last two for broken DER
            return False

    return accepts
