"""Test updates by SDKs: every status is decided inside the transaction that has the effect.

So permissions and locks are true at commit, and an update that is sent again has one effect. The answer is
FeatureHub's table for PUT, first rule that applies. The author of the change is the account's twin person.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import blake2b
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from common.contracts.codec import canonical
from common.contracts.lookups import SdkUpdate, SdkUpdateOutcome
from common.errors import AppError, Unavailable
from mr.api.json_body import parse
from mr.auth.permissions import CHANGE_VALUE, LOCK, UNLOCK, WRITING_ROLES
from mr.db.audit import Act, acting
from mr.db.models.delivery import SdkUpdateRecord
from mr.db.models.features import Feature, FeatureFilterLink, FeatureValue
from mr.db.models.portfolios import Environment
from mr.db.models.service_accounts import (
    ServiceAccount,
    ServiceAccountFilter,
    ServiceAccountPermission,
)
from mr.db.projection import Touched, project
from mr.db.session import Database, Locks, Retry, Taken, WriteSession, run_with_retries
from mr.features.saving import find_value
from mr.features.service import feature_type
from mr.features.values import InvalidValue, fitting_value, read_value, same_value

UNKNOWN: Final = SdkUpdateOutcome(status=404, detail="There is no such feature for this key.")
APPLIED: Final = SdkUpdateOutcome(status=200, detail="Applied.")
NOTHING_CHANGES: Final = SdkUpdateOutcome(status=202, detail="It is so already.")
REUSED: Final = SdkUpdateOutcome(status=409, detail="The request's id was used for another update.")


class UpdateTooLate(Unavailable):
    """The caller no longer waits for an answer, so nothing may have an effect."""

    code = "update-too-late"


class _Refused(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.outcome = SdkUpdateOutcome(status=status, detail=detail)


class _Target(NamedTuple):
    account: ServiceAccount
    environment: Environment
    feature: Feature
    roles: frozenset[str]


async def apply_update(
    database: Database, update: SdkUpdate, *, clock: Callable[[], float] = time.time
) -> SdkUpdateOutcome:
    """Decide and apply one update; the same request id never has a second effect.

    Raises Unavailable when it is not known whether it could be applied, or its deadline has passed.
    """

    async def attempt() -> SdkUpdateOutcome:
        try:
            return await _attempt(database, update, clock)
        except Taken as error:
            # Its repetition, on another environment's lock, was faster: its answer is there now.
            raise Retry(error.constraint) from error

    return await run_with_retries(attempt)


async def _attempt(database: Database, update: SdkUpdate, clock: Callable[[], float]) -> SdkUpdateOutcome:
    async with database.read() as session:
        found = await _find_account(session, update.key_hash)
    if found is None:
        return UNKNOWN
    with acting(Act("updateBySdk", found.person_id, update.request_id)):
        return await _apply(database, update, found.id, clock)


async def _apply(
    database: Database, update: SdkUpdate, account_id: UUID, clock: Callable[[], float]
) -> SdkUpdateOutcome:
    locks = Locks(environments=(UUID(update.environment_id),), shared_accounts=(account_id,))
    async with database.write(locks) as session:
        if clock() > update.deadline:
            raise UpdateTooLate
        account = await _find_account(session, update.key_hash)
        if account is None:
            return UNKNOWN
        repeated = await session.get(SdkUpdateRecord, (account.id, update.request_id))
        if repeated is not None:
            same = repeated.body_hash == _fingerprint(update)
            return SdkUpdateOutcome(status=repeated.status, detail=repeated.detail) if same else REUSED
        try:
            outcome = await _decide(session, account, update)
        except _Refused as refused:
            return refused.outcome
        session.add(
            SdkUpdateRecord(
                account_id=account.id,
                request_id=update.request_id,
                body_hash=_fingerprint(update),
                status=outcome.status,
                detail=outcome.detail,
            )
        )
    return outcome


def _fingerprint(update: SdkUpdate) -> str:
    value = None if update.value is None else update.value.decode()
    content = [update.environment_id, update.feature_key, value, update.update_value, update.lock]
    return blake2b(canonical(content), digest_size=16).hexdigest()


async def _find_account(session: AsyncSession, key_hash: str) -> ServiceAccount | None:
    found: ServiceAccount | None = await session.scalar(
        select(ServiceAccount).where(
            or_(ServiceAccount.client_key_hash == key_hash, ServiceAccount.server_key_hash == key_hash),
            ServiceAccount.archived_at.is_(None),
        )
    )
    return found


async def _decide(session: WriteSession, account: ServiceAccount, update: SdkUpdate) -> SdkUpdateOutcome:
    """Go through the rules in the contract's order; what comes back has its effect with this commit."""
    target = await _target(session, account, update)
    changes_value = update.value is not None or update.update_value is True
    _require_roles(target.roles, update, changes_value=changes_value)
    row = await find_value(session, target.environment.id, target.feature.id)
    if changes_value and row is not None and row.locked and update.lock is not False:
        raise _Refused(412, "The feature is locked.")
    kind = feature_type(target.feature)
    before = fitting_value(kind, None) if row is None else _token(row.value)
    after = _wanted(target.feature, update) if changes_value else before
    new_value = not same_value(kind, before, after)
    locked = row.locked if row is not None else False
    new_lock = update.lock is not None and update.lock != locked
    if not new_value and not new_lock:
        return NOTHING_CHANGES
    if row is None:
        row = FeatureValue(feature_id=target.feature.id, environment_id=target.environment.id)
        session.add(row)
    if new_value or row.value is None:
        row.value = None if after is None else after.decode()
    row.locked = update.lock if update.lock is not None else locked
    await project(
        session,
        target.environment.application_id,
        Touched(saved={(target.environment.id, target.feature.id)}),
        author=account.person_id,
    )
    return APPLIED


