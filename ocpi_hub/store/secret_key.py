"""The hub's secret key: seals the tokens it has to present, and blinds what goes into logs."""

from __future__ import annotations

import contextlib
import functools
import hmac
import os
import secrets
import stat
import tempfile
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from ocpi_hub.errors import ConfigError
from ocpi_hub.settings import Settings, decode_key
from ocpi_hub.store.directories import make_directories

_FORMAT = b"\x01"  # format, key id, nonce, ciphertext with tag
_KEY_ID_BYTES = 4
_NONCE_BYTES = 12
_MAC_HEX_DIGITS = 16
_FILE_NAME = "secret.key"
REMEMBERED = 100
"""Characters of a value whose hash is remembered: more than a uid has."""


@dataclass(frozen=True, slots=True, repr=False)
class _Key:
    """One secret key and what is derived from it; the key itself is used for nothing else."""

    master: bytes

    def derive(self, purpose: str, length: int = 32) -> bytes:
        info = b"ocpi-hub " + purpose.encode()
        return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(self.master)


class Keyring:
    """The key in use, and older ones that only open.

    Args:
        key: 32 bytes.
        old_keys: keys that were in use before.
    """

    def __init__(self, key: bytes, old_keys: tuple[bytes, ...] = ()) -> None:
        self._ciphers: dict[bytes, AESGCM] = {}
        for master in (*reversed(old_keys), key):
            derived = _Key(master)
            key_id = derived.derive("key id", _KEY_ID_BYTES)
            self._ciphers[key_id] = AESGCM(derived.derive("seal"))
            self._key_id = key_id
        self._key = _Key(key)
        self._mac_keys: dict[str, bytes] = {}
        # The same few thousand values come again and again.
        self._known_mac = functools.lru_cache(maxsize=8192)(self._mac)

    def seal(self, text: str, *, context: str) -> bytes:
        """Encrypt. `context` says whose it is (a platform id): it opens with the same one only."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        cipher = self._ciphers[self._key_id]
        return (
            _FORMAT + self._key_id + nonce + cipher.encrypt(nonce, text.encode(), context.encode())
        )

    def open(self, sealed: bytes, *, context: str) -> str:
        """Decrypt.

        Raises:
            ConfigError: it was sealed with a key we do not have.
            ValueError: it was tampered with, or belongs to another context.
        """
        key_id, rest = sealed[1 : 1 + _KEY_ID_BYTES], sealed[1 + _KEY_ID_BYTES :]
        if not sealed.startswith(_FORMAT) or len(rest) < _NONCE_BYTES:
            raise ValueError("this is not a sealed value")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise ConfigError(
                "secret_key: a stored token was sealed with another key. Set secret_key to the key"
                " this database was used with, or add that key to old_secret_keys"
            )
        try:
            text = cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], context.encode())
        except InvalidTag:
            raise ValueError(f"the sealed value does not belong to {context}") from None
        return text.decode()

    def mac(self, purpose: str, value: str) -> str:
        """A short keyed hash, for naming a thing in logs without telling it.

        Equal values are equal within one purpose and one key; values of different purposes cannot
        be linked.
        """
        return (self._known_mac if len(value) <= REMEMBERED else self._mac)(purpose, value)

    def _mac(self, purpose: str, value: str) -> str:
        key = self._mac_keys.get(purpose)
        if key is None:
            key = self._mac_keys[purpose] = self._key.derive(f"mac {purpose}")
        return hmac.digest(key, value.encode(), "sha256").hex()[:_MAC_HEX_DIGITS]


def load_keyring(settings: Settings) -> Keyring:
    """The configured key, or with the embedded database one generated in the data directory.

    Raises:
        ConfigError: the key file cannot be read or made, others can read it, or it holds no key.
    """
    old = tuple(decode_key(key) for key in settings.old_secret_keys)
    return Keyring(_current_key(settings), old)


def key_for_workers(settings: Settings) -> str:
    """The key in use as base64, for worker processes that are given a database address.

    Raises:
        ConfigError: as `load_keyring`.
    """
    return b64encode(_current_key(settings)).decode()


def _current_key(settings: Settings) -> bytes:
    if settings.secret_key.get_secret_value():
        return decode_key(settings.secret_key)
    if settings.database_url.get_secret_value():
        raise ConfigError("secret_key is required with database_url")
    path = settings.data_path / _FILE_NAME
    try:
        if not path.exists():
            _generate(path)
        return _read(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read or made: {error.strerror}") from None


def _generate(path: Path) -> None:
    """Write a new key; if another process is faster, its key stays."""
    make_directories(path.parent)
    handle, name = tempfile.mkstemp(prefix=".secret-", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(b64encode(secrets.token_bytes(32)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
            raise ConfigError(
                f"{path} can be read by other accounts: whoever read it can open the stored tokens."
                f" chmod 600 {path}, and replace the key if that may have happened"
            )
        if status.st_uid != os.geteuid():
            raise ConfigError(f"{path} belongs to another account (user id {status.st_uid})")
        text = file.read(1024).decode("ascii", errors="replace").strip()
    try:
        return decode_key(SecretStr(text))
    except ValueError as error:
        raise ConfigError(f"{path} {error}: restore it from your backup") from None
