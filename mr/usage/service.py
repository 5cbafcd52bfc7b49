"""Read how much environments are used, for whoever may read them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from common.errors import BadRequest, NotFound
from mr.auth.permissions import Grants
from mr.db.models.service_accounts import ServiceAccount
from mr.db.models.usage import UsageRow
from mr.environments.service import find_environment
from mr.propagation.record import Propagation
from mr.usage.book import HOUR, MINUTE, NOBODY
from mr.usage.schemas import AccountUsage, EnvironmentUsage, Step, UsagePoint, UsageRecord

SECONDS: Final[Mapping[Step, int]] = {"minute": MINUTE, "hour": HOUR}
USUAL: Final[Mapping[Step, timedelta]] = {"minute": timedelta(hours=1), "hour": timedelta(days=7)}
MOST_POINTS: Final = 3_000
MOST_ACCOUNTS: Final = 50

_REQUESTS: Final = ("poll", "unchanged", "stream", "update")


@dataclass(frozen=True)
class Wanted:
    """What to read: environments, from one moment to another."""

    environment_ids: Sequence[UUID]
    step: Step
    since: datetime
    until: datetime

    @classmethod
    def read(
        cls, environment_ids: Sequence[UUID], step: Step, since: datetime | None, until: datetime | None
    ) -> Wanted:
        """Fill in what was not said. Raises BadRequest for what makes no sense."""
        end = until or datetime.now(UTC)
        if end.year < 2000:
            raise BadRequest("Nothing was counted then.")
        begin = since or end - USUAL[step]
        if not begin < end:
            raise BadRequest("The time ends before it begins.")
        if (end - begin).total_seconds() / SECONDS[step] > MOST_POINTS:
            raise BadRequest(f"At most {MOST_POINTS} points are answered at once; take a longer step.")
        if not environment_ids:
            raise BadRequest("Name an environment.")
        return cls(environment_ids, step, begin, end)


async def show_usage(
    session: AsyncSession, grants: Grants, propagation: Propagation, wanted: Wanted
) -> UsageRecord:
    """Tell how much the environments were used. Raises NotFound for one that the caller may not read."""
    for environment_id in wanted.environment_ids:
        found = await find_environment(session, environment_id)
        if found is None or not grants.roles_in(found[1], environment_id):
            raise NotFound
    points = await _points(session, wanted)
    accounts = await _accounts(session, wanted)
    return UsageRecord(
        step=wanted.step,
        since=wanted.since,
        until=wanted.until,
        environments=[
            EnvironmentUsage(
                environmentId=each,
                streamsNow=propagation.streams(str(each)),
                points=points.get(each, []),
                accounts=accounts.get(each, []),
            )
            for each in dict.fromkeys(wanted.environment_ids)
        ],
    )


async def _points(session: AsyncSession, wanted: Wanted) -> Mapping[UUID, list[UsagePoint]]:
    rows = await session.execute(
        select(UsageRow.environment_id, UsageRow.at, UsageRow.kind, func.sum(UsageRow.count))
        .where(*_within(wanted))
        .group_by(UsageRow.environment_id, UsageRow.at, UsageRow.kind)
        .order_by(UsageRow.at)
    )
    found: defaultdict[UUID, dict[int, Counter[str]]] = defaultdict(dict)
    for environment_id, at, kind, count in rows:
        found[environment_id].setdefault(at, Counter())[kind] = int(count)
    seconds = SECONDS[wanted.step]
    return {
        environment_id: [_point(at, seconds, counts) for at, counts in moments.items()]
        for environment_id, moments in found.items()
    }


def _point(at: int, seconds: int, counts: Counter[str]) -> UsagePoint:
    begin = datetime.fromtimestamp(at, UTC)
    # Of a step that is not over, only what has passed counts.
    passed = min(seconds, max(1.0, (datetime.now(UTC) - begin).total_seconds()))
    return UsagePoint(
        at=begin,
        polls=counts["poll"],
        unchanged=counts["unchanged"],
        streamsOpened=counts["stream"],
        updates=counts["update"],
        streams=round(counts["stream-seconds"] / passed, 2),
    )


async def _accounts(session: AsyncSession, wanted: Wanted) -> Mapping[UUID, list[AccountUsage]]:
    requests = func.sum(UsageRow.count)
    rows = await session.execute(
        select(UsageRow.environment_id, UsageRow.account_id, ServiceAccount.name, requests)
        .join(ServiceAccount, ServiceAccount.id == UsageRow.account_id, isouter=True)
        .where(*_within(wanted), UsageRow.kind.in_(_REQUESTS), UsageRow.account_id != NOBODY)
        .group_by(UsageRow.environment_id, UsageRow.account_id, ServiceAccount.name)
        .order_by(requests.desc(), UsageRow.account_id)
    )
    found: defaultdict[UUID, list[AccountUsage]] = defaultdict(list)
    for environment_id, account_id, name, count in rows:
        if len(found[environment_id]) < MOST_ACCOUNTS:
            found[environment_id].append(AccountUsage(id=account_id, name=name, requests=int(count)))
    return found


def _within(wanted: Wanted) -> tuple[ColumnElement[bool], ...]:
    seconds = SECONDS[wanted.step]
    begin = int(wanted.since.timestamp())
    return (
        UsageRow.environment_id.in_(wanted.environment_ids),
        UsageRow.step == seconds,
        UsageRow.at >= begin - begin % seconds,
        UsageRow.at < int(wanted.until.timestamp()) + 1,
    )
