"""When the hub's own certificates end, so that somebody renews them before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ocpi_hub.admin.metrics.instruments import PREFIX
from ocpi_hub.settings import Settings
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)


class CertificateEnds(Collector):
    """Reads the files anew for each scrape: they are replaced while the hub runs."""

    def __init__(self, settings: Settings) -> None:
        files = {
            "server": settings.tls_certificate_file,
            "client": settings.client_certificate_file,
        }
        self._files = {use: file for use, file in files.items() if file}

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            f"{PREFIX}_certificate_expiry_timestamp_seconds",
            "When a certificate of the hub ends, in seconds since 1970",
            labels=("use",),
        )
        for use, file in self._files.items():
            try:
                certificate = x509.load_pem_x509_certificate(Path(file).read_bytes())
            except (OSError, ValueError) as error:
                log.warning("certificate_not_read", use=use, reason=str(error))
                continue
            family.add_metric((use,), certificate.not_valid_after_utc.timestamp())
        yield family
