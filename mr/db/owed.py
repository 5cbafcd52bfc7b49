"""Notes which endpoints outside must hear of a change, in the transaction that makes it.

One row per environment for its webhook, one per saved value for its chat. Only that something is owed is
noted, never what: bodies are built when they are sent. Must not know how anything is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import msgspec
from sqlalchemy import insert, select

from common.tracing import here
from mr.db.models.base import utc_now
from mr.db.models.deliveries import SLACK, WAITING, WEBHOOK, Delivery, SystemConfig
from mr.db.models.portfolios import Environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from uuid import UUID

    from mr.db.delivered import Outcome
    from mr.db.session import WriteSession

PREFIXES: Final = {WEBHOOK: "webhook.features", SLACK: "integration.slack"}
"""Where an environment's settings of each kind of endpoint begin."""

SLACK_ENABLED: Final = "slack.enabled"


def is_on(settings: Mapping[str, str], kind: str) -> bool:
    """True when an environment's settings ask for deliveries of this kind."""
    return settings.get(f"{PREFIXES[kind]}.enabled", "").lower() == "true"


async def owe(session: WriteSession, outcomes: Sequence[Outcome]) -> None:
    """Note what is owed because of these changes. The environments' applications are locked."""
    changed = {
        outcome.environment.id: outcome
        for outcome in outcomes
        if outcome.added or outcome.changed or outcome.removed
    }
    if not changed:
        return
    listening = await session.execute(
        select(Environment.id, Environment.webhook_info).where(
            Environment.id.in_(changed), Environment.webhook_info != {}
        )
    )
    rows: list[dict[str, Any]] = []
    chatting: list[UUID] = []
    for environment_id, settings in listening:
        if is_on(settings, WEBHOOK) and settings.get(f"{PREFIXES[WEBHOOK]}.endpoint"):
            rows.append(_row(WEBHOOK, changed[environment_id], _keys(changed[environment_id])))
        if is_on(settings, SLACK):
            chatting.append(environment_id)
    if chatting and await _chat_is_on(session):
        rows += [row for environment_id in chatting for row in _messages(changed[environment_id])]
    if rows:
        await session.execute(insert(Delivery), rows)


async def _chat_is_on(session: WriteSession) -> bool:
    stored = await session.scalar(select(SystemConfig.value).where(SystemConfig.key == SLACK_ENABLED))
    return stored == "true"


def _keys(outcome: Outcome) -> list[str]:
    """The keys whose delivery changed, those that are delivered no more included."""
    return sorted({state.key for state in (*outcome.added, *outcome.changed)} | outcome.floors.keys())


def _messages(outcome: Outcome) -> Iterator[dict[str, Any]]:
    keys = {each: state.key for each, state in outcome.states.items()}
    for value, version in outcome.raised:
        row = _row(SLACK, outcome, [keys[value.feature_id]])
        yield row | {"feature_value_id": value.id, "value_version": version}


def _row(kind: str, outcome: Outcome, keys: Sequence[str]) -> dict[str, Any]:
    return {
        "id": uuid4(),
        "kind": kind,
        "environment_id": outcome.environment.id,
        "revision": outcome.move.revision if outcome.move else 0,
        "keys": msgspec.json.encode(keys).decode(),
        "test": False,
        "feature_value_id": None,
        "value_version": None,
        "created_at": utc_now(),
        "state": WAITING,
        "due": 0,
        "claimed_until": 0,
        "attempts": 0,
        "trace": trace.text if (trace := here()) else None,
    }
