"""The list of HubClientInfo, for platforms that are not sure of what they were told.

Spec: 2.2.1 mod_hub_client_info_hub_interface.
"""

from __future__ import annotations

from ocpi_hub.delivery.client_info import ClientInfoStore
from ocpi_hub.delivery.client_info_sight import Sight
from ocpi_hub.directory.snapshot import CredentialsKind
from ocpi_hub.domain.message import Reply
from ocpi_hub.errors import Unauthenticated
from ocpi_hub.ocpi.paging import parse_page
from ocpi_hub.server.inbound import Caller, Target
from ocpi_hub.server.replies import page_at


class HubClientInfoHandler:
    """Answers the list.

    Args:
        page_limit: objects on a page at most.
        unrelated_planned: see `Sight`.
    """

    def __init__(
        self,
        store: ClientInfoStore,
        *,
        page_limit: int,
        public_url: str,
        unrelated_planned: bool = False,
    ) -> None:
        self._store = store
        self._planned = unrelated_planned
        self._page_limit = page_limit
        self._public_url = public_url

    async def list(self, target: Target, caller: Caller) -> Reply:
        """A page of what the caller's platform is told, which is complete (HC-08).

        Raises:
            Unauthenticated: registration credentials open no list.
            InvalidRequest: a bad paging parameter.
            StoreUnavailable: the database cannot be reached.
        """
        if caller.issued.kind is not CredentialsKind.ACCESS:
            raise Unauthenticated("A registration token opens credentials and versions only")
        platform, directory = caller.platform, caller.directory
        maximum = min(self._page_limit, platform.page_limit or self._page_limit)
        request = parse_page(target.query, maximum=maximum)
        who, version = platform.platform_id, directory.version
        # The loop that keeps the rows up to date may be a moment behind this directory.
        if request.cursor is None and not await self._store.follows(who, version):
            sight = Sight(directory, unrelated_planned=self._planned)
            await self._store.sync(version, [sight.whole(platform)])
        page = await self._store.page(who, request)
        url = "/".join((self._public_url, *target.segments))
        return page_at(url, page, request, target.query)
