"""The configuration: read once at the start, frozen, passed down.

`config/default.toml` explains every key; a test keeps that page and this class equal.
"""

from __future__ import annotations

import base64
import difflib
import ipaddress
import os
import pwd
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from ocpi_hub.errors import ConfigError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

ENV_PREFIX = "OCPI_HUB_"
_FIELD = re.compile(r'field "(\w+)"')

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class Settings(BaseSettings):
    """All settings. Durations end in their unit (`_s`, `_ms`, `_days`); sizes are bytes or rows."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, frozen=True, extra="forbid", env_ignore_empty=False
    )

    hub_country_code: str = Field("EU", pattern=r"^[A-Z]{2}$")
    hub_party_id: str = Field("HUB", pattern=r"^[A-Z0-9]{3}$")
    hub_name: str = Field("OCPI Hub", min_length=1, max_length=100)

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    public_url: str = ""
    tls_certificate_file: str = ""
    tls_key_file: str = ""
    workers: int = Field(1, ge=1, le=64)
    grace_s: float = Field(10.0, gt=0)

    database_url: SecretStr = SecretStr("")
    data_dir: str = ""
    postgres_account: str = ""
    database_connections: int = Field(8, ge=4, le=100)
    statement_timeout_ms: int = Field(10_000, ge=100)
    transaction_timeout_s: float = Field(20.0, gt=0)
    database_acquire_timeout_s: float = Field(5.0, gt=0)
    secret_key: SecretStr = SecretStr("")
    old_secret_keys: tuple[SecretStr, ...] = ()

    allow_http: bool = False
    allow_networks: tuple[IPNetwork, ...] = ()
    extra_ca_file: str = ""
    client_certificate_file: str = ""
    client_certificate_key_file: str = ""
    connect_timeout_s: float = Field(5.0, gt=0)
    keep_alive_s: float = Field(300.0, gt=0)

    max_body_bytes: int = Field(4 * 1024 * 1024, ge=1024)
    max_object_bytes: int = Field(1024 * 1024, ge=1024)
    max_json_depth: int = Field(64, ge=8, le=500)
    max_answer_bytes: int = Field(16 * 1024 * 1024, ge=1024)
    page_limit: int = Field(1000, ge=1, le=10_000)
    page_bytes: int = Field(8 * 1024 * 1024, ge=1024)
    request_read_timeout_s: float = Field(30.0, gt=0)
    max_requests_in_flight: int = Field(2000, ge=1)
    rate_limit_rps: float = Field(200.0, ge=0)
    max_in_flight_per_receiver: int = Field(16, ge=1)

    default_relation: Literal["none", "realtime", "whitelist"] = "none"
    relay_timeout_s: float = Field(30.0, gt=0)
    page_link_days: int = Field(7, ge=1, le=3650)
    answer_url_keep_s: float = Field(86_400.0, ge=1, le=31_536_000)
    answer_url_longest_days: int = Field(400, ge=1, le=3650)
    answer_urls_per_platform: int = Field(100_000, ge=1)
    authorize_budget_ms: int = Field(3000, ge=50)
    unknown_token_fanout: int = Field(20, ge=1)
    whitelist_max_age_s: int = Field(172_800, ge=0)
    fallback_max_age_s: int = Field(172_800, ge=0)
    whitelist_splay_s: float = Field(600.0, ge=0)
    whitelist_full_days: int = Field(7, ge=1)
    whitelist_hold_share: float = Field(0.3, ge=0, le=1)
    whitelist_pages_per_s: float = Field(10.0, ge=0)
    whitelist_near_share: float = Field(0.8, gt=0, le=1)
    evidence_wait_ms: int = Field(200, ge=0)
    evidence_retention_days: int = Field(400, ge=1, le=36_500)
    console_idle_minutes: int = Field(60, ge=1, le=24 * 60)
    console_session_hours: int = Field(12, ge=1, le=24 * 30)
    owner_hint_s: float = Field(300.0, ge=0, le=86_400)
    circuit_failures: int = Field(5, ge=0, le=1000)
    circuit_probe_s: float = Field(5.0, gt=0, le=60)

    custody_wait_s: float = Field(5.0, ge=0)
    lease_margin_s: float = Field(10.0, gt=0)
    retry_min_s: float = Field(5.0, gt=0)
    retry_max_s: float = Field(3600.0, gt=0)
    retry_give_up_days: int = Field(90, ge=1)
    delivery_poll_s: float = Field(1.0, gt=0)
    hold_energy_kwh: float = Field(0.0, ge=0)
    hold_duration_h: float = Field(0.0, ge=0)
    hold_total_cost: float = Field(0.0, ge=0)
    hold_price_difference: float = Field(0.0, ge=0)
    price_tolerance: float = Field(0.01, ge=0)
    price_tolerance_percent: float = Field(0.0, ge=0, le=100)
    cdr_hold: tuple[str, ...] = ()
    cdr_flag: tuple[str, ...] = ()
    cdr_off: tuple[str, ...] = ()
    statement_time_zone: str = "UTC"
    cdr_expected_after_h: int = Field(48, ge=0, le=10_000)

    catch_up_rps: float = Field(50.0, gt=0)
    lane_lease_s: float = Field(15.0, ge=1)
    feed_poll_s: float = Field(0.2, gt=0)
    tombstone_days: int = Field(30, ge=1, le=3650)

    batch_rows: int = Field(1000, ge=1, le=5000)
    batch_queue_rows: int = Field(20_000, ge=1)
    token_cache_rows: int = Field(20_000, ge=0)
    token_cache_bytes: int = Field(64 * 1024 * 1024, ge=0)

    message_retention_days: int = Field(30, ge=1, le=3650)
    message_queue_rows: int = Field(10_000, ge=1)
    message_bodies: bool = False
    message_body_bytes: int = Field(16_384, ge=1, le=262_144)
    message_body_retention_days: int = Field(7, ge=1, le=3650)
    message_hidden_fields: tuple[str, ...] = ()

    tariff_wait_s: float = Field(60.0, ge=0, le=86_400)

    token_grace_s: float = Field(300.0, ge=0)
    invitation_days: int = Field(30, ge=1)
    handshake_timeout_s: float = Field(10.0, gt=0)
    credentials_renew_days: int = Field(30, ge=0)

    still_alive_s: float = Field(300.0, gt=0)
    offline_after_failures: int = Field(2, ge=1)
    client_info_offline_after_s: float = Field(60.0, ge=0)
    client_info_unrelated: Literal["hidden", "planned"] = "hidden"
    client_info_verify_s: float = Field(0.0, ge=0)
    catch_up_overlap_s: float = Field(300.0, ge=0)

    directory_poll_s: float = Field(1.0, gt=0)
    directory_max_age_s: float = Field(10.0, gt=0)
    unknown_credentials_per_s: float = Field(20.0, gt=0)

    metrics_public: bool = False

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "human", "auto"] = "auto"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Explicit values, then the environment, then the file named by OCPI_HUB_CONFIG."""
        sources = (init_settings, env_settings)
        path = os.environ.get(f"{ENV_PREFIX}CONFIG")
        return (*sources, TomlConfigSettingsSource(settings_cls, Path(path))) if path else sources

    @field_validator("secret_key", "old_secret_keys")
    @classmethod
    def _keys_are_32_bytes(
        cls, value: SecretStr | tuple[SecretStr, ...]
    ) -> SecretStr | tuple[SecretStr, ...]:
        keys = (value,) if isinstance(value, SecretStr) else value
        for key in keys:
            if key.get_secret_value():
                decode_key(key)
        return value

    @field_validator("public_url")
    @classmethod
    def _public_url_is_a_base(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must start with https:// (or http:// for trying things out)")
        return value.rstrip("/")

    @field_validator("statement_time_zone")
    @classmethod
    def _time_zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):  # a name may also be a folder, or lead outside
            raise ValueError("must be a name of the IANA time zone database") from None
        return value

    @model_validator(mode="after")
    def _agree(self) -> Settings:
        if self.retry_max_s < self.retry_min_s:
            raise ValueError("retry_max_s must not be smaller than retry_min_s")
        if self.directory_max_age_s <= 2 * self.directory_poll_s:
            raise ValueError("directory_max_age_s must be more than twice directory_poll_s")
        if bool(self.client_certificate_file) != bool(self.client_certificate_key_file):
            raise ValueError("client_certificate_file and client_certificate_key_file go together")
        if bool(self.tls_certificate_file) != bool(self.tls_key_file):
            raise ValueError("tls_certificate_file and tls_key_file go together")
        if self.database_url.get_secret_value() and not self.secret_key.get_secret_value():
            raise ValueError(
                "secret_key is required with database_url: set OCPI_HUB_SECRET_KEY to the output"
                " of `openssl rand -base64 32` and keep it with your backups"
            )
        return self

    @property
    def lease_s(self) -> float:
        """Seconds after which an attempt whose process fell silent may be taken over."""
        return self.relay_timeout_s + self.lease_margin_s

    @property
    def data_path(self) -> Path:
        """Directory of the embedded server and of the generated key."""
        if self.data_dir:
            return Path(self.data_dir).expanduser().absolute()
        if os.geteuid() == 0:
            return Path("/var/lib/ocpi-hub")
        base = os.environ.get("XDG_DATA_HOME") or Path(pwd.getpwuid(os.geteuid()).pw_dir) / (
            ".local/share"
        )
        return Path(base) / "ocpi-hub"


