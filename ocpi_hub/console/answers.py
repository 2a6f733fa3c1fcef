"""Answers as HTTP: templates filled, cookies set, and the headers that every page carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aiohttp_jinja2
from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from ocpi_hub.console.assets import Assets
from ocpi_hub.console.cells import html, is_nothing
from ocpi_hub.console.cookies import csrf_token, drop_session, is_secure, put_browser, put_session
from ocpi_hub.console.files import Files
from ocpi_hub.console.forms import Kept
from ocpi_hub.console.live import Streams
from ocpi_hub.console.menu import Menu
from ocpi_hub.console.page import Page
from ocpi_hub.console.texts import LANGUAGE, t
from ocpi_hub.console.visit import BASE, Answer, Data, Download, Live, Redirect, Shown, Visit
from ocpi_hub.domain.message import MessageIds
from ocpi_hub.ocpi import headers

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURE: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), camera=(), microphone=()",
    "Server": "ocpi-hub",
}
_NOT_KEPT = {"Cache-Control": "no-store"}
_ASKED_AGAIN = {"Cache-Control": "private, no-cache", "Vary": "Accept-Encoding, Cookie"}
_KEPT = {"Cache-Control": "public, max-age=31536000, immutable"}


@dataclass(slots=True)
class Seen:
    """What the pipeline learns about one request on its way."""

    ids: MessageIds
    page: Page
    visit: Visit | None = None
    must_change: bool = False
    flash: tuple[str, str] | None = None
    kept: Kept | None = None


class Answers:
    """Makes responses."""

    def __init__(
        self, streams: Streams, files: Files, pages: Sequence[Page], public_url: str
    ) -> None:
        self.loader = PackageLoader("ocpi_hub.console")
        self._assets = Assets()
        self._streams = streams
        self._public_url = public_url
        self._files = files
        self._menu = Menu(pages)

    def complete(self, environment: Environment) -> None:
        """What templates may use."""
        environment.undefined = StrictUndefined
        environment.globals |= {
            "t": t,
            "asset": self._assets.url,
            "base": BASE,
            "language": LANGUAGE,
        }
        environment.filters["cell"] = html
        environment.tests["nothing"] = is_nothing

    async def response(
        self, request: web.Request, seen: Seen, answer: Answer
    ) -> web.StreamResponse:
        """An answer as HTTP."""
        secure = is_secure(request, self._public_url)
        match answer:
            case Shown():
                response = self._shown(request, seen, answer)
                if seen.visit is not None and seen.visit.visitor is None:
                    # Forms need a session's secret before somebody is logged in, too.
                    put_session(response, seen.visit.session, secure=secure)
                return response
            case Redirect():
                response = self._redirect(request, seen, answer)
                if answer.login is not None:
                    put_session(response, answer.login[0], secure=secure)
                    put_browser(response, answer.login[1], secure=secure)
                elif answer.logout:
                    drop_session(response, secure=secure)
                return response
            case Download():
                return await self._download(request, seen, answer)
            case Data():
                return await self._data(request, seen, answer)
            case Live():
                return await self._streams.send(
                    request,
                    _visit(seen),
                    answer,
                    lambda template, context: self._fill(request, seen, template, context),
                    self._headers(seen),
                )

    async def static(self, request: web.Request) -> web.Response:
        """A file that never changes under its name."""
        asset = self._assets.find(request.match_info["digest"], request.match_info["name"])
        if asset is None:
            return web.Response(status=404, headers={**SECURE, **_NOT_KEPT})
        return web.Response(
            body=asset.content,
            content_type=asset.content_type,
            charset="utf-8",
            headers={**SECURE, **_KEPT},
        )

    def _shown(self, request: web.Request, seen: Seen, answer: Shown) -> web.Response:
        context = {"title": answer.title, **answer.context}
        return web.Response(
            status=answer.http_status,
            text=self._fill(request, seen, answer.template, context),
            content_type="text/html",
            headers=self._headers(seen),
        )

    def _redirect(self, request: web.Request, seen: Seen, answer: Redirect) -> web.Response:
        to = BASE + answer.to
        all_headers = self._headers(seen)
        if request.headers.get("Accept", "").startswith("text/event-stream"):
            return web.Response(status=204, headers=all_headers)
        if "HX-Request" in request.headers:
            return web.Response(status=204, headers={**all_headers, "HX-Redirect": to})
        return web.Response(status=303, headers={**all_headers, "Location": to})

    async def _download(
        self, request: web.Request, seen: Seen, answer: Download
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={
                **self._headers(seen),
                "Content-Type": f"{answer.content_type}; charset=utf-8",
                "Content-Disposition": f'attachment; filename="{answer.name}"',
            }
        )
        return await self._files.send(request, _visit(seen), response, answer.chunks)

    async def _data(self, request: web.Request, seen: Seen, answer: Data) -> web.StreamResponse:
        # Browsers keep it, yet ask each time: whoever is logged out meanwhile gets nothing.
        all_headers = {**self._headers(seen), **_ASKED_AGAIN, "ETag": f'"{answer.etag}"'}
        known = request.if_none_match or ()
        if any(each.value == answer.etag for each in known):
            return web.Response(status=304, headers=all_headers)
        all_headers["Content-Type"] = f"{answer.content_type}; charset=utf-8"
        response = web.StreamResponse(headers=all_headers)
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            response.enable_compression(web.ContentCoding.gzip)
        return await self._files.send(request, _visit(seen), response, answer.chunks)

    def _fill(
        self, request: web.Request, seen: Seen, template: str, context: Mapping[str, object]
    ) -> str:
        visitor = seen.visit.visitor if seen.visit else None

        def may(page: Page) -> bool:
            return _may(page, seen)

        everywhere = {
            "viewer": visitor,
            "csrf": _csrf(seen),
            "menu": self._menu.of(may),
            "here": seen.page.path,
            "within": self._menu.within(seen.page.path),
            "flash": seen.flash,
            "kept": seen.kept,
            "above": self._menu.above(seen.page.path, may),
            "title": "",
        }
        return aiohttp_jinja2.render_string(template, request, {**everywhere, **context})

    def _headers(self, seen: Seen) -> dict[str, str]:
        return {**SECURE, **_NOT_KEPT, **headers.id_headers(seen.ids)}


def _may(page: Page, seen: Seen) -> bool:
    visitor = seen.visit.visitor if seen.visit else None
    if visitor is None or seen.must_change:
        return False
    if visitor.is_partner:
        return page.partner
    return page.needs is None or visitor.may(page.needs)


def _visit(seen: Seen) -> Visit:
    if seen.visit is None:
        raise AssertionError("a handler has answered a visit")
    return seen.visit


def _csrf(seen: Seen) -> str:
    return csrf_token(seen.visit.session) if seen.visit else ""
