"""What brings a partner on board: invite, connect, rotate; by file, without credentials."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator

from ocpi_hub.admin.actions import platforms
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes.base import API, AnyRoute, Body, Call, Given, Party, Route
from ocpi_hub.admin.routes.platforms import PlatformGiven, checked_name
from ocpi_hub.admin.views.platforms import InvitationView, PlatformItem
from ocpi_hub.domain.party import CredentialsToken, PlatformId, Role
from ocpi_hub.registration.claims import MAX_ROLES
from ocpi_hub.registration.protocols import ExpectedRole

_PERMIT = Field((), description="parties it may claim although the hub knows them already")


class NoParameters(Given):
    """Neither in the path nor in the query."""


class ExpectedParty(Body):
    """A party in a role that a platform will claim."""

    party: Party
    role: Role

    def expected(self) -> ExpectedRole:
        return ExpectedRole(self.party, self.role)


_EXPECT = Field(
    (), max_length=MAX_ROLES, description="parties that are PLANNED until the platform claims them"
)


class NewPlatform(Body):
    """A platform that is to register."""

    name: str = Field(description="what the platform is called here")
    allow_parties: tuple[Party, ...] = _PERMIT
    expected_parties: tuple[ExpectedParty, ...] = _EXPECT

    @field_validator("name")
    @classmethod
    def _name_is_printable(cls, value: str) -> str:
        return checked_name(value)


_BY_FILE = Field((), max_length=MAX_ROLES, description="parties that files are exchanged with")


class FilePlatform(Body):
    """A platform that exchanges files."""

    name: str = Field(description="what the platform is called here")
    parties: tuple[ExpectedParty, ...] = _BY_FILE

    @field_validator("name")
    @classmethod
    def _name_is_printable(cls, value: str) -> str:
        return checked_name(value)


class FileParties(Body):
    """More parties of a platform that exchanges files."""

    parties: tuple[ExpectedParty, ...] = _BY_FILE


class Known(Body):
    """What may be said of a platform besides."""

    name: str | None = Field(None, description="a new name")
    allow_parties: tuple[Party, ...] = _PERMIT

    @field_validator("name")
    @classmethod
    def _name_is_printable(cls, value: str | None) -> str | None:
        return checked_name(value) if value is not None else None


class Renewal(Known):
    """A new invitation for a platform that is known already."""

    expected_parties: tuple[ExpectedParty, ...] = _EXPECT


class Connection(Known):
    """What a partner that invited the hub gave us."""

    versions_url: str = Field(min_length=1, max_length=2000)
    token: SecretStr = Field(min_length=1, max_length=1000, description="CREDENTIALS_TOKEN_A")


class Rotation(Body):
    """How the credentials are renewed."""

    now: bool = Field(
        False,
        description="the tokens that the partner has are void first, without grace; of a suspended"
        " platform nothing else is done",
    )


def onboarding_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    access, onboarding = parts.access, parts.onboarding
    one = f"{API}/platforms/{{platform}}"

    async def invite(call: Call[NoParameters, NewPlatform]) -> InvitationView:
        body = call.body
        return await platforms.invite(
            onboarding,
            body.name,
            permit=body.allow_parties,
            expect=[party.expected() for party in body.expected_parties],
        )

    async def renew(call: Call[PlatformGiven, Renewal]) -> InvitationView:
        return await platforms.renew_invitation(
            access,
            onboarding,
            PlatformId(call.given.platform),
            name=call.body.name,
            permit=call.body.allow_parties,
            expect=[party.expected() for party in call.body.expected_parties],
        )

    async def serve_by_file(call: Call[NoParameters, FilePlatform]) -> PlatformItem:
        parties = [party.expected() for party in call.body.parties]
        return await platforms.serve_by_file(access, call.body.name, parties)

    async def turn_to_files(call: Call[PlatformGiven, FileParties]) -> PlatformItem:
        parties = [party.expected() for party in call.body.parties]
        platform_id = PlatformId(call.given.platform)
        return await platforms.turn_to_files(access, platform_id, parties)

    async def connect(call: Call[NoParameters, Connection]) -> PlatformItem:
        body = call.body
        return await platforms.connect(
            access,
            onboarding,
            body.versions_url.strip(),
            CredentialsToken(body.token.get_secret_value().strip()),
            name=body.name,
            permit=body.allow_parties,
        )

    async def rotate(call: Call[PlatformGiven, Rotation]) -> PlatformItem:
        platform_id = PlatformId(call.given.platform)
        return await platforms.rotate(access, onboarding, platform_id, now=call.body.now)

    admin = Scope.ADMIN
    return (
        Route("POST", f"{API}/platforms", admin, "Invite a partner; its token is shown this once",
              NoParameters, NewPlatform, InvitationView, invite, 201),
        Route("POST", f"{API}/file-platforms", admin, "Add a partner that exchanges files",
              NoParameters, FilePlatform, PlatformItem, serve_by_file, 201),
        Route("POST", f"{one}/by-file", admin,
              "A platform that is invited or has withdrawn exchanges files",
              PlatformGiven, FileParties, PlatformItem, turn_to_files),
        Route("POST", f"{API}/connections", admin, "Register with a partner that invited the hub",
              NoParameters, Connection, PlatformItem, connect, 201),
        Route("POST", f"{one}/invitation", admin, "Replace an invitation that expired or was lost",
              PlatformGiven, Renewal, InvitationView, renew, 201),
        Route("POST", f"{one}/rotate", admin, "Renew the credentials on both sides",
              PlatformGiven, Rotation, PlatformItem, rotate),
    )  # fmt: skip
