"""The table of routes, one file per kind."""

from __future__ import annotations

from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes.accounts import account_routes
from ocpi_hub.admin.routes.audit import audit_routes
from ocpi_hub.admin.routes.authorizations import authorization_routes
from ocpi_hub.admin.routes.base import AnyRoute
from ocpi_hub.admin.routes.cdr_affairs import cdr_affair_routes
from ocpi_hub.admin.routes.cdr_checks import cdr_check_routes
from ocpi_hub.admin.routes.cdr_documents import cdr_document_routes
from ocpi_hub.admin.routes.cdrs import cdr_routes
from ocpi_hub.admin.routes.checks import check_routes
from ocpi_hub.admin.routes.files import file_routes
from ocpi_hub.admin.routes.handshakes import handshake_routes
from ocpi_hub.admin.routes.keys import key_routes
from ocpi_hub.admin.routes.lanes import lane_routes
from ocpi_hub.admin.routes.locations import location_routes
from ocpi_hub.admin.routes.messages import message_routes
from ocpi_hub.admin.routes.onboarding import onboarding_routes
from ocpi_hub.admin.routes.platforms import platform_routes
from ocpi_hub.admin.routes.relations import relation_routes
from ocpi_hub.admin.routes.reports import report_routes
from ocpi_hub.admin.routes.sessions import session_routes
from ocpi_hub.admin.routes.statements import statement_routes
from ocpi_hub.admin.routes.tokens import token_routes
from ocpi_hub.admin.routes.traffic import traffic_routes
from ocpi_hub.admin.routes.whitelist import whitelist_routes

__all__ = ["all_routes"]


def all_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    """Every route of the API."""
    return (
        *traffic_routes(parts),
        *platform_routes(parts),
        *onboarding_routes(parts),
        *handshake_routes(parts),
        *check_routes(parts),
        *relation_routes(parts),
        *authorization_routes(parts),
        *token_routes(parts),
        *cdr_routes(parts),
        *cdr_check_routes(parts),
        *cdr_document_routes(),
        *cdr_affair_routes(parts),
        *session_routes(parts),
        *location_routes(parts),
        *message_routes(parts),
        *lane_routes(parts),
        *whitelist_routes(parts),
        *file_routes(parts),
        *statement_routes(parts),
        *report_routes(parts),
        *key_routes(parts),
        *account_routes(parts),
        *audit_routes(parts),
    )
