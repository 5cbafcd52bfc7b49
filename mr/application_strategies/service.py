"""An application's strategies: made once, used by many values, which all follow a change.

SDKs and history know a strategy by its code, which stays taken after the strategy was put away.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from common.errors import NotFound
from mr.api.json_body import encode, parse
from mr.application_strategies import schemas
from mr.db.models.base import utc_now
from mr.db.models.features import ApplicationStrategy, Feature, FeatureValue, StrategyUse
from mr.db.models.people import Person
from mr.db.models.portfolios import Environment
from mr.db.projection import Touched, project
from mr.db.session import WriteSession
from mr.people.schemas import SortOrder
from mr.strategies.schemas import RolloutStrategy
from mr.strategies.stored import load_attributes, same_attributes, short_id, store_attributes
from mr.strategies.validation import require_usable

CODE_PREFIX: Final = "@"
LONGEST_PAGE: Final = 1000


async def get_strategy(session: AsyncSession, application_id: UUID, strategy_id: UUID) -> ApplicationStrategy:
    """Return a strategy of the application that was not put away. Raises NotFound."""
    found: ApplicationStrategy | None = await session.scalar(
        select(ApplicationStrategy).where(
            ApplicationStrategy.id == strategy_id,
            ApplicationStrategy.application_id == application_id,
            ApplicationStrategy.archived_at.is_(None),
        )
    )
    if found is None:
        raise NotFound
    return found


async def create_strategy(
    session: WriteSession,
    application_id: UUID,
    wanted: schemas.CreateApplicationRolloutStrategy,
    *,
    author: UUID,
) -> ApplicationStrategy:
    """Make a strategy that no value uses yet. Raises UnusableStrategy, and Taken for a name in use.

    The application is locked.
    """
    codes = await session.scalars(
        select(ApplicationStrategy.code).where(ApplicationStrategy.application_id == application_id)
    )
    made = ApplicationStrategy(
        application_id=application_id,
        code=short_id(codes.all(), prefix=CODE_PREFIX),
        name=(wanted.name or "").strip(),
        disabled=wanted.disabled,
        percentage=wanted.percentage,
        percentage_attributes=encode(wanted.percentageAttributes).decode(),
        attributes=store_attributes(wanted.attributes),
        colouring=wanted.colouring,
        avatar=wanted.avatar,
        created_by=author,
        updated_by=author,
    )
    _require_usable(made)
    session.add(made)
    await session.flush()
    return made


def _require_usable(strategy: ApplicationStrategy) -> None:
    rule = RolloutStrategy(
        name=strategy.name,
        percentage=strategy.percentage,
        attributes=load_attributes(strategy.attributes),
    )
    require_usable([rule])


async def update_strategy(
    session: WriteSession,
    strategy: ApplicationStrategy,
    wanted: schemas.UpdateApplicationRolloutStrategy,
    *,
    author: UUID,
) -> None:
    """Change what was given; every value that uses the strategy gets a version and is delivered anew.

    Colour and picture concern only people, so they change nothing else. Raises UnusableStrategy, and Taken
    for a name in use. The application is locked.
    """
    before = _content(strategy)
    if wanted.name is not None:
        strategy.name = wanted.name.strip()
    if wanted.percentage is not None:
        strategy.percentage = wanted.percentage
    if wanted.gave("percentageAttributes"):
        strategy.percentage_attributes = encode(wanted.percentageAttributes).decode()
    if wanted.attributes is not None:
        stored = store_attributes(wanted.attributes)
        if not same_attributes(strategy.attributes, stored):
            strategy.attributes = stored
    if wanted.gave("disabled"):
        strategy.disabled = wanted.disabled
    if wanted.colouring is not None:
        strategy.colouring = wanted.colouring
    if wanted.avatar is not None:
        strategy.avatar = wanted.avatar
    _require_usable(strategy)
    strategy.version += 1
    strategy.updated_by = author
    await session.flush()
    if _content(strategy) != before:
        saved = await _used_by(session, strategy.id)
        await project(session, strategy.application_id, Touched(saved=saved), author=author)


def _content(strategy: ApplicationStrategy) -> tuple[object, ...]:
    """What shows in values and in their history."""
    return (
        strategy.name,
        strategy.percentage,
        strategy.percentage_attributes,
        strategy.attributes,
        strategy.disabled,
    )


async def _used_by(session: AsyncSession, strategy_id: UUID) -> set[tuple[UUID, UUID]]:
    rows = await session.execute(
        select(FeatureValue.environment_id, FeatureValue.feature_id)
        .join(StrategyUse, StrategyUse.feature_value_id == FeatureValue.id)
        .where(StrategyUse.strategy_id == strategy_id)
    )
    return {(environment_id, feature_id) for environment_id, feature_id in rows}


async def archive_strategy(session: WriteSession, strategy: ApplicationStrategy, *, author: UUID) -> None:
    """Put the strategy away and take it off every value, each of which gets a version.

    History goes on showing it under its name. The application is locked.
    """
    saved = await _used_by(session, strategy.id)
    await session.execute(delete(StrategyUse).where(StrategyUse.strategy_id == strategy.id))
    strategy.archived_at = utc_now()
    strategy.updated_by = author
    await session.flush()
    await project(session, strategy.application_id, Touched(saved=saved), author=author)


async def find_strategies(
    session: AsyncSession,
    application_id: UUID,
    *,
    containing: str | None,
    archived: bool,
    order: SortOrder | None,
    page: int,
    size: int,
) -> tuple[Sequence[ApplicationStrategy], int]:
    """Return one page of the application's strategies by name, and how many there are in all."""
    wanted = select(ApplicationStrategy).where(ApplicationStrategy.application_id == application_id)
    if not archived:
        wanted = wanted.where(ApplicationStrategy.archived_at.is_(None))
    name = func.lower(ApplicationStrategy.name)
    if containing:
        wanted = wanted.where(name.contains(containing.lower(), autoescape=True))
    total = await session.scalar(select(func.count()).select_from(wanted.subquery()))
    ordered = wanted.order_by(name.desc() if order == "DESC" else name.asc(), ApplicationStrategy.id)
    found = await session.scalars(ordered.offset(page * size).limit(size))
    return found.all(), total or 0


