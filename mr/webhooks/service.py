"""What became of webhook messages, and asking for one as a test."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from common.errors import BadRequest, NotFound
from mr.auth.vault import Vault
from mr.db.models.deliveries import SLACK, WEBHOOK, Delivery
from mr.db.models.portfolios import Environment
from mr.db.owed import PREFIXES
from mr.db.session import WriteSession
from mr.deliveries.enriched import ENRICHED
from mr.deliveries.messaging import FOR_SLACK
from mr.webhooks import schemas

DEFAULT_PAGE: Final = 20
LONGEST_PAGE: Final = 100
_KINDS: Final = {ENRICHED: WEBHOOK, FOR_SLACK: SLACK}
_SYSTEM: Final = "burgee"


class NoEndpoint(BadRequest):
    code = "no-endpoint"


def types(vault: Vault) -> list[schemas.WebhookTypeDetail]:
    """Return what an environment can be connected to; a chat has secrets, so it needs a vault."""
    found = [
        schemas.WebhookTypeDetail(
            messageType=ENRICHED,
            description="Webhook: the features of the environment",
            envPrefix=PREFIXES[WEBHOOK],
        )
    ]
    if vault.seals:
        found.append(
            schemas.WebhookTypeDetail(
                messageType=FOR_SLACK,
                description="Slack: a message about each change",
                envPrefix=PREFIXES[SLACK],
            )
        )
    return found


async def send_test(session: WriteSession, vault: Vault, environment: Environment, message_type: str) -> None:
    """Owe the environment's endpoint a message without any change. Raises NotFound, NoEndpoint.

    It is sent with the settings that are stored, and also while the endpoint is switched off.
    """
    if message_type not in {each.messageType for each in types(vault)}:
        raise NotFound
    kind = _KINDS[message_type]
    if kind == WEBHOOK and not environment.webhook_info.get(f"{PREFIXES[kind]}.endpoint"):
        raise NoEndpoint("The environment has no address for webhooks yet.")
    session.add(Delivery(kind=kind, environment_id=environment.id, revision=0, keys="[]", test=True))
    await session.flush()


async def find_results(
    session: AsyncSession, environment_id: UUID, *, start: int, size: int, message_type: str | None
) -> schemas.WebhookSummary:
    """Return one page of messages that were tried, the newest first, and how many there are."""
    tried = (
        Delivery.environment_id == environment_id,
        Delivery.kind == _KINDS.get(message_type or ENRICHED, ""),
        Delivery.sent_at.is_not(None),
    )
    total = await session.scalar(select(func.count()).select_from(Delivery).where(*tried))
    rows = await session.execute(
        select(Delivery.id, Delivery.sent_at, Delivery.status)
        .where(*tried)
        .order_by(Delivery.created_at.desc(), Delivery.id)
        .offset(start)
        .limit(size)
    )
    kind = message_type or ENRICHED
    return schemas.WebhookSummary(
        max=total or 0,
        results=[
            schemas.WebhookSummaryItem(
                id=identity, type=kind, method="POST", whenSent=moment, status=status or 0
            )
            for identity, moment, status in rows
            if moment is not None
        ],
    )


async def get_result(session: AsyncSession, environment_id: UUID, identity: UUID) -> schemas.WebhookDetail:
    """Return one message with its last attempt. Raises NotFound."""
    row = await session.get(Delivery, identity)
    if row is None or row.environment_id != environment_id or row.sent_at is None:
        raise NotFound
    kind = ENRICHED if row.kind == WEBHOOK else FOR_SLACK
    return schemas.WebhookDetail(
        whenSent=row.sent_at,
        status=row.status or 0,
        method="POST",
        sourceSystem=_SYSTEM,
        deliveredDataCloudEventType=kind,
        cloudEventType=kind,
        content=row.body,
        url=row.url,
        outboundHeaders=row.outbound_headers,
        incomingHeaders=row.incoming_headers,
        result=row.result or "",
    )
