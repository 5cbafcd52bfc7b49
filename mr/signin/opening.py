"""Put sign-in through identity providers together from the settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry, Counter

from common.addresses import AddressRules, open_outgoing
from mr.auth.external.asking import Asking
from mr.auth.external.providers import AnyProvider, read_providers
from mr.auth.sessions import Sessions
from mr.db.session import Database
from mr.settings import MrSettings
from mr.signin.endpoints import SignInEndpoints
from mr.signin.service import ExternalSignIn


@asynccontextmanager
async def open_sign_in(
    settings: MrSettings,
    database: Database,
    *,
    sessions: Sessions,
    capabilities: Mapping[str, str],
    registry: CollectorRegistry,
) -> AsyncIterator[SignInEndpoints]:
    """Yield what browsers and clients meet; without identity providers there is little of it."""
    providers: Mapping[str, AnyProvider] = {}
    if settings.sign_in_file is not None:
        providers = await asyncio.to_thread(read_providers, settings.sign_in_file)
    outcomes = Counter(
        "burgee_mr_external_sign_ins_total",
        "Sign-ins through identity providers, by provider and how they ended.",
        ("provider", "outcome"),
        registry=registry,
    )
    public_url = settings.public_address()
    async with open_outgoing(AddressRules(settings.outgoing_private_networks), connections=16) as outgoing:
        external = ExternalSignIn(
            database,
            providers,
            asking=Asking(outgoing),
            sessions=sessions,
            public_url=public_url,
            admin_group_suffix=settings.admin_group_suffix,
            capabilities=capabilities,
        )
        yield SignInEndpoints(
            external,
            public_url=public_url,
            local=settings.local_sign_in,
            bearer_cookie=settings.compat_bearer_cookie,
            session_max_hours=settings.session_max_hours,
            outcomes=outcomes,
        )
