"""Settings: documented, read from the right place, wrong ones refused by name."""

from __future__ import annotations

import base64
import ipaddress
import os
import re
import tomllib
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from ocpi_hub.errors import ConfigError
from ocpi_hub.settings import ENV_PREFIX, Settings, decode_key, load_settings

DEFAULT_TOML = Path(__file__).parents[2] / "config" / "default.toml"

KEY = base64.b64encode(bytes(range(32))).decode()
SECRET = "hunter2-hunter2-hunter2"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing from outside."""
    for name in [each for each in os.environ if each.startswith(ENV_PREFIX)]:
        monkeypatch.delenv(name)


@pytest.fixture
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that OCPI_HUB_CONFIG names; empty."""
    path = tmp_path / "hub.toml"
    path.touch()
    monkeypatch.setenv("OCPI_HUB_CONFIG", str(path))
    return path


def _plain(value: object) -> object:
    """A default as TOML would have it."""
    match value:
        case SecretStr():
            return value.get_secret_value()
        case tuple():
            return [_plain(each) for each in value]
        case _:
            return value


def test_default_toml_and_settings_agree_key_by_key() -> None:
    documented = tomllib.loads(DEFAULT_TOML.read_text(encoding="utf-8"))
    fields = {name: _plain(field.get_default()) for name, field in Settings.model_fields.items()}
    assert documented == fields
    assert {key: type(value) for key, value in documented.items()} == {
        key: type(value) for key, value in fields.items()
    }


def test_default_toml_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_settings()
    monkeypatch.setenv("OCPI_HUB_CONFIG", str(DEFAULT_TOML))
    assert load_settings() == before


def test_every_key_stands_under_a_comment_of_its_own_group() -> None:
    explained = False
    for line in DEFAULT_TOML.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            explained = not re.match(r"# -{3,}", line)
        elif line.strip():
            assert explained, f"no comment says what this is: {line}"
        else:
            explained = False


def test_unit_stands_last_in_the_name_of_a_duration() -> None:
    of_time = {"timeout", "wait", "age", "grace", "poll", "overlap", "margin", "budget", "alive"}
    durations = [name for name in Settings.model_fields if of_time & set(name.split("_"))]
    assert len(durations) > 10
    assert [each for each in durations if not each.endswith(("_s", "_ms", "_days"))] == []


def test_environment_wins_over_file_and_file_over_default(
    config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config_file.write_text('port = 9000\nhub_name = "From the file"\nworkers = 2\n')
    monkeypatch.setenv("OCPI_HUB_PORT", "9001")
    monkeypatch.setenv("OCPI_HUB_WORKERS", "3")
    settings = load_settings(workers=4)
    assert (settings.workers, settings.port, settings.hub_name) == (4, 9001, "From the file")
    assert settings.hub_party_id == "HUB"


def test_without_a_file_named_none_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "default.toml").write_text("port = 1\n")
    monkeypatch.chdir(tmp_path)
    assert load_settings().port == 8080


def test_lists_in_the_environment_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCPI_HUB_ALLOW_NETWORKS", '["10.0.0.0/8", "fd00::/8"]')
    monkeypatch.setenv("OCPI_HUB_OLD_SECRET_KEYS", f'["{KEY}"]')
    settings = load_settings()
    assert settings.allow_networks == (
        ipaddress.ip_network("10.0.0.0/8"),
        ipaddress.ip_network("fd00::/8"),
    )
    assert [decode_key(key) for key in settings.old_secret_keys] == [bytes(range(32))]


def test_lists_in_the_file_are_lists(config_file: Path) -> None:
    config_file.write_text('allow_networks = ["127.0.0.0/8"]\n')
    assert load_settings().allow_networks == (ipaddress.ip_network("127.0.0.0/8"),)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "a door"),
        ("PORT", "65536"),
        ("WORKERS", "0"),
        ("HUB_COUNTRY_CODE", "Europe"),
        ("PUBLIC_URL", "hub.example.com"),
        ("DEFAULT_RELATION", "perhaps"),
        ("ALLOW_NETWORKS", '["10.0.0.1/8"]'),
        ("ALLOW_NETWORKS", "10.0.0.0/8"),
        ("CONNECT_TIMEOUT_S", "-1"),
        ("LOG_LEVEL", "loud"),
        ("SECRET_KEY", SECRET),
        ("SECRET_KEY", base64.b64encode(SECRET.encode()).decode()),
        ("OLD_SECRET_KEYS", f'["{SECRET}"]'),
        ("OLD_SECRET_KEYS", SECRET),
    ],
)
def test_wrong_value_is_refused_by_its_key_and_not_shown(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"OCPI_HUB_{name}", value)
    with pytest.raises(ConfigError, match=name.lower()) as caught:
        load_settings()
    assert value not in str(caught.value)
    assert SECRET not in str(caught.value)
    assert not _causes(caught.value), "a chained exception would show the value in a traceback"


