"""The console's two cookies: a session, and a browser that is known from an earlier login."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from aiohttp import web

from ocpi_hub.admin.accounts import Secret
from ocpi_hub.console.visit import BASE

SESSION, BROWSER = "ocpi-hub-session", "ocpi-hub-browser"
_KNOWN_S = 90 * 24 * 3600


def is_secure(request: web.Request, public_url: str) -> bool:
    """Whether the browser speaks TLS: with the hub, or with what stands before it under the hub's
    public name."""
    public = urlsplit(public_url)
    return request.secure or (public.scheme == "https" and public.netloc == request.host)


def cookie_name(name: str, *, secure: bool) -> str:
    """No other host, and nobody without TLS, can plant a cookie with this prefix."""
    return f"__Host-{name}" if secure else name


def cookie_path(*, secure: bool) -> str:
    """The prefix asks for the whole host."""
    return "/" if secure else BASE


def put_session(response: web.StreamResponse, session: Secret, *, secure: bool) -> None:
    """Until the browser is closed; the server ends it earlier."""
    response.set_cookie(
        cookie_name(SESSION, secure=secure),
        str(session),
        path=cookie_path(secure=secure),
        httponly=True,
        samesite="Lax",
        secure=secure,
    )


def drop_session(response: web.StreamResponse, *, secure: bool) -> None:
    path = cookie_path(secure=secure)
    response.del_cookie(cookie_name(SESSION, secure=secure), path=path, secure=secure)


def put_browser(response: web.StreamResponse, browser: Secret, *, secure: bool) -> None:
    """It opens nothing: failed logins of others do not slow this browser's down."""
    response.set_cookie(
        cookie_name(BROWSER, secure=secure),
        str(browser),
        path=cookie_path(secure=secure),
        max_age=_KNOWN_S,
        httponly=True,
        samesite="Strict",
        secure=secure,
    )


def csrf_token(session: Secret) -> str:
    """What a form has to bring; it follows from the cookie, and does not tell it."""
    return hmac.new(session.encode(), b"csrf", "sha256").hexdigest()
