"""The projection of service accounts: what caches know of them, and the log of its changes.

Caches know hashes of keys, never keys. Must not know features.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.util import identity_key

from common.contracts.environments import AccountRecord
from common.contracts.events import AccountChanged
from mr.db.delivered import move_counters, store_accounts
from mr.db.models.delivery import ACCOUNT, Counter, DeliveredAccount
from mr.db.models.portfolios import Application, Environment, Portfolio
from mr.db.models.service_accounts import (
    ServiceAccount,
    ServiceAccountFilter,
    ServiceAccountPermission,
)
from mr.db.outbox import Move

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession

    from mr.db.session import WriteSession


@dataclass(slots=True)
class _Tables:
    """What MR's tables and the delivered ones say of some accounts."""

    accounts: list[Any] = field(default_factory=list)
    permissions: dict[UUID, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    filters: dict[UUID, tuple[str, ...]] = field(default_factory=dict)
    counters: dict[UUID, tuple[int, int]] = field(default_factory=dict)
    held: dict[UUID, Any] = field(default_factory=dict)


async def project_accounts(session: WriteSession, account_ids: Iterable[UUID]) -> None:
    """Bring what is delivered of these accounts in line with their tables.

    Flushes first; locks the accounts' counters. An account with a filter becomes ``restricted`` here, so
    that no subject can forget it.
    """
    ids = sorted(set(account_ids))
    if not ids:
        return
    await session.flush()
    tables = await _load(session, ids)
    await _restrict(session, tables)
    moves = []
    records = []
    for account in tables.accounts:
        record, move = _compare(account, tables)
        if move is not None:
            moves.append(move)
            records.append(record)
    await store_accounts(session, records)
    await move_counters(session, moves)


def _compare(account: Any, tables: _Tables) -> tuple[AccountRecord, Move | None]:
    revision, digest = tables.counters.get(account.id, (0, 0))
    held = tables.held.get(account.id)
    removed = account.archived_at is not None
    now = {account.client_key_hash, account.server_key_hash}
    before = set() if held is None else {held.client_key_hash, held.server_key_hash}
    filters = tables.filters.get(account.id, ())
    record = AccountRecord(
        id=str(account.id),
        revision=revision + 1,
        client_key_hash=account.client_key_hash,
        server_key_hash=account.server_key_hash,
        former_key_hashes=tuple(sorted(before | now if removed else before - now)),
        permissions={} if removed else tables.permissions.get(account.id, {}),
        filters=() if removed else filters,
        restricted=account.restricted or bool(filters),
        removed=removed,
    )
    settled = removed if held is None else held.tombstone or record.digest == digest
    if settled:
        return record, None
    move = Move(ACCOUNT, account.id, revision, digest, record.digest, AccountChanged(record=record))
    return record, move


async def _load(session: WriteSession, ids: list[UUID]) -> _Tables:
    tables = _Tables()
    counters = await session.execute(
        select(Counter.id, Counter.revision, Counter.digest)
        .where(Counter.kind == ACCOUNT, Counter.id.in_(ids))
        .order_by(Counter.id)
        .with_for_update(key_share=True)
    )
    tables.counters = {identity: (revision, digest) for identity, revision, digest in counters}
    accounts = await session.execute(
        select(
            ServiceAccount.id,
            ServiceAccount.client_key_hash,
            ServiceAccount.server_key_hash,
            ServiceAccount.restricted,
            ServiceAccount.archived_at,
        )
        .where(ServiceAccount.id.in_(ids))
        .order_by(ServiceAccount.id)
    )
    tables.accounts = list(accounts.all())
    tables.permissions = await _load_permissions(session, ids)
    tables.filters = await _load_filters(session, ids)
    held = await session.execute(
        select(
            DeliveredAccount.id,
            DeliveredAccount.client_key_hash,
            DeliveredAccount.server_key_hash,
            DeliveredAccount.tombstone,
        ).where(DeliveredAccount.id.in_(ids))
    )
    tables.held = {row.id: row for row in held}
    return tables


async def _load_permissions(session: AsyncSession, ids: list[UUID]) -> dict[UUID, dict[str, tuple[str, ...]]]:
    """Permissions in environments that are live; an empty set of roles is none."""
    rows = await session.execute(
        select(
            ServiceAccountPermission.account_id,
            ServiceAccountPermission.environment_id,
            ServiceAccountPermission.roles,
        )
        .join(Environment, Environment.id == ServiceAccountPermission.environment_id)
        .join(Application, Application.id == Environment.application_id)
        .join(Portfolio, Portfolio.id == Application.portfolio_id)
        .where(
            ServiceAccountPermission.account_id.in_(ids),
            Environment.archived_at.is_(None),
            Application.archived_at.is_(None),
            Portfolio.archived_at.is_(None),
        )
    )
    found: dict[UUID, dict[str, tuple[str, ...]]] = {}
    for account_id, environment_id, roles in rows:
        if roles:
            found.setdefault(account_id, {})[str(environment_id)] = roles
    return found


async def _load_filters(session: AsyncSession, ids: list[UUID]) -> dict[UUID, tuple[str, ...]]:
    rows = await session.execute(
        select(ServiceAccountFilter.account_id, ServiceAccountFilter.filter_id).where(
            ServiceAccountFilter.account_id.in_(ids)
        )
    )
    found: dict[UUID, list[str]] = {}
    for account_id, filter_id in rows:
        found.setdefault(account_id, []).append(str(filter_id))
    return {account_id: tuple(sorted(filters)) for account_id, filters in found.items()}


async def _restrict(session: WriteSession, tables: _Tables) -> None:
    """Remember in MR's own tables that an account has had a filter."""
    ids = [each.id for each in tables.accounts if each.id in tables.filters and not each.restricted]
    if not ids:
        return
    await session.execute(
        update(ServiceAccount)
        .where(ServiceAccount.id.in_(ids))
        .values(restricted=True)
        .execution_options(synchronize_session=False)
    )
    loaded = session.sync_session.identity_map
    for each in ids:
        row = loaded.get(identity_key(ServiceAccount, each))
        if row is not None:
            set_committed_value(row, "restricted", True)
