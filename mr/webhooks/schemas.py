"""Wire types of webhooks."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from mr.api.models import WireModel


class WebhookTypeDetail(WireModel):
    messageType: str
    description: str
    envPrefix: str


class WebhookTypeDetails(WireModel):
    types: list[WebhookTypeDetail]


class WebhookCheck(WireModel):
    messageType: str
    envId: UUID
    config: dict[str, str]


class WebhookSummaryItem(WireModel):
    id: UUID
    type: str | None = None
    method: str
    whenSent: datetime
    status: int


class WebhookSummary(WireModel):
    max: int
    results: list[WebhookSummaryItem] = []


class WebhookDetail(WireModel):
    whenSent: datetime | None = None
    status: int
    method: str
    sourceSystem: str | None = None
    deliveredDataCloudEventType: str | None = None
    cloudEventType: str
    content: str | None = None
    url: str | None = None
    outboundHeaders: dict[str, str] | None = None
    incomingHeaders: dict[str, str] | None = None
    result: str | None = None
