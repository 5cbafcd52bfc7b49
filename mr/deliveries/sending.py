"""How one message is sent: to a webhook, to Slack, or to whoever stands in for Slack.

Everything a record will show is masked here. Does no SQL: settings and body are handed in.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from yarl import URL

from common.addresses import Outgoing, Reply, Undeliverable
from common.tracing import handed_on
from mr.auth.vault import ENCRYPTED
from mr.db.models.deliveries import WEBHOOK
from mr.db.owed import PREFIXES
from mr.deliveries.enriched import ENRICHED
from mr.deliveries.enriched import SUBJECT as ENRICHED_SUBJECT
from mr.deliveries.messaging import FOR_SLACK, words
from mr.deliveries.messaging import SUBJECT as MESSAGING_SUBJECT
from mr.deliveries.queue import Claimed, Ended
from mr.system_config.service import (
    DELIVERY_HEADERS,
    DELIVERY_URL,
    SLACK_CHANNEL,
    SLACK_FORMAT,
    SLACK_TOKEN,
)
from mr.webhooks.settings import SIGNING_KEY, secret_names

SIGNATURE: Final = "X-Burgee-Signature"
UNREACHABLE: Final = 0
NOT_CONFIGURED: Final = 422
CHAT_UNREACHABLE: Final = 503
CHAT_REFUSED: Final = 400

_OURS: Final = re.compile(
    r"host|content-.*|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect|ce-.*|x-burgee-.*",
    re.IGNORECASE,
)
_SECRET: Final = re.compile(
    r"authorization|cookie|token|secret|password|api-?key|signature-key", re.IGNORECASE
)


@dataclass(frozen=True)
class Post:
    """One request, and the names of its headers that records mask."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    secret_headers: frozenset[str] = frozenset()
    secret_url: bool = False


class NotConfigured(Exception):
    """The settings name no endpoint, or are switched off."""


def sign(secret: str, moment: datetime, body: bytes) -> str:
    """Return the signature header: HMAC-SHA256 in hex over ``<unix seconds>.<body>``."""
    seconds = int(moment.timestamp())
    digest = hmac.new(secret.encode(), b"%d." % seconds + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def webhook_post(claimed: Claimed, settings: Mapping[str, str], *, source: str) -> Post:
    """Return the request of a webhook from its opened settings. Raises `NotConfigured`."""
    prefix = PREFIXES[WEBHOOK]
    endpoint = settings.get(f"{prefix}.endpoint")
    if not endpoint or claimed.body is None or claimed.event_time is None:
        raise NotConfigured
    body, given = claimed.body.encode(), f"{prefix}.headers."
    headers = {
        name.removeprefix(given): text for name, text in settings.items() if name.startswith(given) and text
    }
    headers = {name: text for name, text in headers.items() if not _OURS.fullmatch(name)}
    secret = secret_names(settings)
    hidden = frozenset(name for name in headers if given + name in secret)
    headers |= _event(claimed, claimed.event_time, ENRICHED, ENRICHED_SUBJECT, source)
    if key := settings.get(prefix + SIGNING_KEY):
        headers[SIGNATURE] = sign(key, claimed.event_time, body)
    return Post(endpoint, headers, body, hidden, f"{prefix}.endpoint" in secret)


def chat_post(
    claimed: Claimed,
    settings: Mapping[str, str],
    system: Mapping[str, Any],
    *,
    source: str,
    slack_url: str,
) -> Post:
    """Return the request of a chat message. Raises `NotConfigured`."""
    channel = settings.get("integration.slack.channel_name") or system.get(SLACK_CHANNEL)
    if not channel or claimed.body is None or claimed.event_time is None:
        raise NotConfigured
    if elsewhere := system.get(DELIVERY_URL):
        body = json.loads(claimed.body)
        body["additionalInfo"] = {name: system[name] for name in (SLACK_FORMAT,) if system.get(name)} | {
            "slack.channel_name": channel
        }
        headers = {
            name: text
            for name, text in (system.get(DELIVERY_HEADERS) or {}).items()
            if text and not _OURS.fullmatch(name)
        }
        hidden = frozenset(headers)
        headers |= _event(claimed, claimed.event_time, FOR_SLACK, MESSAGING_SUBJECT, source)
        return Post(elsewhere, headers, json.dumps(body).encode(), hidden)
    token = system.get(SLACK_TOKEN)
    if not token:
        raise NotConfigured
    text = words(claimed.body)
    section = {"type": "section", "text": {"type": "mrkdwn", "text": text[:2900]}}
    message = {"channel": channel, "text": text[:2900], "blocks": [section]}
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json; charset=utf-8"}
    return Post(slack_url, headers, json.dumps(message).encode(), frozenset({"Authorization"}))


def _event(claimed: Claimed, moment: datetime, kind: str, subject: str, source: str) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "ce-specversion": "1.0",
        "ce-type": kind,
        "ce-source": source,
        "ce-subject": subject,
        "ce-id": str(claimed.id),
        "ce-time": moment.isoformat(),
    }