def show_strategy(strategy: ApplicationStrategy) -> schemas.ApplicationRolloutStrategy:
    """Return the wire form."""
    return schemas.ApplicationRolloutStrategy(
        id=strategy.id,
        name=strategy.name,
        percentage=strategy.percentage,
        percentageAttributes=parse(strategy.percentage_attributes.encode()),
        attributes=load_attributes(strategy.attributes),
        colouring=strategy.colouring,
        disabled=strategy.disabled,
        avatar=strategy.avatar,
    )


async def show_strategies(
    session: AsyncSession, listed: Sequence[ApplicationStrategy]
) -> list[schemas.ListApplicationRolloutStrategyItem]:
    """Return the wire forms in the order given, each with who changed it last and where it is used."""
    usage = await _usage(session, [strategy.id for strategy in listed])
    people = await _people(session, {each.updated_by for each in listed if each.updated_by is not None})
    return [
        schemas.ListApplicationRolloutStrategyItem(
            strategy=show_strategy(strategy),
            whenCreated=strategy.created_at,
            whenUpdated=strategy.updated_at,
            updatedBy=None if strategy.updated_by is None else people.get(strategy.updated_by),
            uniqueCode=strategy.code,
            usage=usage.get(strategy.id, []),
        )
        for strategy in listed
    ]


async def _people(
    session: AsyncSession, ids: Collection[UUID]
) -> Mapping[UUID, schemas.ListApplicationRolloutStrategyItemUser]:
    rows = await session.execute(select(Person.id, Person.email, Person.name).where(Person.id.in_(ids)))
    return {
        identity: schemas.ListApplicationRolloutStrategyItemUser(email=email, name=name or None)
        for identity, email, name in rows
    }


async def _usage(
    session: AsyncSession, ids: Collection[UUID]
) -> Mapping[UUID, list[schemas.ApplicationRolloutStrategyEnvironment]]:
    rows = await session.execute(
        select(StrategyUse.strategy_id, Environment.id, Environment.name, func.count())
        .join(FeatureValue, FeatureValue.id == StrategyUse.feature_value_id)
        .join(Feature, Feature.id == FeatureValue.feature_id)
        .join(Environment, Environment.id == FeatureValue.environment_id)
        .where(
            StrategyUse.strategy_id.in_(ids),
            Feature.archived_at.is_(None),
            Environment.archived_at.is_(None),
        )
        .group_by(StrategyUse.strategy_id, Environment.id, Environment.name, Environment.created_at)
        .order_by(Environment.created_at, Environment.id)
    )
    found: defaultdict[UUID, list[schemas.ApplicationRolloutStrategyEnvironment]] = defaultdict(list)
    for strategy_id, environment_id, name, count in rows:
        found[strategy_id].append(
            schemas.ApplicationRolloutStrategyEnvironment(id=environment_id, name=name, featuresCount=count)
        )
    return found
