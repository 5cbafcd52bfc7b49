"""The one place where what is delivered changes: recompute, compare, raise versions, write the log.

Every write ends with `project` (features and environments) or `project_accounts`. What is touched is
recomputed from MR's tables in a constant number of queries and compared with what is stored; only a
difference raises a version, moves a counter and becomes an event. The caller holds the locks of
`mr.db.session`. Must not know who asked for the change or who will hear of it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec
from sqlalchemy import or_, select

from common.contracts.environments import DIGEST_MODULUS, EnvironmentSnapshot, info_digest, states_digest
from common.contracts.events import EnvironmentChanged, FeaturesChanged
from common.contracts.features import FeatureState, Tombstone
from mr.db.accounts import project_accounts
from mr.db.delivered import (
    Held,
    HeldRow,
    KnownEnvironment,
    Outcome,
    load_held,
    load_known,
    store_environments,
    store_states,
    store_values,
)
from mr.db.models.delivery import ACCOUNT, ENVIRONMENT, Counter
from mr.db.models.portfolios import Environment
from mr.db.models.service_accounts import ServiceAccount, ServiceAccountPermission
from mr.db.outbox import Move
from mr.db.owed import owe
from mr.db.states import (
    ApplicationFacts,
    EnvironmentFacts,
    Pair,
    Scope,
    ValueRow,
    Wanted,
    load_application,
    load_environments,
    load_wanted,
)

if TYPE_CHECKING:
    from uuid import UUID

    from mr.db.session import WriteSession

__all__ = ["PROJECTION_VERSION", "Touched", "project", "project_accounts"]

PROJECTION_VERSION: Final = 1
"""Raised when this code would make other states of the same tables: the relay then projects all again."""


@dataclass(slots=True)
class Touched:
    """What a write may have changed.

    ``saved``: values (environment, feature) that were effectively saved; their version rises even if
    SDKs see no difference. ``features``: to be looked at in every environment. ``environments``: new,
    changed or archived ones, to be looked at with every feature. ``everything``: all of the application,
    for what shows everywhere (names that feature properties use). ``verify``: believe neither the stored
    hashes nor the counters, with ``everything``; what is found wrong is delivered as a whole.
    """

    saved: set[Pair] = field(default_factory=set)
    features: set[UUID] = field(default_factory=set)
    environments: set[UUID] = field(default_factory=set)
    everything: bool = False
    verify: bool = False


async def project(
    session: WriteSession, application_id: UUID, touched: Touched, *, author: UUID | None
) -> None:
    """Bring what is delivered of one application in line with its tables.

    Flushes first. Raises versions once, with a history entry each; moves each counter at most once.
    New and archived environments and changed settings of environments are noticed without being told.
    ``author`` is remembered in values and history.
    """
    await session.flush()
    application = await load_application(session, application_id)
    if application is None:
        return
    environments = await load_environments(session, application)
    known = await load_known(session, application_id)
    gone = [each for each, held in known.items() if not held.tombstone and not environments[each].live]
    if gone:
        await _revoke(session, application, gone)
    scope = _scope(application_id, touched, environments, known)
    wanted = await load_wanted(session, application, scope, session.templates)
    held = await load_held(session, scope, gone, wanted)
    outcomes = [
        _compare(application, environments[each], known.get(each), wanted, held, touched, session)
        for each in sorted(scope.environments)
    ]
    await store_states(session, outcomes)
    await store_values(session, outcomes, wanted, author)
    ends = [Move(ENVIRONMENT, each, *held.counters[each], 0, _end(each)) for each in sorted(gone)]
    await store_environments(session, application, outcomes, ends)
    await owe(session, outcomes)


def _end(environment_id: UUID) -> EnvironmentChanged:
    return EnvironmentChanged(environment_id=str(environment_id), snapshot=None)


def _scope(
    application_id: UUID,
    touched: Touched,
    environments: dict[UUID, EnvironmentFacts],
    known: dict[UUID, KnownEnvironment],
) -> Scope:
    """The smallest rectangle of live environments and features that covers what was touched."""
    live = {each for each, facts in environments.items() if facts.live}
    whole = live if touched.everything else touched.environments & live
    whole = whole | {
        each for each in live if each not in known or known[each].info != environments[each].info
    }
    chosen = live if touched.features else whole | {environment for environment, _ in touched.saved}
    features = touched.features | {feature for _, feature in touched.saved}
    return Scope(application_id, None if whole else frozenset(features), frozenset(chosen & live))


async def _revoke(session: WriteSession, application: ApplicationFacts, gone: list[UUID]) -> None:
    """Take the permissions in environments that went from all accounts that have some.

    An account that is being given such a permission right now must not be missed: first the counters
    of all accounts that might be, then the environments themselves, which waits for transactions
    whose new permission already points at one.
    """
    permitted = select(ServiceAccountPermission.account_id).where(
        ServiceAccountPermission.environment_id.in_(gone)
    )
    owned = select(ServiceAccount.id).where(ServiceAccount.portfolio_id == application.portfolio_id)
    await session.execute(
        select(Counter.id)
        .where(Counter.kind == ACCOUNT, or_(Counter.id.in_(permitted), Counter.id.in_(owned)))
        .order_by(Counter.id)
        .with_for_update(key_share=True)
    )
    await session.execute(
        select(Environment.id).where(Environment.id.in_(gone)).order_by(Environment.id).with_for_update()
    )
    await project_accounts(session, (await session.scalars(permitted.distinct())).all())


def _compare(
    application: ApplicationFacts,
    environment: EnvironmentFacts,
    known: KnownEnvironment | None,
    wanted: Wanted,
    held: Held,
    touched: Touched,
    session: WriteSession,
) -> Outcome:
    """Decide what one live environment needs. Touches no database."""
    rows = held.rows.get(environment.id, {})
    if touched.verify:
        rows = {feature_id: row.rehashed() for feature_id, row in rows.items()}
    states = wanted.states.get(environment.id, {})
    outcome = Outcome(environment, {})
    # Keys that leave come first: another feature may take one over in this very transaction.
    left = _leave(outcome, rows, states, session.tombstone_seconds)
    floors = held.floors.get(environment.id, {}) | outcome.floors
    delta = sum(-row.decoded().row_digest for row in left)
    for feature_id, state in states.items():
        floor = floors.get(state.key)
        pair = (environment.id, feature_id)
        row = rows.get(feature_id)
        value = wanted.values.get(pair)
        version = _version(state, row, value, floor, held.floor_base, saved=pair in touched.saved)
        settled = msgspec.structs.replace(state, version=version)
        outcome.states[feature_id] = settled
        if row is not None and row.version == version:
            continue
        delta += settled.row_digest - (row.decoded().row_digest if row else 0)
        (outcome.changed if row else outcome.added).append(settled)
        if value is not None:
            outcome.raised.append((value, version))
    delivered = {state.key for state in states.values()}
    outcome.ended = delivered & held.tombstones.get(environment.id, {}).keys()
    outcome.move = _move(application, outcome, known, held, delta, verify=touched.verify)
    return outcome


def _leave(
    outcome: Outcome,
    rows: dict[UUID, HeldRow],
    states: dict[UUID, FeatureState],
    tombstone_seconds: int,
) -> list[HeldRow]:
    """Note the keys that stop being delivered by their feature; return rows of features that go."""
    until = int(time.time()) + tombstone_seconds + 1
    taken = {state.key for state in states.values()}
    left = []
    for feature_id, row in rows.items():
        state = states.get(feature_id)
        if state is None:
            outcome.removed.append(feature_id)
            left.append(row)
        elif state.key == row.key:
            continue
        outcome.floors[row.key] = max(outcome.floors.get(row.key, 0), row.version)
        if row.key not in taken:
            before = row.decoded()
            outcome.tombstones.append(
                Tombstone(
                    key=row.key,
                    feature_id=before.id,
                    type=before.type,
                    filters=before.filters,
                    until=until,
                    version=outcome.floors[row.key],
                )
            )
    return left


def _version(
    state: FeatureState,
    row: HeldRow | None,
    value: ValueRow | None,
    floor: int | None,
    floor_base: int,
    *,
    saved: bool,
) -> int:
    """The version to deliver: the old one, or one above everything ever delivered under the key.

    ``floor`` None = the key was never delivered before; a floor of 0 says that it was, without a value.
    """
    same = row is not None and not saved and row.hash == state.fingerprint.hex()
    if row is not None and same and (value is None or value.version == row.version):
        return row.version
    lowest = floor_base if floor is None else floor
    base = lowest if row is None else max(lowest, row.version)
    if value is not None:
        return max(base, value.version) + 1
    if row is None and floor is None and floor_base == 0:
        return 0
    return base + 1


def _move(
    application: ApplicationFacts,
    outcome: Outcome,
    known: KnownEnvironment | None,
    held: Held,
    delta: int,
    *,
    verify: bool,
) -> Move | None:
    """The event of one live environment, if anything differs."""
    environment = outcome.environment
    revision, digest = held.counters.get(environment.id, (0, 0))
    whole = known is None or known.info != environment.info
    if whole:
        delta += info_digest(environment.info) - info_digest(known.info if known else {})
    after = (digest + delta) % DIGEST_MODULUS
    if verify:
        true = states_digest(outcome.states.values(), environment.info)
        whole, after = whole or after != true, true
    if not (whole or outcome.added or outcome.changed or outcome.removed):
        return None
    data: EnvironmentChanged | FeaturesChanged
    if whole:
        data = EnvironmentChanged(
            environment_id=str(environment.id),
            snapshot=_snapshot(application, outcome, held, revision + 1, after),
        )
    else:
        data = FeaturesChanged(
            environment_id=str(environment.id),
            states=tuple(outcome.added + outcome.changed),
            removed=tuple(str(each) for each in outcome.removed),
            tombstones=tuple(outcome.tombstones),
        )
    return Move(ENVIRONMENT, environment.id, revision, digest, after, data)


def _snapshot(
    application: ApplicationFacts, outcome: Outcome, held: Held, revision: int, digest: int
) -> EnvironmentSnapshot:
    environment = outcome.environment
    tombstones = dict(held.tombstones.get(environment.id, {}))
    tombstones.update({each.key: each for each in outcome.tombstones})
    now = time.time()
    return EnvironmentSnapshot(
        id=str(environment.id),
        revision=revision,
        digest=digest,
        features={state.id: state for state in outcome.states.values()},
        info=environment.info,
        tombstones=tuple(
            tombstones[key]
            for key in sorted(tombstones)
            if key not in outcome.ended and tombstones[key].until > now
        ),
        organization_id=str(application.organization_id),
        portfolio_id=str(application.portfolio_id),
        application_id=str(application.id),
    )
