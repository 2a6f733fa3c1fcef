"""What browsers keep: style sheet, scripts, icon. A name holds the digest of the content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from ocpi_hub.console.visit import BASE

_TYPES = {
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
    "json": "application/json",
    "txt": "text/plain",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file, in memory."""

    name: str
    content: bytes
    content_type: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()[:16]

    @property
    def url(self) -> str:
        return f"{BASE}/static/{self.digest}/{self.name}"


class Assets:
    """All files of `static/`, by name."""

    def __init__(self) -> None:
        self._assets: Mapping[str, Asset] = {
            file.name: Asset(file.name, file.read_bytes(), _TYPES[ending])
            for file in resources.files("ocpi_hub.console").joinpath("static").iterdir()
            for ending in [file.name.rpartition(".")[2]]
            if ending in _TYPES
        }
        self._urls = {name: asset.url for name, asset in self._assets.items()}

    def url(self, name: str) -> str:
        return self._urls[name]

    def find(self, digest: str, name: str) -> Asset | None:
        """None: no such file, or another content of it."""
        asset = self._assets.get(name)
        return asset if asset is not None and asset.digest == digest else None