def _token(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def _wanted(feature: Feature, update: SdkUpdate) -> bytes | None:
    kind = feature_type(feature)
    if update.value is None:
        if kind == "BOOLEAN":
            raise _Refused(412, "A BOOLEAN feature cannot be null.")
        return None
    try:
        return read_value(kind, parse(update.value))
    except InvalidValue as error:
        raise _Refused(400, error.detail or error.title()) from None
    except AppError as error:
        raise _Refused(400, error.title()) from None


def _require_roles(roles: frozenset[str], update: SdkUpdate, *, changes_value: bool) -> None:
    if not WRITING_ROLES & roles:
        raise _Refused(403, "The key may only read.")
    if update.lock is True and LOCK not in roles:
        raise _Refused(403, "The key may not lock.")
    if update.lock is False and UNLOCK not in roles:
        raise _Refused(403, "The key may not unlock.")
    if update.lock is None and not changes_value:
        raise _Refused(400, "Nothing to change was sent.")
    if changes_value and CHANGE_VALUE not in roles:
        raise _Refused(403, "The key may not change values.")


async def _target(session: AsyncSession, account: ServiceAccount, update: SdkUpdate) -> _Target:
    """Return what the update is about, if the account may know of it."""
    row = (
        await session.execute(
            select(Environment, Feature, ServiceAccountPermission.roles)
            .join(Feature, Feature.application_id == Environment.application_id)
            .join(
                ServiceAccountPermission,
                (ServiceAccountPermission.environment_id == Environment.id)
                & (ServiceAccountPermission.account_id == account.id),
            )
            .where(
                Environment.id == UUID(update.environment_id),
                Environment.archived_at.is_(None),
                Feature.key == update.feature_key,
                Feature.archived_at.is_(None),
            )
        )
    ).first()
    if row is None:
        raise _Refused(UNKNOWN.status, UNKNOWN.detail)
    environment, feature, roles = row
    if not await _sees(session, account, feature):
        raise _Refused(UNKNOWN.status, UNKNOWN.detail)
    return _Target(account, environment, feature, frozenset(roles))


async def _sees(session: AsyncSession, account: ServiceAccount, feature: Feature) -> bool:
    """A restricted account sees only features that share one of its filters."""
    if not account.restricted:
        return True
    shared = await session.scalar(
        select(FeatureFilterLink.filter_id)
        .join(ServiceAccountFilter, ServiceAccountFilter.filter_id == FeatureFilterLink.filter_id)
        .where(FeatureFilterLink.feature_id == feature.id, ServiceAccountFilter.account_id == account.id)
        .limit(1)
    )
    return shared is not None
