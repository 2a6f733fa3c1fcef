"""PATCH on stored text. Spec: 2.2.1 transport_and_format_patch (TF-21, TF-22)."""

from __future__ import annotations

import json

from ocpi_hub.ocpi.json_text import members


def merge_patch(stored: str, patch: str) -> str:
    """The stored object after a PATCH.

    Each top-level field of the patch replaces the stored one whole; null removes it. Stored fields
    keep their order and text, new ones follow at the end. The result may lack a required field
    (a patch may null one): validate it before it is stored.

    Args:
        stored: JSON text of an object.
        patch: JSON text of an object; of a repeated key the last one counts.

    Raises:
        ValueError: one of the texts is not a JSON object.
    """
    merged = dict(members(stored))
    for key, text in dict(members(patch)).items():
        if text == "null":
            merged.pop(key, None)
        else:
            merged[key] = text
    body = ",".join(f"{json.dumps(key, ensure_ascii=False)}:{text}" for key, text in merged.items())
    return f"{{{body}}}"
