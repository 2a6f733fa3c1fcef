"""The console: one pipeline for every request.

    request ─► session ─► may it see the page? ─► form, CSRF ─► handler ─► answer with its headers

Whatever fails on the way becomes a page that says what to do, or, after a deed, a message on the
page that it was done on. A partner is told that a page that is not for it does not exist.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from urllib.parse import parse_qsl, quote, urlsplit

import aiohttp_jinja2
from aiohttp import web

from ocpi_hub.admin.accounts import Secret
from ocpi_hub.admin.acting import acting
from ocpi_hub.admin.faults import Code, Refusal, refusal_of
from ocpi_hub.admin.viewer import Viewer
from ocpi_hub.console import logins
from ocpi_hub.console.answers import Answers, Seen
from ocpi_hub.console.cookies import BROWSER, SESSION, cookie_name, csrf_token, is_secure
from ocpi_hub.console.files import Files
from ocpi_hub.console.forms import Kept
from ocpi_hub.console.live import Streams
from ocpi_hub.console.page import Page
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import BASE, Answer, ConsoleParts, Redirect, Shown, Tone, Visit
from ocpi_hub.errors import StoreError
from ocpi_hub.ocpi import headers
from ocpi_hub.server.inbound import read_body
from ocpi_hub.server.limits import Gate
from ocpi_hub.store.audit import Actor, ActorKind
from ocpi_hub.telemetry import bind, get_logger

log = get_logger(__name__)

MAX_IN_FLIGHT = 50
STRANGERS_IN_FLIGHT = 20
"""Requests of them by people who are not logged in: the others always find room."""
MAX_FORM_BYTES = 64 * 1024
MAX_FIELDS = 500
READ_S = 10.0
"""Seconds in which a form has to arrive."""
READS_AT_ONCE = 3
"""Pages of them that are looked up at a time: partners need the database's connections."""
SESSIONS_AT_ONCE, LOGINS_AT_ONCE = 2, 3
"""Likewise, whatever cookies and names somebody tries."""
_LONGEST_FLASH = 2000
_SURROGATE = re.compile("[\ud800-\udfff]")
_FORM = "application/x-www-form-urlencoded"


