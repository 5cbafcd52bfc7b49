"""Everything that people do to features, as single transactions: material for random histories.

Written with models, locks and the projection alone, without the management API. Each method picks its
target by numbers, so that a list of numbers is a history that can be repeated and shrunk.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import select

from common.contracts.environments import hash_key
from common.contracts.features import FEATURE_TYPES
from mr.db.models.base import Base, utc_now
from mr.db.models.features import (
    ApplicationStrategy,
    Feature,
    FeatureFilter,
    FeatureFilterLink,
    FeatureGroup,
    FeatureGroupFeature,
    FeatureValue,
    StrategyUse,
)
from mr.db.models.people import SDK_ACCOUNT, Organization, Person
from mr.db.models.portfolios import Application, Environment, Portfolio
from mr.db.models.service_accounts import (
    ServiceAccount,
    ServiceAccountFilter,
    ServiceAccountPermission,
)
from mr.db.projection import Touched, project, project_accounts
from mr.db.session import Database, Locks, Taken, WriteSession, run_with_retries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncSession

Row = TypeVar("Row", bound=Base)
Step = tuple[str, int, int, int]

KEYS: Final = ("alpha", "beta", "gamma", "Grüße", "delta 5")
VALUES: Final = {
    "BOOLEAN": ("true", "false"),
    "STRING": ('"a"', '"Grüße \\u00e9 \U0001f600"', '"two words"', None),
    "NUMBER": ("1", "12.50", "12345678901234567890.000000000000000001", "-0.5", None),
    "JSON": ('"{\\"a\\": 1.0}"', '"[]"', None),
}


def _attribute(number: int) -> dict[str, Any]:
    return {
        "id": f"a{number}",
        "conditional": ("EQUALS", "STARTS_WITH", "NOT_EQUALS")[number % 3],
        "fieldName": ("country", "userkey", "näme")[number % 3],
        "values": [["new_zealand", "ärger"], ["x"], [1.50, 10**20, True]][number % 3],
        "type": "STRING",
    }


class Shop:
    """One organisation and the people and scripts that change it. All of its methods are transactions."""

    STEPS: Final = (
        "create_feature",
        "create_feature",
        "rename_feature",
        "archive_feature",
        "retype_feature",
        "describe_feature",
        "save_value",
        "save_value",
        "save_strategies",
        "toggle_lock",
        "toggle_retired",
        "create_strategy",
        "edit_strategy",
        "archive_strategy",
        "use_strategy",
        "create_group",
        "edit_group",
        "archive_group",
        "create_filter",
        "filter_feature",
        "delete_filter",
        "create_environment",
        "inform_environment",
        "archive_environment",
        "create_application",
        "rename_application",
        "archive_application",
        "create_portfolio",
        "archive_portfolio",
        "create_account",
        "permit_account",
        "filter_account",
        "reset_keys",
        "archive_account",
    )

    def __init__(self, database: Database) -> None:
        self.database = database
        self.retries = 0
        self.prefix = "name"
        self._names = 0

    async def open(self) -> None:
        """Make the organisation, a portfolio, an application with an environment, and a feature."""
        async with self.database.write() as session:
            session.add(Organization(name="Ours"))
        await self.create_portfolio(0, 0, 0)
        await self.create_application(0, 0, 0)
        await self.create_environment(0, 0, 0)
        await self.create_feature(0, 0, 0)

    async def play(self, steps: Sequence[Step]) -> None:
        """Take the steps one after the other, as `take` does."""
        for step in steps:
            await self.take(step)

    async def take(self, step: Step) -> None:
        """Take one step; losing a race is repeated, a name in use is left alone."""
        name, *numbers = step
        try:
            await run_with_retries(lambda: getattr(self, name)(*numbers), attempts=6, on_retry=self._count)
        except Taken:
            await asyncio.sleep(0)

    def _count(self, _state: str) -> None:
        self.retries += 1

    def name(self) -> str:
        self._names += 1
        return f"{self.prefix} {self._names}"

    # ------------------------------------------------------------------------------------- structure

    async def create_portfolio(self, _a: int, _b: int, _c: int) -> None:
        async with self.database.write() as session:
            organization = (await session.scalars(select(Organization))).one()
            session.add(Portfolio(organization_id=organization.id, name=self.name()))

    async def archive_portfolio(self, a: int, _b: int, _c: int) -> None:
        portfolios = await self._ids(_live(Portfolio))
        if len(portfolios) < 2:
            return
        identity = portfolios[a % len(portfolios)]
        async with self.database.write(Locks(whole_portfolios=(identity,))) as session:
            portfolio = await session.get_one(Portfolio, identity)
            portfolio.archived_at = portfolio.archived_at or utc_now()
            accounts = await _all(
                session, _live(ServiceAccount).where(ServiceAccount.portfolio_id == identity)
            )
            for account in accounts:
                account.archived_at = utc_now()
            await project_accounts(session, [account.id for account in accounts])
        owned = select(Application).where(Application.portfolio_id == identity)
        for application_id in await self._ids(owned):
            await self._archive_application(application_id)

    async def create_application(self, a: int, _b: int, _c: int) -> None:
        portfolio_id = await self._pick(_live(Portfolio), a)
        if portfolio_id is None:
            return
        async with self.database.write(Locks(portfolios=(portfolio_id,))) as session:
            if (await session.get_one(Portfolio, portfolio_id)).archived_at is None:
                session.add(Application(portfolio_id=portfolio_id, name=self.name()))

    async def rename_application(self, a: int, _b: int, _c: int) -> None:
        application_id = await self._pick(_live(Application), a)
        if application_id is None:
            return
        async with self.database.write(Locks(applications=(application_id,))) as session:
            (await session.get_one(Application, application_id)).name = self.name()
            await project(session, application_id, Touched(everything=True), author=None)

    async def archive_application(self, a: int, _b: int, _c: int) -> None:
        applications = await self._ids(_live(Application))
        if len(applications) > 1:
            await self._archive_application(applications[a % len(applications)])

    async def _archive_application(self, application_id: UUID) -> None:
        async with self.database.write(Locks(applications=(application_id,))) as session:
            now = utc_now()
            application = await session.get_one(Application, application_id)
            application.archived_at = application.archived_at or now
            features = _live(Feature).where(Feature.application_id == application_id)
            environments = _live(Environment).where(Environment.application_id == application_id)
            for row in [*await _all(session, features), *await _all(session, environments)]:
                row.archived_at = now
            await project(session, application_id, Touched(), author=None)

    async def create_environment(self, a: int, _b: int, _c: int) -> None:
        application_id = await self._pick(_live(Application), a)
        if application_id is None:
            return
        async with self.database.write(Locks(applications=(application_id,))) as session:
            if (await session.get_one(Application, application_id)).archived_at is not None:
                return
            environment = Environment(application_id=application_id, name=self.name())
            session.add(environment)
            await session.flush()
            features = _live(Feature).where(Feature.application_id == application_id)
            for feature in await _all(session, features):
                if feature.value_type == "BOOLEAN":
                    session.add(_first_value(feature, environment))
            await project(session, application_id, Touched(), author=None)

    async def inform_environment(self, a: int, b: int, _c: int) -> None:
        async with self._environment(a) as (session, environment):
            if environment is not None:
                environment.environment_info = {"cacheControl": f"max-age={b % 3}"} if b % 4 else {}
                await project(session, environment.application_id, Touched(), author=None)

    async def archive_environment(self, a: int, _b: int, _c: int) -> None:
        async with self._environment(a) as (session, environment):
            if environment is not None:
                environment.archived_at = utc_now()
                await project(session, environment.application_id, Touched(), author=None)

    # -------------------------------------------------------------------------------------- features

    async def create_feature(self, a: int, b: int, c: int) -> None:
        application_id = await self._pick(_live(Application), a)
        if application_id is None:
            return
        async with self.database.write(Locks(applications=(application_id,))) as session:
            feature = Feature(
                application_id=application_id,
                key=KEYS[b % len(KEYS)],
                name=self.name(),
                value_type=FEATURE_TYPES[c % 4],
            )
            session.add(feature)
            await session.flush()
            if feature.value_type == "BOOLEAN":
                environments = _live(Environment).where(Environment.application_id == application_id)
                for environment in await _all(session, environments):
                    session.add(_first_value(feature, environment))
            await project(session, application_id, Touched(features={feature.id}), author=None)

    async def rename_feature(self, a: int, b: int, _c: int) -> None:
        async with self._feature(a) as (session, feature):
            if feature is not None:
                feature.key = KEYS[b % len(KEYS)]
                await _project_feature(session, feature)

    async def describe_feature(self, a: int, _b: int, _c: int) -> None:
        async with self._feature(a) as (session, feature):
            if feature is not None:
                feature.name = self.name()
                await _project_feature(session, feature)

    async def retype_feature(self, a: int, b: int, _c: int) -> None:
        """Changes the type and leaves the values as they are: what does not fit must not be served."""
        async with self._feature(a) as (session, feature):
            if feature is not None:
                feature.value_type = FEATURE_TYPES[b % 4]
                await _project_feature(session, feature)

    async def archive_feature(self, a: int, _b: int, _c: int) -> None:
        async with self._feature(a) as (session, feature):
            if feature is not None:
                feature.archived_at = utc_now()
                await _project_feature(session, feature)

    async def save_value(self, a: int, b: int, c: int) -> None:
        async with self._value(a, b) as (session, feature, value):
            if feature is not None and value is not None:
                choices = VALUES[feature.value_type]
                value.value = choices[c % len(choices)]
                await _project_value(session, feature, value)

    async def save_strategies(self, a: int, b: int, c: int) -> None:
        async with self._value(a, b) as (session, feature, value):
            if feature is not None and value is not None:
                choices = VALUES[feature.value_type]
                token = choices[c % len(choices)]
                strategies = [
                    {
                        "id": f"s{number}",
                        "name": "a rule",
                        "percentage": 250_000 * number or None,
                        "value": None if token is None else json.loads(token),
                        "attributes": [_attribute(number)],
                        "disabled": number == 2,
                    }
                    for number in range(c % 4)
                ]
                value.strategies = json.dumps(strategies)
                await _project_value(session, feature, value)

    async def toggle_lock(self, a: int, b: int, _c: int) -> None:
        async with self._value(a, b) as (session, feature, value):
            if feature is not None and value is not None:
                value.locked = not value.locked
                await _project_value(session, feature, value)

    async def toggle_retired(self, a: int, b: int, _c: int) -> None:
        async with self._value(a, b) as (session, feature, value):
            if feature is not None and value is not None:
                value.retired = not value.retired
                await _project_value(session, feature, value)

    # ------------------------------------------------------------------------- strategies and groups

    async def create_strategy(self, a: int, b: int, c: int) -> None:
        application_id = await self._pick(_live(Application), a)
        if application_id is None:
            return
        async with self.database.write(Locks(applications=(application_id,))) as session:
            name = self.name()
            session.add(
                ApplicationStrategy(
                    application_id=application_id,
                    code=f"@{secrets.token_hex(2)}",
                    name=name,
                    percentage=b % 3 * 100_000 or None,
                    attributes=json.dumps([_attribute(c)]),
                )
            )

    async def edit_strategy(self, a: int, b: int, c: int) -> None:
        async with self._strategy(a) as (session, strategy):
            if strategy is not None:
                strategy.percentage = b % 5 * 200_000 or None
                strategy.attributes = json.dumps([_attribute(c)])
                strategy.disabled = c % 3 == 0
                saved = await _used_by(session, strategy)
                await project(session, strategy.application_id, Touched(saved=saved), author=None)

    async def archive_strategy(self, a: int, _b: int, _c: int) -> None:
        async with self._strategy(a) as (session, strategy):
            if strategy is not None:
                strategy.archived_at = utc_now()
                saved = await _used_by(session, strategy)
                for use in await _all(session, select(StrategyUse).filter_by(strategy_id=strategy.id)):
                    await session.delete(use)
                await project(session, strategy.application_id, Touched(saved=saved), author=None)

    async def use_strategy(self, a: int, b: int, c: int) -> None:
        """Attach a strategy, or take it off when it is attached."""
        async with self._value(a, b) as (session, feature, value):
            if feature is None or value is None:
                return
            owned = ApplicationStrategy.application_id == feature.application_id
            strategies = await _all(session, _live(ApplicationStrategy).where(owned))
            if not strategies:
                # The value's row may be new.
                await _project_value(session, feature, value)
                return
            strategy = strategies[c % len(strategies)]
            used = await session.get(StrategyUse, (value.id, strategy.id))
            if used is not None:
                await session.delete(used)
            else:
                await session.flush()
                choices = VALUES[feature.value_type]
                use = StrategyUse(
                    feature_value_id=value.id,
                    strategy_id=strategy.id,
                    sort_order=len(
                        await _all(session, select(StrategyUse).filter_by(feature_value_id=value.id))
                    ),
                    value=choices[c % len(choices)],
                    disabled=c % 5 == 0,
                )
                session.add(use)
            await _project_value(session, feature, value)

    async def create_group(self, a: int, b: int, c: int) -> None:
        async with self._environment(a) as (session, environment):
            if environment is None:
                return
            group = FeatureGroup(
                environment_id=environment.id,
                name=self.name(),
                sort_order=(b * 7) % 11,
                disabled=b % 5 == 0,
                strategies=json.dumps([{"id": f"!g{c % 9}", "name": "g", "attributes": [_attribute(c)]}]),
            )
            session.add(group)
            await session.flush()
            await self._fill_group(session, environment, group, b)

    async def edit_group(self, a: int, b: int, c: int) -> None:
        async with self._group(a) as (session, environment, group):
            if environment is not None and group is not None:
                group.sort_order = (c * 5) % 13
                group.disabled = c % 4 == 0
                await self._fill_group(session, environment, group, b)

    async def archive_group(self, a: int, _b: int, _c: int) -> None:
        async with self._group(a) as (session, environment, group):
            if environment is not None and group is not None:
                group.archived_at = utc_now()
                await self._fill_group(session, environment, group, None)

    async def _fill_group(
        self, session: WriteSession, environment: Environment, group: FeatureGroup, choice: int | None
    ) -> None:
        members = await _all(session, select(FeatureGroupFeature).filter_by(group_id=group.id))
        touched = {member.feature_id for member in members}
        for member in members:
            await session.delete(member)
        await session.flush()
        application_id = environment.application_id
        features = await _all(session, _live(Feature).where(Feature.application_id == application_id))
        for feature in features if choice is not None else ():
            if (feature.id.int + (choice or 0)) % 2:
                touched.add(feature.id)
                await _value_row(session, feature, environment)
                token = VALUES[feature.value_type][0]
                session.add(FeatureGroupFeature(group_id=group.id, feature_id=feature.id, value=token))
        live = {feature.id for feature in features}
        saved = {(environment.id, each) for each in touched & live}
        await project(session, application_id, Touched(saved=saved), author=None)

    # --------------------------------------------------------------------------- filters and accounts

    async def create_filter(self, a: int, _b: int, _c: int) -> None:
        portfolio_id = await self._pick(_live(Portfolio), a)
        if portfolio_id is not None:
            async with self.database.write() as session:
                session.add(FeatureFilter(portfolio_id=portfolio_id, name=self.name()))

    async def filter_feature(self, a: int, b: int, _c: int) -> None:
        """Put a filter on a feature, or take it off."""
        async with self._feature(a) as (session, feature):
            if feature is None:
                return
            application = await session.get_one(Application, feature.application_id)
            owned = select(FeatureFilter).where(FeatureFilter.portfolio_id == application.portfolio_id)
            filters = await _all(session, owned)
            if filters:
                chosen = filters[b % len(filters)]
                link = await session.get(FeatureFilterLink, (feature.id, chosen.id))
                if link is None:
                    session.add(FeatureFilterLink(feature_id=feature.id, filter_id=chosen.id))
                else:
                    await session.delete(link)
                await _project_feature(session, feature)

    async def delete_filter(self, a: int, _b: int, _c: int) -> None:
        async with self.database.read() as read:
            filters = await _all(read, select(FeatureFilter).order_by(FeatureFilter.created_at))
        if not filters:
            return
        chosen = filters[a % len(filters)]
        async with self.database.write(Locks(whole_portfolios=(chosen.portfolio_id,))) as session:
            row = await session.get(FeatureFilter, chosen.id, with_for_update=True)
            if row is None:
                return
            links = await _all(session, select(FeatureFilterLink).filter_by(filter_id=row.id))
            accounts = await _all(session, select(ServiceAccountFilter).filter_by(filter_id=row.id))
            features = {link.feature_id for link in links}
            await session.delete(row)
            await session.flush()
            owners = await _all(session, select(Feature).where(Feature.id.in_(features)))
            for application_id in {feature.application_id for feature in owners}:
                await project(session, application_id, Touched(features=features), author=None)
            await project_accounts(session, [each.account_id for each in accounts])

    async def create_account(self, a: int, b: int, c: int) -> None:
        portfolio_id = await self._pick(_live(Portfolio), a)
        if portfolio_id is None:
            return
        async with self.database.write(Locks(portfolios=(portfolio_id,))) as session:
            portfolio = await session.get_one(Portfolio, portfolio_id)
            if portfolio.archived_at is not None:
                return
            twin = Person(organization_id=portfolio.organization_id, person_type=SDK_ACCOUNT)
            session.add(twin)
            await session.flush()
            account = ServiceAccount(
                portfolio_id=portfolio_id, person_id=twin.id, name=self.name(), **_keys()
            )
            session.add(account)
            await session.flush()
            await self._permit(session, account, b, c)
            await project_accounts(session, [account.id])

    async def permit_account(self, a: int, b: int, c: int) -> None:
        account_id = await self._pick(_live(ServiceAccount), a)
        if account_id is None:
            return
        async with self.database.write(Locks(accounts=(account_id,))) as session:
            await self._permit(session, await session.get_one(ServiceAccount, account_id), b, c)
            await project_accounts(session, [account_id])

    async def _permit(self, session: WriteSession, account: ServiceAccount, b: int, c: int) -> None:
        environments = await _all(
            session,
            _live(Environment)
            .join(Application, Application.id == Environment.application_id)
            .where(Application.portfolio_id == account.portfolio_id),
        )
        if environments:
            environment = environments[b % len(environments)]
            roles = [(), ("READ",), ("READ", "CHANGE_VALUE"), ("LOCK", "READ", "UNLOCK")][c % 4]
            await session.merge(
                ServiceAccountPermission(account_id=account.id, environment_id=environment.id, roles=roles)
            )

    async def filter_account(self, a: int, b: int, _c: int) -> None:
        account_id = await self._pick(_live(ServiceAccount), a)
        if account_id is None:
            return
        async with self.database.write(Locks(accounts=(account_id,))) as session:
            account = await session.get_one(ServiceAccount, account_id)
            owned = select(FeatureFilter).where(FeatureFilter.portfolio_id == account.portfolio_id)
            filters = await _all(session, owned.with_for_update(read=True, key_share=True))
            if filters:
                chosen = filters[b % len(filters)]
                await session.merge(ServiceAccountFilter(account_id=account.id, filter_id=chosen.id))
                await project_accounts(session, [account_id])

    async def reset_keys(self, a: int, _b: int, _c: int) -> None:
        account_id = await self._pick(_live(ServiceAccount), a)
        if account_id is None:
            return
        async with self.database.write(Locks(accounts=(account_id,))) as session:
            account = await session.get_one(ServiceAccount, account_id)
            for name, key in _keys().items():
                setattr(account, name, key)
            await project_accounts(session, [account_id])

    async def archive_account(self, a: int, _b: int, _c: int) -> None:
        account_id = await self._pick(_live(ServiceAccount), a)
        if account_id is None:
            return
        async with self.database.write(Locks(accounts=(account_id,))) as session:
            account = await session.get_one(ServiceAccount, account_id)
            account.archived_at = account.archived_at or utc_now()
            await project_accounts(session, [account_id])

    # --------------------------------------------------------------------------------------- choosing

    async def _ids(self, statement: Select[Any]) -> list[UUID]:
        async with self.database.read() as session:
            return [row.id for row in await _all(session, statement)]

    async def _pick(self, statement: Select[Any], number: int) -> UUID | None:
        ids = await self._ids(statement)
        return ids[number % len(ids)] if ids else None

    @asynccontextmanager
    async def _environment(self, a: int) -> AsyncIterator[tuple[WriteSession, Environment | None]]:
        async with self._locked(Environment, a, _live(Environment), lambda row: row.application_id) as found:
            yield found

    @asynccontextmanager
    async def _feature(self, a: int) -> AsyncIterator[tuple[WriteSession, Feature | None]]:
        async with self._locked(Feature, a, _live(Feature), lambda row: row.application_id) as found:
            yield found

    @asynccontextmanager
    async def _strategy(self, a: int) -> AsyncIterator[tuple[WriteSession, ApplicationStrategy | None]]:
        statement = _live(ApplicationStrategy)
        async with self._locked(ApplicationStrategy, a, statement, lambda row: row.application_id) as found:
            yield found

    @asynccontextmanager
    async def _value(
        self, a: int, b: int
    ) -> AsyncIterator[tuple[WriteSession, Feature | None, FeatureValue | None]]:
        async with self._feature(a) as (session, feature):
            environments: Sequence[Environment] = []
            if feature is not None:
                owned = Environment.application_id == feature.application_id
                environments = await _all(session, _live(Environment).where(owned))
            if feature is None or not environments:
                yield session, None, None
            else:
                environment = environments[b % len(environments)]
                yield session, feature, await _value_row(session, feature, environment)

    @asynccontextmanager
    async def _group(
        self, a: int
    ) -> AsyncIterator[tuple[WriteSession, Environment | None, FeatureGroup | None]]:
        async with self.database.read() as read:
            groups = await _all(read, _live(FeatureGroup))
        if not groups:
            async with self.database.write() as session:
                yield session, None, None
            return
        chosen = groups[a % len(groups)]
        async with self.database.write(Locks(environments=(chosen.environment_id,))) as session:
            environment = await session.get_one(Environment, chosen.environment_id)
            group = await session.get_one(FeatureGroup, chosen.id)
            live = environment.archived_at is None and group.archived_at is None
            yield session, environment if live else None, group

    @asynccontextmanager
    async def _locked(
        self, model: type[Row], number: int, statement: Select[Any], owner: Callable[[Any], UUID]
    ) -> AsyncIterator[tuple[WriteSession, Row | None]]:
        """Choose first, lock then, and look again: it may have been archived in between."""
        async with self.database.read() as read:
            rows = await _all(read, statement)
        chosen: Any = rows[number % len(rows)] if rows else None
        locks = Locks(applications=(owner(chosen),)) if chosen is not None else Locks()
        async with self.database.write(locks) as session:
            row: Any = None if chosen is None else await session.get_one(model, chosen.id)
            yield session, row if row is not None and row.archived_at is None else None


def _live(model: Any) -> Select[Any]:
    return select(model).where(model.archived_at.is_(None)).order_by(model.created_at, model.id)


async def _all(session: AsyncSession, statement: Select[Any]) -> Sequence[Any]:
    rows: Sequence[Any] = (await session.scalars(statement)).all()
    return rows


def _first_value(feature: Feature, environment: Environment) -> FeatureValue:
    return FeatureValue(feature_id=feature.id, environment_id=environment.id, value="false", locked=True)


async def _value_row(session: WriteSession, feature: Feature, environment: Environment) -> FeatureValue:
    held = select(FeatureValue).filter_by(feature_id=feature.id, environment_id=environment.id)
    row = (await session.scalars(held)).one_or_none()
    if row is None:
        row = FeatureValue(feature_id=feature.id, environment_id=environment.id, strategies="[]")
        session.add(row)
        await session.flush()
    return row


async def _used_by(session: WriteSession, strategy: ApplicationStrategy) -> set[tuple[UUID, UUID]]:
    rows = await session.execute(
        select(FeatureValue.environment_id, FeatureValue.feature_id)
        .join(StrategyUse, StrategyUse.feature_value_id == FeatureValue.id)
        .where(StrategyUse.strategy_id == strategy.id)
    )
    return {(environment_id, feature_id) for environment_id, feature_id in rows}


async def _project_feature(session: WriteSession, feature: Feature) -> None:
    await project(session, feature.application_id, Touched(features={feature.id}), author=None)


async def _project_value(session: WriteSession, feature: Feature, value: FeatureValue) -> None:
    saved = {(value.environment_id, value.feature_id)}
    await project(session, feature.application_id, Touched(saved=saved), author=None)


def _keys() -> dict[str, str]:
    client, server = secrets.token_hex(20) + "*" + secrets.token_hex(10), secrets.token_hex(20)
    return {
        "client_key": client,
        "server_key": server,
        "client_key_hash": hash_key(client),
        "server_key_hash": hash_key(server),
    }
