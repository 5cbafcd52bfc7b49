"""The worker: claims what is due, sends it, and tries again later what did not arrive.

Runs in every MR; claims keep two of them from sending the same at once. One message per endpoint is under way
at a time, so a slow endpoint holds nobody but itself, and all together are bounded. A message that was given
up waits for people as a dead letter; an endpoint that did not take several in a row is switched off. When the
database is away it goes on trying, for ever.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from sqlalchemy import select

from common import tracing
from common.addresses import AddressRules, Outgoing, open_outgoing
from common.contracts.traces import trace_context_of
from common.errors import Unavailable
from mr.auth.vault import Undecipherable, Vault
from mr.db.models.base import utc_now
from mr.db.models.deliveries import DEAD, DELIVERED, SLACK, WAITING, WEBHOOK
from mr.db.models.portfolios import Environment
from mr.db.owed import SLACK_ENABLED, is_on
from mr.db.session import Database
from mr.deliveries import queue, sending
from mr.deliveries.enriched import build_enriched
from mr.deliveries.messaging import build_messaging
from mr.deliveries.queue import Claimed, Ended, Endpoint
from mr.settings import MrSettings
from mr.system_config import service as system_config
from mr.webhooks import settings as endpoint_settings

_log = structlog.get_logger(__name__)

POLL_SECONDS: Final = 1.0
UPKEEP_SECONDS: Final = 60.0
STOP_SECONDS: Final = 1.0
SLOTS: Final = 32
GROWTH: Final = 2
LEASE_MARGIN_SECONDS: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long one attempt may take, and how they follow one another."""

    deadline_seconds: float = 8.0
    attempts: int = 14
    first_pause_seconds: float = 1.0
    longest_pause_seconds: float = 3600.0
    max_failures: int = 5
    keep_seconds: float = 7 * 86_400.0

    def pause_milliseconds(self, attempts: int) -> int | None:
        """The pause after so many attempts, spread by a quarter; None = no more of them."""
        if attempts >= self.attempts:
            return None
        seconds = min(self.longest_pause_seconds, self.first_pause_seconds * GROWTH ** (attempts - 1))
        return int(1000 * seconds * random.uniform(0.75, 1.25))  # noqa: S311 (spreads load)


