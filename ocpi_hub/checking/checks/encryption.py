"""TLS: everything over https, with a certificate that is trusted and lasts."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from ocpi_hub.checking.model import Check, Notes, Severity, Skip
from ocpi_hub.checking.partner import Partner
from ocpi_hub.checking.tls import Certificate, NoCertificate

MUST, SHOULD = Severity.MUST, Severity.SHOULD

_CURRENT = frozenset({"TLSv1.3"})


async def encrypted(partner: Partner, notes: Notes) -> None:
    """Skipped where the hub itself is allowed to call http: partners on trial have nothing else."""
    urls = [partner.target.versions_url]
    with suppress(Skip):
        urls += [*(await partner.version_urls()).values(), *(await partner.endpoints()).values()]
    seen = await partner.versions()
    plain = [url for url in urls if not url.lower().startswith("https:")]
    if plain and partner.http_allowed:
        raise Skip("http is allowed here (allow_http); partners elsewhere need https")
    notes.saw(seen)
    for url in plain:
        notes.fault(f"{url[:120]} is not encrypted", seen)


async def trusted(partner: Partner, notes: Notes) -> None:
    for host, found in await _certificates(partner):
        if isinstance(found, NoCertificate) and found.untrusted:
            notes.fault(f"{host}: {found.reason}")
        elif isinstance(found, NoCertificate):
            notes.fault(f"{host}: no TLS connection: {found.reason}")
        else:
            notes.remark(f"{host}: trusted")


async def lasting(partner: Partner, notes: Notes) -> None:
    least = timedelta(days=partner.limits.certificate_days)
    for host, found in await _certificates(partner):
        if isinstance(found, Certificate):
            left = found.expires - partner.clock.now()
            if left < least:
                notes.fault(f"{host}: expires on {found.expires:%Y-%m-%d}, in {left.days} days")
            else:
                notes.remark(f"{host}: until {found.expires:%Y-%m-%d}")
    if not notes.faults and not notes.remarks:
        raise Skip("no certificate is trusted")


async def current_protocol(partner: Partner, notes: Notes) -> None:
    for host, found in await _certificates(partner):
        if isinstance(found, Certificate):
            if found.protocol not in _CURRENT:
                notes.fault(f"{host}: {found.protocol}")
            else:
                notes.remark(f"{host}: {found.protocol}")
    if not notes.faults and not notes.remarks:
        raise Skip("no certificate is trusted")


async def _certificates(partner: Partner) -> list[tuple[str, Certificate | NoCertificate]]:
    found = await partner.certificates()
    if not found:
        raise Skip("there is no https URL")
    return found


CHECKS = (
    Check("tls.https", "All URLs are https", ("TF-01",), MUST,
          "Announce https URLs only: tokens and personal data travel with every request.",
          encrypted),
    Check("tls.certificate", "The certificate is trusted", ("TF-01",), MUST,
          "Use a certificate of a public authority for this host name, with the chain of"
          " intermediate certificates.", trusted),
    Check("tls.expiry", "The certificate does not expire soon", ("TF-01",), SHOULD,
          "Renew the certificate, best automatically.", lasting),
    Check("tls.protocol", "TLS 1.3 is spoken", ("TF-01",), SHOULD,
          "Allow TLS 1.3 on the server; versions before 1.2 are not spoken by the hub at all.",
          current_protocol),
)  # fmt: skip
