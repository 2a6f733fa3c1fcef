"""What operators load into Prometheus and Grafana asks for figures that exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from ocpi_hub.admin.metrics.certificates import CertificateEnds
from tests.support.pki import make_certificate, write_pair
from tests.support.postgres import make_settings

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "config" / "alerts.yml"
DASHBOARD = ROOT / "config" / "grafana-dashboard.json"
_METRIC = re.compile(r"\bocpi_hub_[a-z0-9_]+")
_SUFFIX = re.compile(r"_(total|bucket|count|sum)$")


def documented() -> set[str]:
    page = (ROOT / "docs" / "admin-api.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| `(ocpi_hub_[a-z0-9_]+)` \|", page, flags=re.MULTILINE))


def asked_for(path: Path) -> set[str]:
    names = set(_METRIC.findall(path.read_text(encoding="utf-8")))
    return {_SUFFIX.sub("", name) for name in names}


@pytest.mark.parametrize("path", [ALERTS, DASHBOARD], ids=lambda path: path.name)
def test_only_documented_metrics_are_asked_for(path: Path) -> None:
    assert asked_for(path) - documented() == set()
    assert len(asked_for(path)) > 10


def test_every_alert_is_explained() -> None:
    names = re.findall(r"alert: (\w+)", ALERTS.read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
    assert [name for name in names if f"`{name}`" not in page] == []


def test_panels_have_places_and_questions() -> None:
    dashboard: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert all(target["expr"] for target in panel["targets"])


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_reads_the_rules() -> None:
    subprocess.run(["promtool", "check", "rules", str(ALERTS)], check=True, capture_output=True)


def ends(file: Path) -> Iterator[tuple[str, float]]:
    registry = CollectorRegistry()
    registry.register(
        CertificateEnds(make_settings(tls_certificate_file=str(file), tls_key_file=str(file)))
    )
    for family in registry.collect():
        for sample in family.samples:
            yield sample.labels["use"], sample.value


def test_the_end_of_a_certificate_is_told_and_a_broken_file_harms_nothing(tmp_path: Path) -> None:
    file = tmp_path / "certificate.pem"
    file.write_text("no certificate")
    assert list(ends(file)) == []
    pair = make_certificate("hub.example", None)
    file, _ = write_pair(tmp_path, "hub", pair)
    assert list(ends(file)) == [("server", pair[0].not_valid_after_utc.timestamp())]
