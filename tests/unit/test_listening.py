"""The hub's own socket: TLS, addresses, URLs."""

from __future__ import annotations

import ssl
from contextlib import closing
from pathlib import Path

import pytest

from ocpi_hub.errors import ConfigError
from ocpi_hub.listening import listen, local_url, server_tls, url_of
from ocpi_hub.settings import load_settings
from tests.support.pki import make_certificate, write_pair


def test_without_a_certificate_there_is_no_tls() -> None:
    assert server_tls(load_settings()) is None


def test_tls_is_1_2_at_least_and_asks_for_no_certificate(tmp_path: Path) -> None:
    certificate, key = write_pair(tmp_path, "hub", make_certificate("hub.example", None))
    settings = load_settings(tls_certificate_file=str(certificate), tls_key_file=str(key))
    context = server_tls(settings)
    assert context is not None
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize(
    ("certificate", "key", "text"),
    [
        ("none.pem", "hub.key", "tls_certificate_file: cannot read .*none.pem"),
        ("hub.pem", "none.key", "tls_key_file: cannot read .*none.key"),
        ("hub.pem", "other.key", "not a PEM certificate and its key"),
        ("garbage.pem", "hub.key", "not a PEM certificate and its key"),
    ],
)
def test_files_that_cannot_be_used_are_refused_by_their_key(
    tmp_path: Path, certificate: str, key: str, text: str
) -> None:
    for name in ("hub", "other"):
        write_pair(tmp_path, name, make_certificate("hub.example", None))
    (tmp_path / "garbage.pem").write_text("no certificate")
    settings = load_settings(
        tls_certificate_file=str(tmp_path / certificate), tls_key_file=str(tmp_path / key)
    )
    with pytest.raises(ConfigError, match=text):
        server_tls(settings)


def test_url_names_the_chosen_port() -> None:
    settings = load_settings(port=0)
    with closing(listen(settings)) as listener:
        assert url_of(settings, listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_url_of_an_ipv6_address_and_of_tls() -> None:
    settings = load_settings(tls_certificate_file="c.pem", tls_key_file="k.pem")
    assert local_url(settings, "::1", 443) == "https://[::1]:443"


def test_taken_address_is_refused() -> None:
    with closing(listen(load_settings(port=0))) as listener:
        settings = load_settings(port=listener.getsockname()[1])
        with pytest.raises(ConfigError, match="cannot listen on"):
            listen(settings)
