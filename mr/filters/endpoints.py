"""Operations on feature filters."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from starlette.responses import Response

from mr.api.operations import Operation, SignedIn, answer
from mr.api.parameters import Containing, Flag, PortfolioId
from mr.auth.grants import load_grants
from mr.db.models.features import FeatureFilter
from mr.db.session import Database, Locks
from mr.filters import matching, schemas, service
from mr.people.schemas import SortOrder
from mr.portfolios.service import get_visible_portfolio

_operation = partial(Operation, service="FeatureFilterService")

FilterId = Annotated[UUID, Path(alias="filterId")]


class FilterEndpoints:
    """What the contract calls FeatureFilterService."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def operations(self) -> list[Operation]:
        listed = "/mr-api/portfolio/{id}/feature-filter"
        single, one = listed + "/{filterId}", schemas.FeatureFilter
        found = schemas.SearchFeatureFilterResult
        return [
            _operation(
                "GET",
                listed + "/matching/{matchType}",
                self.find_matching,
                "getMatchingFilters",
                answers=schemas.MatchingFilterResults,
                statuses=(403, 404),
            ),
            _operation("GET", listed, self.find, "findFeatureFilters", answers=found, statuses=(403, 404)),
            _operation(
                "POST",
                listed,
                self.create,
                "createFeatureFilter",
                answers=one,
                status=201,
                statuses=(403, 404, 409),
            ),
            _operation(
                "PUT", listed, self.update, "updateFeatureFilter", answers=one, statuses=(403, 404, 409)
            ),
            _operation("GET", single, self.get, "getFeatureFilter", answers=one, statuses=(403, 404)),
            _operation(
                "DELETE", single, self.delete, "deleteFeatureFilter", answers=one, statuses=(403, 404, 409)
            ),
        ]

    async def find(
        self,
        caller: SignedIn,
        portfolio_id: PortfolioId,
        containing: Containing = None,
        size: Annotated[int, Query(alias="max", ge=1, le=service.LONGEST_PAGE)] = service.DEFAULT_PAGE,
        page: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
        sortOrder: SortOrder | None = None,
        includeDetails: Flag = False,
    ) -> Response:
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            portfolio = await get_visible_portfolio(session, grants, portfolio_id)
            await service.require_reader(session, grants, portfolio)
            listed, total = await service.find_filters(
                session, portfolio, containing=containing, order=sortOrder, page=page, size=size
            )
            shown = await service.show_filters(session, grants, portfolio, listed, details=includeDetails)
        pagination = schemas.PaginationResult(total=total, page=page, pageSize=size)
        return answer(schemas.SearchFeatureFilterResult(pagination=pagination, filters=shown))

    async def find_matching(
        self,
        caller: SignedIn,
        portfolio_id: PortfolioId,
        kind: Annotated[schemas.MatchTypeEnum, Path(alias="matchType")],
        filters: Annotated[list[UUID], Query(max_length=1000)],
    ) -> Response:
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            portfolio = await get_visible_portfolio(session, grants, portfolio_id)
            await service.require_reader(session, grants, portfolio)
            found = await matching.find_matching(session, grants, portfolio, kind, filters)
        return answer(found)

    async def create(
        self, caller: SignedIn, portfolio_id: PortfolioId, body: schemas.CreateFeatureFilter
    ) -> Response:
        async with self._database.write(Locks(portfolios=(portfolio_id,))) as session:
            grants = await load_grants(session, caller.person_id)
            portfolio = await get_visible_portfolio(session, grants, portfolio_id)
            await service.require_writer(session, grants, portfolio)
            made = await service.create_filter(session, portfolio, body, author=caller.person_id)
        return answer(_show(made), 201)

    async def update(
        self, caller: SignedIn, portfolio_id: PortfolioId, body: schemas.FeatureFilter
    ) -> Response:
        async with self._database.write(Locks(portfolios=(portfolio_id,))) as session:
            grants = await load_grants(session, caller.person_id)
            portfolio = await get_visible_portfolio(session, grants, portfolio_id)
            await service.require_writer(session, grants, portfolio)
            found = await service.get_filter(session, portfolio, body.id)
            await service.update_filter(session, found, body, author=caller.person_id)
        return answer(_show(found))

    async def get(self, caller: SignedIn, portfolio_id: PortfolioId, filter_id: FilterId) -> Response:
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            portfolio = await get_visible_portfolio(session, grants, portfolio_id)
            await service.require_reader(session, grants, portfolio)
            found = await service.get_filter(session, portfolio, filter_id)
        return answer(_show(found))

    async def delete(
        self,
        caller: SignedIn,
        portfolio_id: PortfolioId,
        filter_id: FilterId,
        version: Annotated[int, Query()],
    ) -> Response:
        async with self._database.write(Locks(whole_portfolios=(portfolio_id,))) as session:
            grants = await load_grants(session, caller.person_id)
            portfolio = await get_visible_portfolio(session, grants, portfolio_id)
            await service.require_writer(session, grants, portfolio)
            found = await service.get_filter(session, portfolio, filter_id)
            shown = _show(found)
            await service.delete_filter(session, found, version=version, author=caller.person_id)
        return answer(shown)


def _show(found: FeatureFilter) -> schemas.FeatureFilter:
    return schemas.FeatureFilter(
        id=found.id, name=found.name, description=found.description, version=found.version
    )
