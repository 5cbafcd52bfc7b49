"""The oracle: what should be delivered, worked out from MR's tables in the plainest way there is.

Written apart from `mr.db.states` on purpose, row by row and with the standard library's JSON, so that a
mistake there is not repeated here. `assert_projection_true` may follow every test that writes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from sqlalchemy import select

from common.contracts.environments import DIGEST_MODULUS, AccountRecord, info_digest, states_digest
from common.contracts.events import AccountChanged, EnvironmentChanged, FeaturesChanged, decode_data
from common.contracts.features import FeatureState
from mr.db.delivered import decode_state
from mr.db.models.base import Base
from mr.db.models.delivery import (
    Counter,
    Delivered,
    DeliveredAccount,
    DeliveredEnvironment,
    KeyFloor,
    KeyTombstone,
    OutboxRow,
    RelayLease,
)
from mr.db.models.features import (
    ApplicationStrategy,
    Feature,
    FeatureFilterLink,
    FeatureGroup,
    FeatureGroupFeature,
    FeatureValue,
    FeatureValueVersion,
    StrategyUse,
)
from mr.db.models.portfolios import Application, Environment, Portfolio
from mr.db.models.service_accounts import (
    ServiceAccount,
    ServiceAccountFilter,
    ServiceAccountPermission,
)
from mr.db.models.system import FLOOR_BASE, SystemState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.ext.asyncio import AsyncSession

    from mr.db.properties import PropertyTemplates
    from mr.db.session import Database

Row = TypeVar("Row", bound=Base)


@dataclass
class Tables:
    """All rows of everything, in memory."""

    rows: dict[type[Base], list[Any]]
    _indexes: dict[Any, dict[tuple[Any, ...], list[Any]]] = field(default_factory=dict)

    @classmethod
    async def load(cls, session: AsyncSession) -> Tables:
        models = [mapper.class_ for mapper in Base.registry.mappers]
        return cls({model: list((await session.scalars(select(model))).all()) for model in models})

    def of(self, model: type[Row], **keys: Any) -> list[Row]:
        """The rows whose columns have these values; indexed, for large databases are checked too."""
        names = tuple(sorted(keys))
        index = self._indexes.get((model, names))
        if index is None:
            index = self._indexes[model, names] = defaultdict(list)
            for row in self.rows[model]:
                index[tuple(getattr(row, name) for name in names)].append(row)
        return list(index.get(tuple(keys[name] for name in names), ()))

    def one(self, model: type[Row], **keys: Any) -> Row | None:
        found = self.of(model, **keys)
        assert len(found) <= 1, (model, found)
        return found[0] if found else None

    def get(self, model: type[Row], **keys: Any) -> Row:
        found = self.one(model, **keys)
        assert found is not None, (model, keys)
        return found


async def assert_projection_true(database: Database) -> None:
    """Check every stored state, version, digest, floor, tombstone, account and log row."""
    async with database.read() as session:
        tables = await Tables.load(session)
    for environment in tables.of(Environment):
        _check_environment(tables, environment, database.templates)
    known = {environment.id for environment in tables.of(Environment)}
    assert {row.environment_id for row in tables.of(Delivered)} <= known
    for account in tables.of(ServiceAccount):
        _check_account(tables, account)
    _check_log(tables)


def _live(tables: Tables, environment: Environment) -> bool:
    application = tables.get(Application, id=environment.application_id)
    portfolio = tables.get(Portfolio, id=application.portfolio_id)
    return not (environment.archived_at or application.archived_at or portfolio.archived_at)


def _check_environment(tables: Tables, environment: Environment, templates: PropertyTemplates) -> None:
    delivered = tables.of(Delivered, environment_id=environment.id)
    known = tables.one(DeliveredEnvironment, id=environment.id)
    if not _live(tables, environment):
        assert not delivered
        assert known is None or known.tombstone, f"{environment.name} is archived and not announced as gone"
        return
    assert known is not None, f"{environment.name} was never announced"
    assert not known.tombstone
    assert known.info == environment.environment_info
    states = {str(row.feature_id): decode_state(row.state, row.version) for row in delivered}
    features = tables.of(Feature, application_id=environment.application_id, archived_at=None)
    assert {str(each.id) for each in features} == states.keys()
    for feature in features:
        _check_state(tables, environment, feature, states[str(feature.id)], templates)
    for row in delivered:
        state = states[str(row.feature_id)]
        assert row.hash == state.fingerprint.hex()
        assert row.key == state.key
    counter = tables.get(Counter, kind="environment", id=environment.id)
    assert counter.digest == states_digest(states.values(), known.info), "the incremental digest is wrong"
    tombstones = tables.of(KeyTombstone, environment_id=environment.id)
    assert not {row.key for row in tombstones} & {state.key for state in states.values()}
    floors = {row.key for row in tables.of(KeyFloor, environment_id=environment.id)}
    assert {row.key for row in tombstones} <= floors, "the version of a tombstone is its key's floor"


def _check_state(
    tables: Tables,
    environment: Environment,
    feature: Feature,
    state: FeatureState,
    templates: PropertyTemplates,
) -> None:
    value = tables.one(FeatureValue, environment_id=environment.id, feature_id=feature.id)
    assert state.key == feature.key
    assert state.type == feature.value_type
    links = tables.of(FeatureFilterLink, feature_id=feature.id)
    assert state.filters == tuple(sorted(str(row.filter_id) for row in links))
    assert _parsed(state.properties) == (_properties(tables, feature, templates) or None)
    if value is None:
        assert (state.locked, state.retired, state.value, state.strategies) == (False, False, None, None)
    else:
        assert (state.locked, state.retired) == (value.locked, value.retired)
        assert _parsed(state.value) == _served(_parsed(value.value), feature)
        assert _parsed(state.strategies) == _strategies(tables, value, feature)
    _check_version(tables, environment, state, value)


def _check_version(
    tables: Tables, environment: Environment, state: FeatureState, value: FeatureValue | None
) -> None:
    base = int(tables.get(SystemState, key=FLOOR_BASE).value)
    left = tables.one(KeyFloor, environment_id=environment.id, key=state.key)
    floor = left.version if left else base
    if value is None:
        # What was delivered without a value at 0, or lay at the base when that was raised, stays there.
        assert state.version > floor or (left is None and state.version == base)
        return
    assert state.version == value.version
    assert state.version > floor
    kept = tables.get(FeatureValueVersion, feature_value_id=value.id, version=value.version)
    assert (kept.value, kept.locked, kept.retired) == (value.value, value.locked, value.retired)
    assert kept.strategies == value.strategies
    versions = tables.of(FeatureValueVersion, feature_value_id=value.id)
    assert max(row.version for row in versions) == value.version


def _parsed(text: bytes | str | None) -> Any:
    return None if text is None else json.loads(text, parse_float=Decimal)


def _served(value: Any, feature: Feature) -> Any:
    """A value as SDKs get it; one of another type than the feature's is none."""
    expected: tuple[type, ...] = {"BOOLEAN": (bool,), "NUMBER": (int, Decimal)}.get(
        feature.value_type, (str,)
    )
    if isinstance(value, bool) and bool not in expected:
        return None
    return value if isinstance(value, expected) else None


