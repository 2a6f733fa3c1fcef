"""Login, logout, change of password.

Every attempt counts as a failure before its password is looked at, in the database, so that
neither many at once nor a restart help. After a few failures one waits, a minute at most: an
account that somebody attacks is never closed for long, and not at all for browsers that it logged
in from before. A login always makes a new session: one that was planted in a browser stays
worthless.

Logins, logouts and refusals are in the audit log; what is no account's name is not, as people type
passwords as names.
"""

from __future__ import annotations

from ocpi_hub.admin.accounts import Account, Secret
from ocpi_hub.admin.acting import acting, change, refused_attempt
from ocpi_hub.admin.actions import accounts
from ocpi_hub.admin.faults import Code, Refusal
from ocpi_hub.admin.views.accounts import SeenFrom
from ocpi_hub.console.forms import Form, Input
from ocpi_hub.console.page import Page
from ocpi_hub.console.stories import Ask, Note, Story, told
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import BASE, Answer, Redirect, Shown, Tone, Visit
from ocpi_hub.store.accounts import FREE_ACCOUNT, FREE_ADDRESS, address_subject, subject_of
from ocpi_hub.store.audit import Actor, ActorKind
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

LOGIN, LOGOUT, PASSWORD = "/login", "/logout", "/password"
_LONGEST = 300

_LOGIN, _CHANGE = "account.login", "account.change_password"
_HAS_TO_WAIT = "has to wait after failed attempts"
_DISABLED = "the account is disabled"
_WRONG = "wrong password"
_UNKNOWN = Actor(ActorKind.ACCOUNT, "unknown", "unknown")
"""Whoever gave a name that no account has."""


def login_pages() -> tuple[Page, ...]:
    return (
        Page("GET", LOGIN, None, show_login, public=True),
        Page("POST", LOGIN, None, log_in, public=True),
        Page("POST", LOGOUT, None, log_out, partner=True),
        Page("GET", PASSWORD, None, show_password, partner=True),
        Page("POST", PASSWORD, None, change_password, partner=True),
    )


async def show_login(visit: Visit) -> Answer:
    if visit.visitor is not None:
        return Redirect(inside(visit.query.get("to")))
    return _login_form(visit)


async def log_in(visit: Visit) -> Answer:
    name = visit.form.get("name", "")[:_LONGEST].strip()
    store = visit.parts.admin.accounts
    found = await store.password_of(name)
    # Other spellings, as far as the database takes them for the same name, count together.
    name = found[0].name if found else name
    known = await store.knows_browser(visit.browser, name)
    address = address_subject(visit.address)
    if known and visit.browser is not None:
        own = subject_of("browser", f"{visit.browser.sha256.hex()} {name}")
        subjects = [(own, FREE_ACCOUNT)]
    else:
        own = subject_of("account", name)
        subjects = [(own, FREE_ACCOUNT), (address, FREE_ADDRESS)]
    wait = await store.attempt(subjects)
    if wait is not None:
        log.warning("login_has_to_wait", address=visit.address, wait_s=wait)
        await _note_refused(visit, found, _HAS_TO_WAIT)
        return _login_form(visit, t("login.wait", seconds=wait), 429)
    account = await _checked(visit, found, Secret(visit.form.get("password", "")))
    session, browser = Secret.new_session(), visit.browser if known else None
    browser = browser or Secret.new_session()
    if account is None or not await store.open_session(account, session, browser):
        log.warning("login_refused", address=visit.address)
        await _note_refused(visit, found, _WRONG)
        return _login_form(visit, t("login.wrong"), 401)
    await store.forgive([own])
    if not known:
        await store.take_back(address)
    with acting(_actor(account), visit.parts.admin.audit, visit.correlation_id):
        async with change(_LOGIN, account.account_id) as noted:
            noted.became(SeenFrom(addresses=(visit.address,)), account.account_id)
            log.info("logged_in", account=account.account_id)
    to = PASSWORD if account.must_change else inside(visit.query.get("to"))
    return Redirect(to, login=(session, browser))


