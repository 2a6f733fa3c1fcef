"""All pages of the console, in the order of the menu; one file for each kind."""

from __future__ import annotations

from ocpi_hub.console.logins import login_pages
from ocpi_hub.console.page import Page
from ocpi_hub.console.pages.accounts import account_pages
from ocpi_hub.console.pages.audit import audit_pages
from ocpi_hub.console.pages.authorizations import authorization_pages
from ocpi_hub.console.pages.cdrs import cdr_pages
from ocpi_hub.console.pages.checks import check_pages
from ocpi_hub.console.pages.disputes import dispute_pages
from ocpi_hub.console.pages.imports import import_pages
from ocpi_hub.console.pages.lanes import lane_pages
from ocpi_hub.console.pages.locations import location_pages
from ocpi_hub.console.pages.messages import message_pages
from ocpi_hub.console.pages.onboarding import onboarding_pages
from ocpi_hub.console.pages.onboarding_platform import onboarding_platform_pages
from ocpi_hub.console.pages.onboarding_relations import onboarding_relation_pages
from ocpi_hub.console.pages.overview import overview_pages
from ocpi_hub.console.pages.partner import partner_pages
from ocpi_hub.console.pages.platforms import platform_pages
from ocpi_hub.console.pages.relation_rules import rule_pages
from ocpi_hub.console.pages.relations import relation_pages
from ocpi_hub.console.pages.reports import report_pages
from ocpi_hub.console.pages.sessions import session_pages
from ocpi_hub.console.pages.statements import statement_pages
from ocpi_hub.console.pages.tokens import token_pages
from ocpi_hub.console.pages.traffic import traffic_pages
from ocpi_hub.console.pages.whitelist import whitelist_pages
from ocpi_hub.console.pages.whitelist_schedules import whitelist_schedule_pages

__all__ = ["all_pages"]


def all_pages() -> tuple[Page, ...]:
    """Every page and deed of the console, with who may."""
    return (
        *overview_pages(),
        *traffic_pages(),
        *platform_pages(),
        *onboarding_pages(),
        *onboarding_platform_pages(),
        *onboarding_relation_pages(),
        *check_pages(),
        *partner_pages(),
        *relation_pages(),
        *location_pages(),
        *rule_pages(),
        *authorization_pages(),
        *session_pages(),
        *cdr_pages(),
        *dispute_pages(),
        *message_pages(),
        *lane_pages(),
        *token_pages(),
        *whitelist_pages(),
        *whitelist_schedule_pages(),
        *import_pages(),
        *statement_pages(),
        *report_pages(),
        *audit_pages(),
        *account_pages(),
        *login_pages(),
    )