async def post_webhook(outgoing: Outgoing, post: Post, *, deadline_seconds: float) -> Ended:
    """Send and say how it ended: any 2xx is delivered."""
    try:
        reply = await outgoing.send(
            "POST",
            post.url,
            headers=handed_on(post.headers),
            body=post.body,
            deadline_seconds=deadline_seconds,
        )
    except Undeliverable as error:
        return _ended(post, None, UNREACHABLE, message=str(error))
    return _ended(post, reply, reply.status, delivered=200 <= reply.status < 300, message=_text(reply))


async def post_chat(outgoing: Outgoing, post: Post, *, deadline_seconds: float, to_slack: bool) -> Ended:
    """Send and say how it ended; Slack answers 200 to what it refuses, and says so in the body."""
    try:
        reply = await outgoing.send(
            "POST",
            post.url,
            headers=handed_on(post.headers),
            body=post.body,
            deadline_seconds=deadline_seconds,
        )
    except Undeliverable as error:
        return _ended(post, None, CHAT_UNREACHABLE, message=str(error))
    accepted = 200 <= reply.status < 300
    if not (to_slack and accepted):
        return _ended(post, reply, reply.status, delivered=accepted, message=_text(reply))
    try:
        said = json.loads(reply.body)
    except ValueError:
        said = None
    if isinstance(said, dict) and said.get("ok") is True:
        return _ended(post, reply, reply.status, delivered=True, message="ok")
    fault = str(said.get("error", "refused")) if isinstance(said, dict) else "the answer is not Slack's"
    # Only being too fast passes by itself; a wrong token or channel is for people to mend.
    return _ended(post, reply, CHAT_REFUSED, message=fault, final=fault not in {"ratelimited", "refused"})


def not_configured() -> Ended:
    """How an attempt ends for which there is no address."""
    return Ended(
        status=NOT_CONFIGURED,
        delivered=False,
        final=True,
        message="The endpoint is not configured or switched off.",
    )


def _ended(
    post: Post,
    reply: Reply | None,
    status: int,
    *,
    delivered: bool = False,
    message: str | None = None,
    final: bool = False,
) -> Ended:
    return Ended(
        status=status,
        delivered=delivered,
        final=final,
        message=message,
        url=ENCRYPTED if post.secret_url else _bare(post.url),
        outbound_headers=_masked(post.headers, post.secret_headers),
        incoming_headers={} if reply is None else _masked(dict(reply.headers), frozenset()),
    )


def _masked(headers: Mapping[str, str], hidden: frozenset[str]) -> dict[str, str]:
    return {
        name: ENCRYPTED if name in hidden or _SECRET.search(name) else text.replace("\x00", "")
        for name, text in headers.items()
    }


def _bare(url: str) -> str:
    """The address without a user and password."""
    try:
        return str(URL(url).with_user(None))
    except ValueError:
        return "(not an address)"


def _text(reply: Reply) -> str:
    return reply.body.decode("utf-8", "replace")
