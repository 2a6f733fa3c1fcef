"""Sealing, blinding, and the generated key file."""

from __future__ import annotations

import base64
import multiprocessing
import os
import secrets
from pathlib import Path

import pytest

from ocpi_hub.errors import ConfigError
from ocpi_hub.settings import Settings, load_settings
from ocpi_hub.store.secret_key import Keyring, key_for_workers, load_keyring

KEY, OTHER = b"k" * 32, b"o" * 32


def settings_in(directory: Path) -> Settings:
    return load_settings(data_dir=str(directory), secret_key="", database_url="")


def test_sealed_text_opens_in_its_context_only() -> None:
    keyring = Keyring(KEY)
    sealed = keyring.seal("a token, ünïcode", context="platform-1")
    assert keyring.open(sealed, context="platform-1") == "a token, ünïcode"
    with pytest.raises(ValueError, match="platform-2"):
        keyring.open(sealed, context="platform-2")


def test_sealing_twice_differs_and_shows_nothing() -> None:
    keyring = Keyring(KEY)
    first, second = (keyring.seal("secret-token", context="p") for _ in range(2))
    assert first != second
    assert b"secret-token" not in first


def test_changed_bytes_are_refused() -> None:
    keyring = Keyring(KEY)
    sealed = keyring.seal("text", context="p")
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises((ValueError, ConfigError)):
            keyring.open(bytes(changed), context="p")
    for short in (b"", b"\x01", sealed[:10], sealed[:17]):
        with pytest.raises((ValueError, ConfigError)):
            keyring.open(short, context="p")


def test_old_key_still_opens_and_the_new_one_seals() -> None:
    sealed = Keyring(OTHER).seal("text", context="p")
    rotated = Keyring(KEY, (OTHER,))
    assert rotated.open(sealed, context="p") == "text"
    assert Keyring(KEY).open(rotated.seal("new", context="p"), context="p") == "new"


def test_unknown_key_says_what_to_do() -> None:
    sealed = Keyring(OTHER).seal("text", context="p")
    with pytest.raises(ConfigError, match="old_secret_keys"):
        Keyring(KEY).open(sealed, context="p")


def test_mac_is_stable_within_purpose_and_key_only() -> None:
    keyring = Keyring(KEY)
    blind = keyring.mac("token uid", "04AB12CD")
    assert (
        blind == keyring.mac("token uid", "04AB12CD") == Keyring(KEY).mac("token uid", "04AB12CD")
    )
    assert len(blind) == 16
    assert int(blind, 16) >= 0
    others = {
        keyring.mac("contract", "04AB12CD"),
        keyring.mac("token uid", "04AB12CE"),
        Keyring(OTHER).mac("token uid", "04AB12CD"),
    }
    assert len(others | {blind}) == 4


def test_printing_shows_no_key() -> None:
    assert "kkkk" not in repr(Keyring(KEY)) + str(vars(Keyring(KEY)))


def test_configured_key_wins_and_makes_no_file(tmp_path: Path) -> None:
    key = base64.b64encode(KEY).decode()
    settings = load_settings(data_dir=str(tmp_path), secret_key=key, database_url="")
    sealed = Keyring(KEY).seal("text", context="p")
    assert load_keyring(settings).open(sealed, context="p") == "text"
    assert key_for_workers(settings) == key
    assert list(tmp_path.iterdir()) == []


def test_generated_key_is_private_and_stays(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    before = os.umask(0)
    try:
        sealed = load_keyring(settings).seal("text", context="p")
    finally:
        os.umask(before)
    path = tmp_path / "data" / "secret.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_keyring(settings).open(sealed, context="p") == "text"
    assert len(base64.b64decode(key_for_workers(settings))) == 32
    assert [item.name for item in path.parent.iterdir()] == ["secret.key"]


def _key_of(directory: str) -> str:
    return key_for_workers(settings_in(Path(directory)))


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        keys = pool.map(_key_of, [str(tmp_path / "data")] * 16, chunksize=1)
    assert len(set(keys)) == 1
    assert [item.name for item in (tmp_path / "data").iterdir()] == ["secret.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_key_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    load_keyring(settings_in(tmp_path))
    (tmp_path / "secret.key").chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_keyring(settings_in(tmp_path))


@pytest.mark.parametrize("text", ["", "nonsense", base64.b64encode(b"short").decode()])
def test_key_file_without_a_key_is_refused_and_kept(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secret.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="backup"):
        load_keyring(settings_in(tmp_path))
    assert path.read_text() == text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_key_file_of_another_account_is_refused(tmp_path: Path) -> None:
    load_keyring(settings_in(tmp_path))
    os.chown(tmp_path / "secret.key", 65534, 65534)
    with pytest.raises(ConfigError, match="another account"):
        load_keyring(settings_in(tmp_path))


def test_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"file/data/secret\.key"):
        load_keyring(settings_in(tmp_path / "file" / "data"))


def test_key_is_refused_by_length() -> None:
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    with pytest.raises(ConfigError, match="32 bytes"):
        load_settings(secret_key=key)
