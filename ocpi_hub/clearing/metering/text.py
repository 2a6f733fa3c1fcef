"""From what stands in `signed_data` to the bytes that a device wrote.

OCPI asks for base64; text and hex are met as well. Spec: 2.2.1 mod_cdrs_signed_value_class.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from ocpi_hub.clearing.metering.model import MAX_CHARACTERS, Note, NotVerifiable, Reason

PREFIX: Final = b"OCMF|"
_BASE64_SIGNS: Final = str.maketrans("-_", "+/", "=")


def device_bytes(sent: str) -> tuple[bytes, Note | None]:
    """A record as its device wrote it, and what is unusual about how it was sent.

    Raises:
        NotVerifiable: it is larger than anything a device writes.
    """
    if len(sent) > MAX_CHARACTERS:
        raise NotVerifiable(
            Reason.TOO_LARGE, f"a signed value has more than {MAX_CHARACTERS} characters"
        )
    text = sent.strip().removeprefix("\ufeff")
    if text.startswith("OCMF|"):
        return text.encode("utf-8", "surrogatepass"), Note.SENT_AS_TEXT
    found = from_hex(text)
    if found is not None and found.startswith(PREFIX):
        return found.strip(), Note.SENT_AS_HEX
    return (from_base64(text) or b"").strip(), None


def from_hex(text: str) -> bytes | None:
    """The bytes of hexadecimal text; spaces may divide it."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None


def from_base64(text: str) -> bytes | None:
    """The bytes of base64 text, with or without padding and line breaks, of either alphabet. What
    was cut off leaves the bytes before it."""
    signs = "".join(text.split()).translate(_BASE64_SIGNS)
    if len(signs) % 4 == 1:
        signs = signs[:-1]
    try:
        return base64.b64decode(signs + "=" * (-len(signs) % 4), validate=True)
    except (binascii.Error, ValueError):  # ValueError: signs beyond ASCII
        return None