class Console:
    """Serves pages.

    Args:
        pages: the table of pages.
    """

    def __init__(self, parts: ConsoleParts, pages: Sequence[Page]) -> None:
        admin = parts.admin
        self._parts = parts
        self._public_url = admin.access.settings.public_url
        self._gate = Gate(MAX_IN_FLIGHT)
        self._strangers = Gate(STRANGERS_IN_FLIGHT)
        self._reads = asyncio.Semaphore(READS_AT_ONCE)
        self._sessions = asyncio.Semaphore(SESSIONS_AT_ONCE)
        self._logins = asyncio.Semaphore(LOGINS_AT_ONCE)
        self.streams = Streams(admin.accounts.is_open, admin.clock, self._reads)
        files = Files(admin.accounts.is_open)
        self.answers = Answers(self.streams, files, pages, self._public_url)

    def handler(self, page: Page) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """What serves a page."""

        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._handle(request, page)

        return handle

    async def nowhere(self, request: web.Request) -> web.StreamResponse:
        """There is no such page; strangers are asked to log in first, and learn nothing."""

        async def missing(_: Visit) -> Answer:
            raise Refusal(Code.NOT_FOUND, t("base.no_such_page"))

        page = Page("GET", "", None, missing, partner=True)
        return await self._handle(request, page)

    async def _handle(self, request: web.Request, page: Page) -> web.StreamResponse:
        seen = Seen(headers.message_ids(request.headers), page)
        bind({"request_id": seen.ids.request_id, "correlation_id": seen.ids.correlation_id})
        try:
            with self._gate:
                visit = seen.visit = await self._visit(request, seen)
                with self._strangers if visit.visitor is None else nullcontext():
                    answer = await self._serve(request, seen, visit)
        except Exception as error:  # noqa: BLE001 - the one place where errors become pages
            answer = await self._failed(request, seen, refusal_of(error))
        try:
            response = await self.answers.response(request, seen, answer)
        except ConnectionError:
            return web.Response(status=499)  # nobody waits for it any more
        except Exception as error:  # noqa: BLE001 - also what goes wrong while a page is filled
            response = await self.answers.response(
                request, seen, _error_page(refusal_of(error), seen)
            )
        if request.method == "POST":
            log.info(
                "console_deed",
                account=seen.visit.visitor.account_id
                if seen.visit and seen.visit.visitor
                else None,
                page=page.path,
                place=list(request.match_info.values()),
                http_status=response.status,
            )
        return response

    async def _serve(self, request: web.Request, seen: Seen, visit: Visit) -> Answer:
        page = seen.page
        refusal = self._refusal(request, page, seen)
        if refusal is not None:
            return refusal
        if page.method != "POST":
            async with self._reads:
                return await page.handler(visit)
        visit = seen.visit = await self._with_form(request, visit)
        if visit.visitor is None:
            async with self._logins:
                return await page.handler(visit)
        actor = Actor(ActorKind.ACCOUNT, visit.visitor.account_id, visit.visitor.name)
        with acting(actor, self._parts.admin.audit, seen.ids.correlation_id):
            answer = await page.handler(visit)
        if isinstance(answer, Redirect) and answer.flash is not None:
            await self._parts.admin.accounts.set_flash(visit.session, *answer.flash)
        return answer

    async def _visit(self, request: web.Request, seen: Seen) -> Visit:
        admin = self._parts.admin
        secure = is_secure(request, self._public_url)
        cookie = _secret(request, cookie_name(SESSION, secure=secure))
        browser = _secret(request, cookie_name(BROWSER, secure=secure))
        session = cookie or Secret.new_session()
        async with self._sessions:
            found = await admin.accounts.session(session) if cookie else None
        if found is not None:
            seen.must_change = found.account.must_change
            if found.flash is not None and request.method == "GET" and not _is_live(request):
                seen.flash, seen.kept = found.flash, Kept.read(found.kept)
                await admin.accounts.take_flash(session)
        query = {name: value for name, value in reversed(list(request.query.items())) if value}
        _require_text([*request.match_info.values(), *query.values()])
        return Visit(
            parts=self._parts,
            visitor=Viewer.of(found.account, admin.keeper.current) if found else None,
            session=session,
            browser=browser,
            address=request.remote or "",
            correlation_id=seen.ids.correlation_id,
            path=request.path.removeprefix(BASE) or "/",
            place=dict(request.match_info),
            query=query,
        )

    def _refusal(self, request: web.Request, page: Page, seen: Seen) -> Answer | None:
        """Who does not see this page is sent elsewhere.

        Raises:
            Refusal: or is told so.
        """
        if page.public:
            return None
        viewer = seen.visit.visitor if seen.visit else None
        if viewer is None:
            to = quote(request.path_qs.removeprefix(BASE), safe="")
            return Redirect(f"{logins.LOGIN}?to={to}" if request.method == "GET" else logins.LOGIN)
        if seen.must_change and page.path not in (logins.PASSWORD, logins.LOGOUT):
            return Redirect(logins.PASSWORD)
        if viewer.is_partner:
            if not page.partner:
                raise Refusal(Code.NOT_FOUND, t("base.no_such_page"))
        elif page.needs is not None and not viewer.may(page.needs):
            raise Refusal(Code.FORBIDDEN, t("base.forbidden", role=t.word(viewer.role)))
        return None

    async def _with_form(self, request: web.Request, visit: Visit) -> Visit:
        """Raises: Refusal: it is no form of ours."""
        if request.content_type != _FORM:
            raise Refusal(Code.INVALID_REQUEST, t("base.no_form"))
        raw = await read_body(request, timeout_s=READ_S, max_bytes=MAX_FORM_BYTES)
        try:
            pairs = parse_qsl(raw.decode(), errors="strict", max_num_fields=MAX_FIELDS)
        except ValueError:
            raise Refusal(Code.INVALID_REQUEST, t("base.no_form")) from None
        form = {name: value for name, value in reversed(pairs) if value}
        token = request.headers.get("X-CSRF-Token") or form.get("csrf", "")
        _require_text([*form.values(), token])
        expected = csrf_token(visit.session)
        if not _same_origin(request) or not hmac.compare_digest(token.encode(), expected.encode()):
            raise Refusal(Code.FORBIDDEN, t("base.not_from_here"))
        form.pop("csrf", None)
        return replace(visit, form=form)

    async def _failed(self, request: web.Request, seen: Seen, refusal: Refusal) -> Answer:
        """After a deed one goes back to where it was done; else the page says what is wrong."""
        back = _back(request)
        usual = refusal.code in (Code.INVALID_REQUEST, Code.CONFLICT, Code.REFUSED_BY_PARTNER)
        visit = seen.visit
        if request.method == "POST" and usual and back is not None and visit and visit.visitor:
            with suppress(StoreError):
                text = refusal.message[:_LONGEST_FLASH]
                kept = Kept.of(BASE + visit.path, text, refusal.field, visit.form)
                await self._parts.admin.accounts.set_flash(
                    visit.session, Tone.BAD, text, kept.written() if kept else ""
                )
                return Redirect(back)
        return _error_page(refusal, seen)