def _causes(error: BaseException) -> bool:
    return error.__cause__ is not None or not error.__suppress_context__


def test_several_wrong_keys_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCPI_HUB_PORT", "a door")
    monkeypatch.setenv("OCPI_HUB_WORKERS", "many")
    with pytest.raises(ConfigError, match=r"port: .*; workers: "):
        load_settings()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("OCPI_HUB_PUBLIC_ULR", "OCPI_HUB_PUBLIC_ULR: .* did you mean OCPI_HUB_PUBLIC_URL?"),
        ("ocpi_hub_workerz", "ocpi_hub_workerz: .* did you mean OCPI_HUB_WORKERS?"),
        ("OCPI_HUB_XYZZY", "OCPI_HUB_XYZZY: there is no such key$"),
        ("OCPI_HUB_", "OCPI_HUB_: there is no such key"),
    ],
)
def test_unknown_variable_is_refused_with_the_key_that_was_meant(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, SECRET)
    with pytest.raises(ConfigError, match=text) as caught:
        load_settings()
    assert SECRET not in str(caught.value)


def test_variables_of_others_and_of_any_case_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCPI_HUBCAP", "1")
    monkeypatch.setenv("ocpi_hub_port", "9002")
    assert load_settings().port == 9002


def test_unknown_key_in_the_file_is_refused_with_the_one_that_was_meant(config_file: Path) -> None:
    config_file.write_text("prot = 8080\n")
    with pytest.raises(ConfigError, match=r"^prot: there is no such key; did you mean port\?$"):
        load_settings()


def test_file_that_is_not_there_is_no_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCPI_HUB_CONFIG", str(tmp_path / "hub.toml"))
    with pytest.raises(ConfigError, match=r"OCPI_HUB_CONFIG: there is no file .*hub\.toml"):
        load_settings()


def test_list_that_is_no_json_is_refused_with_how_to_write_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OCPI_HUB_ALLOW_NETWORKS", "10.0.0.0/8")
    with pytest.raises(ConfigError, match=r'^allow_networks: .*JSON, for instance \["A", "B"\]$'):
        load_settings()


def test_a_contradiction_is_told_without_the_words_of_a_library() -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(tls_key_file="k.pem")
    assert str(caught.value) == "settings: tls_certificate_file and tls_key_file go together"


@pytest.mark.parametrize("text", ["port = ", f'secret_key = "{SECRET}'])
def test_file_that_is_not_toml_is_refused(config_file: Path, text: str) -> None:
    config_file.write_text(text)
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        load_settings()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ({"retry_min_s": 10, "retry_max_s": 9}, "retry_max_s must not be smaller"),
        ({"directory_poll_s": 5, "directory_max_age_s": 10}, "more than twice directory_poll_s"),
        ({"client_certificate_file": "c.pem"}, "go together"),
        ({"client_certificate_key_file": "k.pem"}, "go together"),
        ({"tls_certificate_file": "c.pem"}, "tls_certificate_file and tls_key_file go together"),
        ({"tls_key_file": "k.pem"}, "tls_certificate_file and tls_key_file go together"),
        ({"database_url": "postgresql://hub@db/hub"}, "secret_key is required"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(
    overrides: dict[str, object], text: str
) -> None:
    with pytest.raises(ConfigError, match=text):
        load_settings(**overrides)


def test_database_password_is_never_shown() -> None:
    url = f"postgresql://hub:{SECRET}@db/hub"
    with pytest.raises(ConfigError) as caught:
        load_settings(database_url=url)
    assert SECRET not in str(caught.value)
    settings = load_settings(database_url=url, secret_key=KEY)
    assert SECRET not in repr(settings)
    assert KEY not in repr(settings)
    assert SECRET not in settings.model_dump_json()


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_settings().port = 1  # type: ignore[misc]  # what the test is about


def test_public_url_loses_its_closing_slash() -> None:
    assert load_settings(public_url="https://hub.example.com/").public_url == (
        "https://hub.example.com"
    )


def test_lease_outlives_the_longest_attempt() -> None:
    settings = load_settings(relay_timeout_s=30, lease_margin_s=10)
    assert settings.lease_s == 40


def test_data_directory_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert load_settings(data_dir="hub").data_path == tmp_path / "hub"
    assert load_settings(data_dir="~/hub").data_path == tmp_path / "home" / "hub"
    assert load_settings().data_path.is_absolute()


def test_data_directory_of_root_and_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert load_settings().data_path == Path("/var/lib/ocpi-hub")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert load_settings().data_path == tmp_path / "ocpi-hub"


@pytest.mark.parametrize("text", ["", "not base64", base64.b64encode(b"short").decode()])
def test_key_is_base64_of_32_bytes(text: str) -> None:
    with pytest.raises(ValueError, match="base64 of 32 bytes"):
        decode_key(SecretStr(text))