async def log_out(visit: Visit) -> Answer:
    async with change("account.logout", visit.viewer.account_id) as noted:
        await visit.parts.admin.accounts.close_session(visit.session)
        noted.became(SeenFrom(addresses=(visit.address,)), visit.viewer.account_id)
    return Redirect(LOGIN, logout=True)


async def show_password(visit: Visit) -> Answer:
    account = await visit.parts.admin.accounts.find(visit.viewer.account_id)
    inputs = (
        Input("old", t("login.old"), "password", required=True, autocomplete="current-password"),
        Input(
            "new", t("login.new"), "password", required=True,
            help=t("login.new_help"), autocomplete="new-password",
        ),
        Input("again", t("login.again"), "password", required=True, autocomplete="new-password"),
    )  # fmt: skip
    form = Form(BASE + PASSWORD, t("login.change"), inputs)
    notes = [Note(t("login.must_change"), Tone.WARN)] if account.must_change else []
    return told(visit, Story(t("login.password_title"), [*notes, Ask("", [form])]))


async def change_password(visit: Visit) -> Answer:
    admin, form = visit.parts.admin, visit.form
    own = subject_of("password", visit.viewer.account_id)
    if form.get("new") != form.get("again"):
        raise Refusal(Code.INVALID_REQUEST, t("login.differ"))
    wait = await admin.accounts.attempt([(own, FREE_ACCOUNT)])
    if wait is not None:
        await refused_attempt(_CHANGE, visit.viewer.account_id, _HAS_TO_WAIT, visit.address)
        raise Refusal(Code.TOO_MANY_REQUESTS, t("login.wait", seconds=wait))
    found = await admin.accounts.password_of(visit.viewer.name)
    if await _checked(visit, found, Secret(form.get("old", ""))) is None:
        await refused_attempt(_CHANGE, visit.viewer.account_id, _WRONG, visit.address)
        raise Refusal(Code.INVALID_REQUEST, t("login.old_wrong"))
    await admin.accounts.forgive([own])
    if form.get("new") == form.get("old"):
        raise Refusal(Code.INVALID_REQUEST, t("login.same"))
    await accounts.change_password(
        admin.accounts,
        admin.passwords,
        visit.viewer.account_id,
        form.get("new", ""),
        session=visit.session,
    )
    return Redirect("/", (Tone.GOOD, t("login.changed")))


async def _checked(
    visit: Visit, found: tuple[Account, str] | None, password: Secret
) -> Account | None:
    """The account, if this is its password; an unknown one takes as long.

    Args:
        found: with the hash that is kept.
    """
    admin = visit.parts.admin
    if not await admin.passwords.matches(found[1] if found else None, password) or found is None:
        return None
    account, kept = found
    if account.disabled_at is not None:
        return None
    if admin.passwords.is_dated(kept):
        fresh = await admin.passwords.hash(password)
        await admin.accounts.rehash(account.account_id, fresh, kept)
    return account


async def _note_refused(visit: Visit, found: tuple[Account, str] | None, reason: str) -> None:
    """A refused login, under the account that it was tried for."""
    account = found[0] if found else None
    if account is not None and account.disabled_at is not None:
        reason = _DISABLED
    actor = _actor(account) if account is not None else _UNKNOWN
    with acting(actor, visit.parts.admin.audit, visit.correlation_id):
        await refused_attempt(_LOGIN, actor.actor, reason, visit.address)


def _actor(account: Account) -> Actor:
    return Actor(ActorKind.ACCOUNT, account.account_id, account.name)


def _login_form(visit: Visit, fault: str = "", http_status: int = 200) -> Shown:
    context = {
        "fault": fault,
        "name": visit.form.get("name", ""),
        "to": inside(visit.query.get("to")),
    }
    return Shown("login.html", t("login.title"), context, http_status)


def inside(path: str | None) -> str:
    """A path below `/console` to go on to, whatever somebody wrote into a link."""
    if path is None or not path.startswith("/") or path.startswith(("//", "/\\")):
        return "/"
    return path if path.isprintable() and "\\" not in path else "/"