def _strategies(tables: Tables, value: FeatureValue, feature: Feature) -> list[dict[str, Any]]:
    merged = [
        _wire_rule(rule, rule.get("value"), feature)
        for rule in _parsed(value.strategies)
        if not rule.get("disabled")
    ]
    uses = tables.of(StrategyUse, feature_value_id=value.id, disabled=False)
    for use in sorted(uses, key=lambda row: (row.sort_order, row.strategy_id)):
        strategy = tables.get(ApplicationStrategy, id=use.strategy_id)
        if strategy.archived_at is None and not strategy.disabled:
            rule = {
                "id": strategy.code,
                "percentage": strategy.percentage,
                "percentageAttributes": _parsed(strategy.percentage_attributes),
                "attributes": _parsed(strategy.attributes),
            }
            merged.append(_wire_rule(rule, _parsed(use.value), feature))
    groups = tables.of(FeatureGroup, environment_id=value.environment_id, archived_at=None, disabled=False)
    for group in sorted(groups, key=lambda row: (row.sort_order, row.id)):
        for member in tables.of(FeatureGroupFeature, group_id=group.id, feature_id=feature.id):
            merged += [
                _wire_rule(rule, _parsed(member.value), feature)
                for rule in _parsed(group.strategies)
                if not rule.get("disabled")
            ]
    return merged


def _wire_rule(rule: dict[str, Any], value: Any, feature: Feature) -> dict[str, Any]:
    wire: dict[str, Any] = {"id": rule["id"]}
    for name in ("percentage", "percentageAttributes"):
        if rule.get(name) not in (None, []):
            wire[name] = rule[name]
    served = _served(value, feature)
    if served is not None:
        wire["value"] = served
    wire["attributes"] = [
        {name: each[name] for name in ("conditional", "fieldName", "values", "type")}
        for each in rule.get("attributes") or []
    ]
    return wire


def _properties(tables: Tables, feature: Feature, templates: PropertyTemplates) -> dict[str, str]:
    """Only the templates that tests use."""
    application = tables.get(Application, id=feature.application_id)
    portfolio = tables.get(Portfolio, id=application.portfolio_id)
    known = {
        "{feature.name}": feature.name,
        "{application.name}": application.name,
        "{portfolio.name}": portfolio.name,
    }
    return {name: known[template] for name, template in templates.templates if known[template]}


