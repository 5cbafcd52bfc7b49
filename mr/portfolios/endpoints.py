"""Operations on portfolios."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from common.errors import Forbidden
from mr.api.operations import Operation, SignedIn, answer
from mr.api.parameters import Containing, Flag, PortfolioId
from mr.auth.grants import load_grants
from mr.db.models.portfolios import Portfolio
from mr.db.session import Database, Locks
from mr.people.schemas import SortOrder
from mr.portfolios import schemas, service
from mr.system.organization import get_organization

_operation = partial(Operation, service="PortfolioService")


class PortfolioEndpoints:
    """What the contract calls PortfolioService."""

    def __init__(self, database: Database, *, admin_group_suffix: str) -> None:
        self._database = database
        self._suffix = admin_group_suffix

    def operations(self) -> list[Operation]:
        return [
            _operation(
                "GET", "/mr-api/portfolio", self.find, "findPortfolios", answers=list[schemas.Portfolio]
            ),
            _operation(
                "POST",
                "/mr-api/portfolio",
                self.create,
                "createPortfolio",
                answers=schemas.Portfolio,
                statuses=(403, 404, 409),
            ),
            _operation(
                "PUT",
                "/mr-api/portfolio",
                self.update,
                "updatePortfolioOnOrganisation",
                answers=schemas.Portfolio,
                statuses=(403, 404, 409, 422),
            ),
            _operation(
                "GET",
                "/mr-api/portfolio/{id}",
                self.get,
                "getPortfolio",
                answers=schemas.Portfolio,
                statuses=(404,),
            ),
            _operation(
                "PUT",
                "/mr-api/portfolio/{id}",
                self.update_by_path,
                "updatePortfolio",
                answers=schemas.Portfolio,
                statuses=(403, 404, 409, 422),
                deprecated=True,
            ),
            _operation(
                "DELETE",
                "/mr-api/portfolio/{id}",
                self.delete,
                "deletePortfolio",
                answers=bool,
                statuses=(403, 404),
            ),
        ]

    async def find(
        self,
        caller: SignedIn,
        includeGroups: Flag = False,
        includeApplications: Flag = False,
        order: SortOrder | None = None,
        containing: Containing = None,
        parentPortfolioId: str | None = None,
    ) -> Response:
        del parentPortfolioId  # portfolios have no parents; the contract still names one
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            found = await service.find_portfolios(session, grants, containing=containing, order=order)
            shown = await service.show_portfolios(
                session, grants, found, with_groups=includeGroups, with_applications=includeApplications
            )
        return answer(shown)

    async def create(
        self,
        caller: SignedIn,
        body: schemas.CreatePortfolio,
        includeGroups: Flag = False,
        includeApplications: Flag = False,
    ) -> Response:
        async with self._database.write() as session:
            grants = await load_grants(session, caller.person_id)
            if not grants.superuser:
                raise Forbidden
            portfolio = await service.create_portfolio(
                session,
                await get_organization(session),
                name=body.name,
                description=body.description,
                suffix=self._suffix,
                author=caller.person_id,
            )
            shown = await service.show_portfolios(
                session, grants, [portfolio], with_groups=includeGroups, with_applications=includeApplications
            )
        return answer(shown[0])

    async def get(
        self,
        caller: SignedIn,
        portfolio_id: PortfolioId,
        includeGroups: Flag = False,
        includeApplications: Flag = False,
        includeEnvironments: Flag = False,
    ) -> Response:
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            portfolio = await service.get_visible_portfolio(session, grants, portfolio_id)
            shown = await service.show_portfolios(
                session,
                grants,
                [portfolio],
                with_groups=includeGroups,
                with_applications=includeApplications,
                with_environments=includeEnvironments,
            )
        return answer(shown[0])

    async def update(
        self,
        caller: SignedIn,
        body: schemas.Portfolio,
        includeGroups: Flag = False,
        includeApplications: Flag = False,
        includeEnvironments: Flag = False,
    ) -> Response:
        return await self.update_by_path(
            caller, body.id, body, includeGroups, includeApplications, includeEnvironments
        )

    async def update_by_path(
        self,
        caller: SignedIn,
        portfolio_id: PortfolioId,
        body: schemas.Portfolio,
        includeGroups: Flag = False,
        includeApplications: Flag = False,
        includeEnvironments: Flag = False,
    ) -> Response:
        async with self._database.write(Locks(whole_portfolios=(portfolio_id,))) as session:
            grants = await load_grants(session, caller.person_id)
            portfolio = await service.get_administered_portfolio(session, grants, portfolio_id)
            await service.update_portfolio(
                session, portfolio, body, suffix=self._suffix, author=caller.person_id
            )
            shown = await service.show_portfolios(
                session,
                grants,
                [portfolio],
                with_groups=includeGroups,
                with_applications=includeApplications,
                with_environments=includeEnvironments,
            )
        return answer(shown[0])

    async def delete(
        self,
        caller: SignedIn,
        portfolio_id: PortfolioId,
        includeGroups: Flag = False,
        includeApplications: Flag = False,
        includeEnvironments: Flag = False,
    ) -> Response:
        del includeGroups, includeApplications, includeEnvironments  # of no effect: the answer is a boolean
        async with self._database.read() as session:
            await self._deletable(session, caller.person_id, portfolio_id)
            applications = await service.live_application_ids(session, portfolio_id)
        # One transaction for each application: a large portfolio would hold everybody up for long. What
        # fails on the way is done by the next try; what was made meanwhile goes with the portfolio.
        for application_id in applications:
            async with self._database.write(Locks(applications=(application_id,))) as session:
                await self._deletable(session, caller.person_id, portfolio_id)
                await service.archive_application_of(
                    session, portfolio_id, application_id, author=caller.person_id
                )
        async with self._database.write(Locks(whole_portfolios=(portfolio_id,))) as session:
            portfolio = await self._deletable(session, caller.person_id, portfolio_id)
            await service.archive_portfolio(session, portfolio, author=caller.person_id)
        return answer(True)

    async def _deletable(self, session: AsyncSession, person_id: UUID, portfolio_id: UUID) -> Portfolio:
        grants = await load_grants(session, person_id)
        portfolio = await service.get_visible_portfolio(session, grants, portfolio_id)
        if not grants.superuser:
            raise Forbidden
        return portfolio
