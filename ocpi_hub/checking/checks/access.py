"""Who gets in: the credentials token, and nothing else."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress

from ocpi_hub.checking.conversation import Manner, Seen
from ocpi_hub.checking.model import Check, Notes, NotPermitted, Run, Severity, Skip
from ocpi_hub.checking.partner import LISTS, SENDER, Partner
from ocpi_hub.ocpi import headers

MUST, SHOULD, INFO = Severity.MUST, Severity.SHOULD, Severity.INFO


async def takes_base64(partner: Partner, notes: Notes) -> None:
    right = headers.authorization(partner.target.token)
    seen = await partner.versions(Manner(authorization=right))
    notes.saw(seen)
    if seen.http == 401 and partner.conversation.raw:
        notes.fault("the token is taken only without Base64", seen)
    elif seen.failure is not None or seen.http in {401, 403}:
        notes.fault(f"the token is not accepted: {seen.outcome}", seen)


async def takes_raw(partner: Partner, notes: Notes) -> None:
    raw = headers.authorization(partner.target.token, raw=True)
    seen = await partner.versions(Manner(authorization=raw))
    notes.saw(seen)
    notes.remark(f"without Base64 the token is {'taken too' if seen.succeeded else 'refused'}")


async def opens_modules(partner: Partner, notes: Notes) -> None:
    lists = await _lists(partner)
    if not lists:
        raise Skip("the partner serves no list")
    closed: list[tuple[str, Seen]] = []
    for module in lists:
        try:
            notes.saw(await partner.ask(module, SENDER))
        except NotPermitted as refusal:
            closed.append((module, refusal.seen))
    unknown = [(module, seen) for module, seen in closed if seen.http == 401]
    if len(unknown) == len(lists):
        notes.fault(
            "the token opens no functional module: it only serves to register", closed[0][1]
        )
    elif not notes.seen:
        notes.fault("we may read none of the lists: check in the name of another", closed[0][1])
    else:
        for module, seen in unknown:
            notes.fault(f"{module}: the token is refused, elsewhere it is good", seen)


def refused(authorization: Callable[[Partner], str]) -> Run:
    """That the versions endpoint answers 401 to an Authorization header ("": to none)."""

    async def run(partner: Partner, notes: Notes) -> None:
        _require_answer(await partner.versions())
        seen = await partner.versions(Manner(authorization=authorization(partner)))
        _judge_refusal(seen, notes)

    return run


def _refused_by(look: Callable[[Partner, Manner], Awaitable[Seen]]) -> Run:
    async def run(partner: Partner, notes: Notes) -> None:
        _judge_refusal(await look(partner, Manner(authorization=_unknown(partner))), notes)

    return run


async def refused_by_modules(partner: Partner, notes: Notes) -> None:
    for module in await _lists(partner):
        with suppress(NotPermitted):
            await partner.ask(module, SENDER)  # what is closed to everybody shows nothing
            manner = Manner(authorization=_unknown(partner))
            _judge_refusal(await partner.ask(module, SENDER, manner=manner), notes)
    if not notes.seen:
        raise Skip("the partner serves no list that the right token opens")


async def scheme_in_any_case(partner: Partner, notes: Notes) -> None:
    _require_answer(await partner.versions())
    right = headers.authorization(partner.target.token, raw=partner.conversation.raw)
    seen = await partner.versions(Manner(authorization=right.replace("Token", "token", 1)))
    notes.saw(seen)
    if not seen.succeeded:
        notes.fault(f"`token` in place of `Token` is answered with {seen.outcome}", seen)


async def _lists(partner: Partner) -> list[str]:
    offered = await partner.endpoints()
    return [module for module in LISTS if (module, SENDER) in offered]


async def _details(partner: Partner, manner: Manner) -> Seen:
    return await partner.conversation.ask(await partner.details_url(), manner=manner)


async def _credentials(partner: Partner, manner: Manner) -> Seen:
    return await partner.conversation.ask(await partner.credentials_url(), manner=manner)


def _judge_refusal(seen: Seen, notes: Notes) -> None:
    notes.saw(seen)
    if seen.http != 401:
        notes.fault(f"expected HTTP 401, got {seen.outcome}", seen)


def _require_answer(seen: Seen) -> None:
    if not seen.succeeded:
        raise Skip(f"the right token is not accepted either ({seen.outcome})")


def _unknown(_partner: Partner) -> str:
    return headers.authorization(f"check-{secrets.token_hex(16)}")


def _swapped(partner: Partner) -> str:
    token = str(partner.target.token)
    swapped = token.swapcase()
    if swapped == token:
        raise Skip("the token has no letters")
    return headers.authorization(swapped, raw=partner.conversation.raw)


def _bearer(partner: Partner) -> str:
    right = headers.authorization(partner.target.token, raw=partner.conversation.raw)
    return right.replace("Token", "Bearer", 1)


_FIX_REFUSE = (
    "Look the decoded token up before anything else, and answer 401 when it is not exactly one"
    " that you issued."
)

CHECKS = (
    Check(
        "access.base64", "The credentials token is taken as Base64", ("TF-02", "TF-03"), MUST,
        "Decode what follows `Token ` with Base64 and compare the result with the token you issued;"
        " check that token and URL belong together.", takes_base64,
    ),
    Check(
        "access.raw", "Whether the token is taken without Base64, too", ("TF-04",), INFO,
        "Nothing to do: both is allowed.", takes_raw,
    ),
    Check(
        "access.modules", "The token opens functional modules", ("TF-07",), SHOULD,
        "Register first: the token for registering opens versions and credentials only. Check"
        " with the token that the credentials exchange has brought.", opens_modules,
    ),
    Check(
        "access.no_token", "Without a token the answer is 401", ("TF-06", "VE-04"), MUST,
        _FIX_REFUSE, refused(lambda _partner: ""),
    ),
    Check(
        "access.unknown_token", "With a token nobody has, the answer is 401", ("TF-06",), MUST,
        _FIX_REFUSE, refused(_unknown),
    ),
    Check(
        "access.token_case", "Tokens are told apart by upper and lower case", ("TF-03",), MUST,
        "Compare tokens character by character: they are case-sensitive.", refused(_swapped),
    ),
    Check(
        "access.other_scheme", "Another scheme than Token is refused", ("TF-06",), SHOULD,
        "Accept `Authorization: Token ...` only.", refused(_bearer),
    ),
    Check(
        "access.malformed", "A malformed Authorization header is answered 401", ("TF-06",), MUST,
        "Treat a header that cannot be decoded like a missing one: 401, no error of the server.",
        refused(lambda _partner: "Token \u007e%%%not=base64%%%"),
    ),
    Check(
        "access.scheme_case", "The scheme is read in any case", (), SHOULD,
        "HTTP compares the scheme of an Authorization header without regard to case.",
        scheme_in_any_case,
    ),
    Check(
        "access.details", "Version details are closed to unknown tokens", ("VE-04", "TF-06"), MUST,
        _FIX_REFUSE, _refused_by(_details),
    ),
    Check(
        "access.credentials", "Credentials are closed to unknown tokens", ("TF-06",), MUST,
        _FIX_REFUSE, _refused_by(_credentials),
    ),
    Check(
        "access.lists", "Lists are closed to unknown tokens", ("TF-06",), MUST,
        _FIX_REFUSE, refused_by_modules,
    ),
)  # fmt: skip
