"""Compose the Management Repository: its operations, and what stands around them.

`open_mr` builds, `mr_app` serves. The relay and the database are opened by the topology, which also decides
what else runs in the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from typing import Any, cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry, Counter
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from common.errors import AppError, BadRequest, NotFound
from common.web import BodyGuard, field_faults, problem_handlers, problem_of
from mr.api.json_body import encode
from mr.api.openapi import Documents
from mr.api.operations import Operation
from mr.application_strategies.endpoints import ApplicationStrategyEndpoints
from mr.applications.endpoints import ApplicationEndpoints
from mr.audit.endpoints import AuditEndpoints
from mr.auth.middleware import Authentication
from mr.auth.passwords import Passwords
from mr.auth.renewal import RenewalCookie
from mr.auth.sessions import Sessions
from mr.auth.vault import Vault
from mr.cache_refresh.endpoints import CacheEndpoints
from mr.credentials.endpoints import CredentialEndpoints
from mr.credentials.service import Credentials
from mr.dashboard.endpoints import DashboardEndpoints
from mr.db.session import Database
from mr.deliveries.endpoints import DeliveryEndpoints
from mr.environment_features.endpoints import EnvironmentFeatureEndpoints
from mr.environments.endpoints import EnvironmentEndpoints
from mr.evaluation.endpoints import EvaluationEndpoints
from mr.feature_groups.endpoints import FeatureGroupEndpoints
from mr.features.endpoints import FeatureEndpoints
from mr.filters.endpoints import FilterEndpoints
from mr.groups.endpoints import GroupEndpoints
from mr.history.endpoints import HistoryEndpoints
from mr.live.endpoints import LiveEndpoints
from mr.live.feed import LiveFeed, open_live_feed
from mr.pages import AdminPages, admin_pages
from mr.people.endpoints import PersonEndpoints
from mr.portfolios.endpoints import PortfolioEndpoints
from mr.propagation.endpoints import PropagationEndpoints
from mr.propagation.record import Propagation
from mr.service_accounts.endpoints import ServiceAccountEndpoints
from mr.settings import MrSettings
from mr.signin.opening import open_sign_in
from mr.signin.renewal import RenewalEndpoints
from mr.strategies.endpoints import StrategyEndpoints
from mr.strategies.validation import InvalidStrategies
from mr.system.endpoints import SystemEndpoints
from mr.system.service import capabilities
from mr.system_config.endpoints import SystemConfigEndpoints
from mr.tracked_events.endpoints import TrackedEventEndpoints
from mr.usage.endpoints import UsageEndpoints
from mr.user_state.endpoints import UserStateEndpoints
from mr.webhooks.endpoints import WebhookEndpoints

SERVER_NAME = "management-repository"


@dataclass(frozen=True)
class Mr:
    """An opened Management Repository."""

    database: Database
    sessions: Sessions
    operations: tuple[Operation, ...]
    pages: tuple[BaseRoute, ...]
    """What browsers meet beside the operations."""
    live: LiveFeed
    """Drained before the server stops accepting, or its streams would hold it up."""
    interface: AdminPages
    max_body_bytes: int
    version: str

    def routes(self) -> Sequence[BaseRoute]:
        """Every route: the operations, their documents, and the interface below `/`."""
        return [
            *self.operations,
            *self.pages,
            *Documents(self.operations, version=self.version).routes(),
            self.interface,
        ]


def open_vault(settings: MrSettings) -> Vault:
    """Return what seals and opens the secrets of this installation."""
    password = settings.encryption_password
    return Vault(password.get_secret_value() if password else None, reveals=settings.secrets_shown)


@asynccontextmanager
async def open_mr(
    settings: MrSettings,
    database: Database,
    *,
    server_name: str = SERVER_NAME,
    registry: CollectorRegistry | None = None,
    propagation: Propagation | None = None,
) -> AsyncIterator[Mr]:
    """Build the operations over an open database. `server_name` is what `/info/version` says.

    ``registry``: where its metrics go; without one they go nowhere. ``propagation`` hears what other
    processes report; without it nobody is heard.
    """
    version = installed_version("burgee")
    propagation = propagation or Propagation()
    sessions = Sessions(
        database, idle_hours=settings.session_idle_hours, max_hours=settings.session_max_hours
    )
    registry = registry or CollectorRegistry()
    passwords = Passwords(min_length=settings.password_min_length)
    public_url = settings.public_address()
    vault = open_vault(settings)
    able = capabilities(vault)
    cookie = RenewalCookie(settings.public_url)
    credentials = Credentials(
        database,
        sessions=sessions,
        passwords=passwords,
        capabilities=able,
        local=settings.local_sign_in,
    )
    async with (
        open_live_feed(database, sessions, registry=registry) as live,
        open_sign_in(settings, database, sessions=sessions, capabilities=able, registry=registry) as sign_in,
    ):
        subjects = (
            SystemEndpoints(
                database,
                sessions=sessions,
                passwords=passwords,
                admin_group_suffix=settings.admin_group_suffix,
                server_name=server_name,
                version=version,
                capabilities=able,
                choices=sign_in.choices(),
                cookie=cookie,
            ),
            sign_in,
            RenewalEndpoints(database, sessions=sessions, cookie=cookie, capabilities=able),
            CredentialEndpoints(credentials, public_url=public_url),
            PersonEndpoints(database, sessions=sessions, public_url=public_url),
            PortfolioEndpoints(database, admin_group_suffix=settings.admin_group_suffix),
            GroupEndpoints(database),
            ApplicationEndpoints(database, first_environment=settings.production_environment_name),
            EnvironmentEndpoints(database, vault=vault),
            FeatureEndpoints(database),
            EnvironmentFeatureEndpoints(database),
            DashboardEndpoints(database),
            HistoryEndpoints(database),
            StrategyEndpoints(database),
            ApplicationStrategyEndpoints(database),
            FeatureGroupEndpoints(database),
            FilterEndpoints(database),
            ServiceAccountEndpoints(database),
            UserStateEndpoints(database),
            WebhookEndpoints(database, vault=vault),
            TrackedEventEndpoints(database),
            SystemConfigEndpoints(database, vault=vault, site_url=public_url),
            DeliveryEndpoints(database),
            CacheEndpoints(database),
            PropagationEndpoints(database, propagation),
            AuditEndpoints(database),
            LiveEndpoints(live),
            EvaluationEndpoints(database),
            UsageEndpoints(database, propagation),
        )
        operations = tuple(operation for subject in subjects for operation in subject.operations())
        retries = Counter(
            "burgee_mr_transaction_retries_total",
            "Transactions that lost a race and were repeated, by SQLSTATE.",
            ("sqlstate",),
            registry=registry,
        )
        for operation in operations:
            operation.on_retry = lambda sqlstate: retries.labels(sqlstate).inc()
        yield Mr(
            database,
            sessions,
            operations,
            tuple(sign_in.routes()),
            live,
            interface=await asyncio.to_thread(admin_pages, settings.public_url),
            max_body_bytes=settings.max_body_bytes,
            version=version,
        )


def mr_app(mr: Mr) -> ASGIApp:
    """Return the application: everything below `/mr-api`, `/info/version`, and the page at `/`."""
    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            **cast("dict[Any, Any]", problem_handlers()),  # FastAPI's type is narrower than Starlette's
            RequestValidationError: _invalid_request,
            InvalidStrategies: _invalid_strategies,
        },
        middleware=[
            Middleware(BodyGuard, max_bytes=mr.max_body_bytes),
            Middleware(Authentication, operations=mr.operations, sessions=mr.sessions),
        ],
    )
    app.router.routes.extend(mr.routes())
    return app


async def _invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type
    faults = error.errors()
    answered: AppError
    if any(fault["loc"][0] == "path" for fault in faults):
        answered = NotFound()
    else:
        answered = BadRequest(fields=field_faults(faults))
    return problem_of(answered, request.scope)


async def _invalid_strategies(_request: Request, error: Exception) -> Response:
    assert isinstance(error, InvalidStrategies)  # noqa: S101 - registered for this type
    return Response(encode(error.found), error.status, media_type="application/json")