def _error_page(refusal: Refusal, seen: Seen) -> Shown:
    text = t(f"base.error_{refusal.code}")
    context = {
        "code": refusal.code,
        "message": refusal.message,
        "remedy": text,
        "correlation_id": seen.ids.correlation_id,
    }
    return Shown("error.html", t.label(refusal.code), context, refusal.http_status)


def _require_text(values: Iterable[str]) -> None:
    """Raises: Refusal: the database knows no such characters."""
    if any("\0" in value or _SURROGATE.search(value) for value in values):
        raise Refusal(Code.INVALID_REQUEST, t("base.no_text"))


def _same_origin(request: web.Request) -> bool:
    """Browsers say where a form comes from; what else sends none."""
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    return origin is None or (origin != "null" and urlsplit(origin).netloc == request.host)


def _secret(request: web.Request, name: str) -> Secret | None:
    """What a cookie holds; what is no text is none of ours."""
    value = request.cookies.get(name, "")
    return Secret(value) if value and value.isascii() else None


def _is_live(request: web.Request) -> bool:
    return "text/event-stream" in request.headers.get("Accept", "")


def _back(request: web.Request) -> str | None:
    """The page that a form stood on."""
    parts = urlsplit(request.headers.get("Referer", ""))
    if parts.netloc != request.host or not parts.path.startswith(f"{BASE}/"):
        return None
    path = parts.path.removeprefix(BASE)
    return logins.inside(f"{path}?{parts.query}" if parts.query else path)


def console_app(parts: ConsoleParts, pages: Sequence[Page]) -> web.Application:
    """The application below `/console`."""
    console = Console(parts, pages)

    @web.middleware
    async def as_page(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """What the router refuses becomes a page, too."""
        try:
            return await handler(request)
        except web.HTTPException:
            return await console.nowhere(request)

    app = web.Application(middlewares=[as_page])
    environment = aiohttp_jinja2.setup(
        app, loader=console.answers.loader, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    console.answers.complete(environment)
    for page in pages:
        app.router.add_route(page.method, page.path, console.handler(page))
        if page.path == "/":
            app.router.add_route(page.method, "", console.handler(page))
    app.router.add_get("/static/{digest}/{name}", console.answers.static)
    app.on_shutdown.append(console.streams.close)
    app.on_shutdown.append(parts.errands.close)
    return app