class DeliveryMetrics:
    """What the worker tells of itself."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.attempts = Counter(
            "burgee_delivery_attempts",
            "Attempts to send to webhooks and chats, by how the message stands afterwards",
            ["kind", "outcome"],
            registry=registry,
        )
        for kind in (WEBHOOK, SLACK):
            for outcome in (DELIVERED, WAITING, DEAD):
                self.attempts.labels(kind, outcome)
        self.seconds = Histogram(
            "burgee_delivery_seconds",
            "From the commit of a change to its delivery",
            ["kind"],
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 3600, 14400),
            registry=registry,
        )
        self.switched_off = Counter(
            "burgee_delivery_endpoints_switched_off",
            "Endpoints that were switched off because they took nothing",
            ["kind"],
            registry=registry,
        )
        self.rows = Gauge(
            "burgee_deliveries",
            "Messages that wait, and those that were given up",
            ["state"],
            registry=registry,
        )


class DeliveryWorker:
    """Sends what is owed. Made by `open_deliveries`."""

    def __init__(
        self,
        database: Database,
        outgoing: Outgoing,
        *,
        vault: Vault,
        pace: Pace,
        source: str,
        slack_url: str,
        registry: CollectorRegistry,
    ) -> None:
        self._database = database
        self._outgoing = outgoing
        self._vault = vault
        self._pace = pace
        self._source = source
        self._slack_url = slack_url
        self._metrics = DeliveryMetrics(registry)
        self._claimant = uuid4().hex
        self._busy: set[Endpoint] = set()
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._upkeep_at = 0.0
        self._retry_at = float("inf")

    def wake(self) -> None:
        """Something may be due: look now instead of at the next poll."""
        self._woken.set()

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping.set()
        self._woken.set()

    async def run(self) -> None:
        """Send what is due, until stopped."""
        failing = False
        async with asyncio.TaskGroup() as sends:
            while not self._stopping.is_set():
                self._woken.clear()
                try:
                    await self._begin_due(sends)
                    await self._keep_house()
                    failing = False
                except Unavailable as error:
                    if not failing:
                        _log.warning("deliveries.database_unavailable", detail=str(error))
                    failing = True
                await self._wait()

    async def _wait(self) -> None:
        """Wait for the next thing to do that is known, or for the next look at what is not."""
        poll = POLL_SECONDS * random.uniform(0.8, 1.2)  # noqa: S311 (spreads load)
        wait = max(0.0, min(poll, self._retry_at - time.monotonic()))
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._woken.wait()
        if time.monotonic() >= self._retry_at:
            self._retry_at = float("inf")

    async def _begin_due(self, sends: asyncio.TaskGroup) -> None:
        free = SLOTS - len(self._busy)
        if free <= 0:
            return
        lease = int((self._pace.deadline_seconds + LEASE_MARGIN_SECONDS) * 1000)
        claimed = await queue.claim_due(
            self._database, self._claimant, busy=self._busy, limit=free, lease_milliseconds=lease
        )
        for each in claimed:
            self._busy.add(each.endpoint)
            sends.create_task(self._attempt(each), name=f"delivery-{each.kind}")

    async def _attempt(self, claimed: Claimed) -> None:
        try:
            prepared = await self._prepared(claimed)
            if prepared is not None:
                await self._end(prepared, await self._recorded(prepared))
        except Unavailable as error:
            # The claim ends by itself, and then somebody tries again.
            _log.warning("deliveries.attempt_interrupted", kind=claimed.kind, detail=str(error))
        finally:
            self._busy.discard(claimed.endpoint)
            self._woken.set()

    async def _prepared(self, claimed: Claimed) -> Claimed | None:
        """Return the message with its body, stored before it is sent; None when there is nothing to send."""
        if claimed.body is not None:
            return claimed
        async with self._database.write() as session:
            if claimed.kind == WEBHOOK:
                body = await build_enriched(session, claimed.environment_id, claimed.keys)
            else:
                body = await build_messaging(session, claimed)
            if body is None:
                await queue.forget(session, claimed)
                return None
            return await queue.keep_body(session, claimed, self._claimant, body)

    async def _recorded(self, claimed: Claimed) -> Ended:
        """Send, as a part of the change's trace where it has one."""
        with tracing.recorded(
            f"deliver {claimed.kind}",
            tracing.Kind.CLIENT,
            under=trace_context_of(claimed.trace),
            attributes={"burgee.attempt": claimed.attempts},
        ) as span:
            ended = await self._send(claimed)
            if span is not None:
                span.note({"http.response.status_code": ended.status})
                if not ended.delivered:
                    span.fail(str(ended.status))
            return ended

    async def _send(self, claimed: Claimed) -> Ended:
        settings, system = await self._settings(claimed)
        if settings is None:
            return sending.not_configured()
        deadline = self._pace.deadline_seconds
        try:
            opened = await endpoint_settings.opened(settings, self._vault, claimed.environment_id)
            if claimed.kind == WEBHOOK:
                post = sending.webhook_post(claimed, opened, source=self._source)
                return await sending.post_webhook(self._outgoing, post, deadline_seconds=deadline)
            chat = await system_config.opened(system, self._vault)
            post = sending.chat_post(claimed, opened, chat, source=self._source, slack_url=self._slack_url)
            return await sending.post_chat(
                self._outgoing, post, deadline_seconds=deadline, to_slack=post.url == self._slack_url
            )
        except sending.NotConfigured:
            return sending.not_configured()
        except Undecipherable as error:
            return Ended(status=sending.NOT_CONFIGURED, delivered=False, message=str(error))

    async def _settings(self, claimed: Claimed) -> tuple[dict[str, str] | None, dict[str, Any]]:
        """Read the settings as they are now; None when nothing is to be sent any more."""
        async with self._database.read() as session:
            settings = await session.scalar(
                select(Environment.webhook_info).where(
                    Environment.id == claimed.environment_id, Environment.archived_at.is_(None)
                )
            )
            system: dict[str, Any] = {}
            if claimed.kind == SLACK:
                system = await system_config.load_settings(session, "slack.")
        on = settings is not None and (claimed.test or is_on(settings, claimed.kind))
        if claimed.kind == SLACK:
            on = on and (claimed.test or bool(system.get(SLACK_ENABLED)))
        return (settings if on else None), system

    async def _end(self, claimed: Claimed, ended: Ended) -> None:
        pause = None if ended.final or claimed.test else self._pace.pause_milliseconds(claimed.attempts)
        state = await queue.end_attempt(
            self._database, claimed, self._claimant, ended, pause_milliseconds=pause
        )
        self._metrics.attempts.labels(claimed.kind, state).inc()
        if state == WAITING and pause is not None:
            # A little later than due: the database's clock decides, and it runs in milliseconds.
            self._retry_at = min(self._retry_at, time.monotonic() + pause / 1000 + 0.01)
        if state == DELIVERED:
            self._metrics.seconds.labels(claimed.kind).observe(
                max(0.0, (utc_now() - claimed.created_at).total_seconds())
            )
        elif state == DEAD and not claimed.test:
            _log.warning(
                "deliveries.given_up",
                kind=claimed.kind,
                environment=str(claimed.environment_id),
                attempts=claimed.attempts,
                status=ended.status,
            )
            await self._switch_off(claimed.endpoint)

    async def _switch_off(self, endpoint: Endpoint) -> None:
        if await queue.switch_off(self._database, endpoint, max_failures=self._pace.max_failures):
            self._metrics.switched_off.labels(endpoint.kind).inc()
            _log.warning(
                "deliveries.endpoint_switched_off",
                kind=endpoint.kind,
                environment=str(endpoint.environment_id),
            )

    async def _keep_house(self) -> None:
        if time.monotonic() < self._upkeep_at:
            return
        more = await queue.prune(self._database, keep_seconds=self._pace.keep_seconds)
        for state, count in (await queue.count_states(self._database)).items():
            self._metrics.rows.labels(state).set(count)
        self._upkeep_at = time.monotonic() + (0 if more else UPKEEP_SECONDS)