def _check_account(tables: Tables, account: ServiceAccount) -> None:
    held = tables.one(DeliveredAccount, id=account.id)
    if account.archived_at is not None:
        assert held is None or held.tombstone
        return
    assert held is not None, f"{account.name} was never announced"
    granted = {
        str(row.environment_id): row.roles
        for row in tables.of(ServiceAccountPermission, account_id=account.id)
        if row.roles and _live(tables, tables.get(Environment, id=row.environment_id))
    }
    filters = tables.of(ServiceAccountFilter, account_id=account.id)
    record = AccountRecord(
        id=str(account.id),
        revision=0,
        client_key_hash=account.client_key_hash,
        server_key_hash=account.server_key_hash,
        permissions=granted,
        filters=tuple(sorted(str(row.filter_id) for row in filters)),
        restricted=account.restricted,
    )
    assert account.restricted or not filters
    assert not held.tombstone
    assert tables.get(Counter, kind="account", id=account.id).digest == record.digest
    assert held.permissions == {key: ",".join(sorted(roles)) for key, roles in granted.items()}
    assert held.filters == record.filters
    assert (held.client_key_hash, held.server_key_hash) == (record.client_key_hash, record.server_key_hash)


def _check_log(tables: Tables) -> None:
    last: dict[tuple[str, UUID], OutboxRow] = {}
    for row in sorted(tables.of(OutboxRow), key=lambda row: row.seq):
        counter = (row.counter_kind, row.counter_id)
        before = last.get(counter)
        assert row.revision == row.previous + 1
        if before is not None:
            # Only a restored database raises revisions by more, and not by an event.
            assert (row.previous - before.revision) % 1000 == 0
        last[counter] = row
    for (kind, identity), row in last.items():
        counter_row = tables.get(Counter, kind=kind, id=identity)
        assert (counter_row.revision - row.revision) % 1000 == 0
    lease = tables.get(RelayLease, id=1)
    positions = sorted(row.position for row in tables.of(OutboxRow) if row.position is not None)
    assert positions == list(range(lease.pruned + 1, lease.position + 1))


@dataclass
class Replayed:
    """What someone knows who started from nothing and read the log; digests are checked at each step."""

    environments: dict[str, dict[str, FeatureState]] = field(default_factory=dict)
    info: dict[str, dict[str, str]] = field(default_factory=dict)
    tombstones: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    accounts: dict[str, AccountRecord] = field(default_factory=dict)
    versions: dict[tuple[str, str], int] = field(default_factory=dict)
    seq: int = 0

    async def read_on(self, database: Database) -> None:
        """Apply what was written since the last time, in the order of the log."""
        async with database.read() as session:
            rows = await session.scalars(
                select(OutboxRow).where(OutboxRow.seq > self.seq).order_by(OutboxRow.seq)
            )
            for row in rows:
                self.seq = row.seq
                self._apply(row)

    def _apply(self, row: OutboxRow) -> None:
        data = decode_data(row.type, row.payload.encode())
        identity = str(row.counter_id)
        if isinstance(data, AccountChanged):
            assert data.record.revision == row.revision
            assert data.record.digest == row.digest
            self.accounts[identity] = data.record
            return
        if isinstance(data, EnvironmentChanged):
            self._replace(identity, data, row)
        elif isinstance(data, FeaturesChanged):
            states = self.environments[identity]
            for removed in data.removed:
                del states[removed]
            states.update({state.id: state for state in data.states})
            self.tombstones[identity] -= {state.key for state in data.states}
            self.tombstones[identity] |= {each.key for each in data.tombstones}
        states = self.environments.get(identity, {})
        assert row.digest == states_digest(states.values(), self.info.get(identity, {})) % DIGEST_MODULUS
        self._never_falls(identity, states.values())

    def _replace(self, identity: str, data: EnvironmentChanged, row: OutboxRow) -> None:
        if data.snapshot is None:
            self.environments.pop(identity)
            self.info.pop(identity)
            self.tombstones.pop(identity, None)
            return
        assert data.snapshot.revision == row.revision
        assert data.snapshot.digest == row.digest
        self.environments[identity] = dict(data.snapshot.features)
        self.info[identity] = data.snapshot.info
        self.tombstones[identity] = {each.key for each in data.snapshot.tombstones}

    def _never_falls(self, identity: str, states: Iterable[FeatureState]) -> None:
        for state in states:
            before = self.versions.get((identity, state.key), -1)
            assert state.version >= before, f"{state.key} fell from {before} to {state.version}"
            self.versions[identity, state.key] = state.version

    async def assert_equals(self, database: Database) -> None:
        """Check that reading the log led exactly to what is delivered."""
        async with database.read() as session:
            tables = await Tables.load(session)
        known = tables.of(DeliveredEnvironment, tombstone=False)
        assert self.environments.keys() == {str(row.id) for row in known}
        for row in known:
            rows = tables.of(Delivered, environment_id=row.id)
            stored = {str(each.feature_id): (each.hash, each.version) for each in rows}
            read = self.environments[str(row.id)]
            assert stored == {key: (each.fingerprint.hex(), each.version) for key, each in read.items()}
            kept = tables.of(KeyTombstone, environment_id=row.id)
            assert {each.key for each in kept} == self.tombstones[str(row.id)]
            assert info_digest(row.info) == info_digest(self.info[str(row.id)])
        for account in tables.of(DeliveredAccount):
            assert self.accounts[str(account.id)].removed == account.tombstone