def decode_key(key: SecretStr) -> bytes:
    """The 32 bytes of a base64 key.

    Raises:
        ValueError: it is not base64 of 32 bytes.
    """
    try:
        raw = base64.b64decode(key.get_secret_value(), validate=True)
    except ValueError:
        raise ValueError("must be base64 of 32 bytes") from None
    if len(raw) != 32:
        raise ValueError(f"must be base64 of 32 bytes, not of {len(raw)}")
    return raw


def load_settings(**overrides: object) -> Settings:
    """Read the settings.

    Args:
        overrides: values that win over environment and file, for instance from the command line.

    Raises:
        ConfigError: naming each wrong key, without its value (it may be a secret).
    """
    _refuse_unknown_variables()
    _refuse_missing_file()
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic validates them
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        raise ConfigError("; ".join(map(_fault, faults))) from None
    except SettingsError as error:  # names the key, and never the value
        key = _FIELD.search(str(error))
        name = key[1] if key else str(error)
        raise ConfigError(
            f'{name}: cannot be read; a list is JSON, for instance ["A", "B"]'
        ) from None
    except (OSError, ValueError) as error:  # an unreadable file, broken TOML
        raise ConfigError(f"the configuration cannot be read: {error}") from None


def _fault(fault: ErrorDetails) -> str:
    """One wrong key, and what is wrong with it."""
    name = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{name}: {_no_such_key(name, Settings.model_fields)}"
    return f"{name or 'settings'}: {fault['msg'].removeprefix('Value error, ')}"


def _no_such_key(key: str, known: Iterable[str], prefix: str = "") -> str:
    close = difflib.get_close_matches(key, list(known), n=1)
    return f"there is no such key{f'; did you mean {prefix}{close[0]}?' if close else ''}"


def _refuse_missing_file() -> None:
    """pydantic takes a file that is not there for an empty one.

    Raises:
        ConfigError: OCPI_HUB_CONFIG names none.
    """
    path = os.environ.get(f"{ENV_PREFIX}CONFIG")
    if path and not Path(path).is_file():
        raise ConfigError(f"{ENV_PREFIX}CONFIG: there is no file {path}")


def _refuse_unknown_variables() -> None:
    """A variable that means nothing is a typing error, and its key keeps its default unnoticed.

    Raises:
        ConfigError: naming each of them and the key that was probably meant.
    """
    known = [name.upper() for name in (*Settings.model_fields, "config")]
    lines = []
    for name in sorted(os.environ):
        key = name.upper().removeprefix(ENV_PREFIX)
        if not name.upper().startswith(ENV_PREFIX) or key in known:
            continue
        lines.append(f"{name}: {_no_such_key(key, known, ENV_PREFIX)}")
    if lines:
        raise ConfigError("; ".join(lines))