@asynccontextmanager
async def open_deliveries(
    settings: MrSettings,
    database: Database,
    *,
    vault: Vault,
    source: str,
    registry: CollectorRegistry | None = None,
) -> AsyncIterator[DeliveryWorker]:
    """Send what is owed for the life of the block. ``source`` is what events name as where they come from.

    What is being sent when the block ends has a moment to end too; the rest is sent by the next.
    """
    pace = Pace(
        deadline_seconds=settings.delivery_timeout,
        attempts=settings.delivery_attempts,
        first_pause_seconds=settings.delivery_pause,
        max_failures=settings.delivery_max_failures,
        keep_seconds=settings.delivery_keep_hours * 3600,
    )
    rules = AddressRules(settings.outgoing_private_networks)
    async with open_outgoing(rules, connections=SLOTS) as outgoing:
        worker = DeliveryWorker(
            database,
            outgoing,
            vault=vault,
            pace=pace,
            source=source,
            slack_url=settings.slack_url,
            registry=registry or CollectorRegistry(),
        )
        stop_waking = database.on_commit(worker.wake)
        try:
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(worker.run(), name="deliveries")
                try:
                    yield worker
                finally:
                    worker.stop()
                    await asyncio.wait([running], timeout=STOP_SECONDS)
                    running.cancel()
        finally:
            stop_waking()
