"""Operations on applications."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from mr.api.operations import Operation, SignedIn, answer
from mr.api.parameters import ApplicationId, ApplicationIdLong, Containing, Flag, PortfolioId
from mr.applications import overview, schemas, service
from mr.applications.service import Including
from mr.auth.grants import load_grants
from mr.db.session import Database, Locks
from mr.people.schemas import SortOrder
from mr.portfolios.service import get_administered_portfolio, get_visible_portfolio

_operation = partial(Operation, service="ApplicationService")


class ApplicationEndpoints:
    """What the contract calls ApplicationService."""

    def __init__(self, database: Database, *, first_environment: str) -> None:
        self._database = database
        self._first_environment = first_environment

    def operations(self) -> list[Operation]:
        in_portfolio, single = "/mr-api/portfolio/{id}/application", "/mr-api/application/{appId}"
        one, many = schemas.Application, list[schemas.Application]
        return [
            _operation("GET", in_portfolio, self.find, "findApplications", answers=many, statuses=(404,)),
            _operation(
                "POST", in_portfolio, self.create, "createApplication", answers=one, statuses=(403, 404, 409)
            ),
            _operation(
                "PUT",
                in_portfolio,
                self.update_on_portfolio,
                "updateApplicationOnPortfolio",
                answers=one,
                statuses=(403, 404, 409, 422),
            ),
            _operation("GET", single, self.get, "getApplication", answers=one, statuses=(404,)),
            _operation(
                "PUT",
                single,
                self.update,
                "updateApplication",
                answers=one,
                statuses=(403, 404, 409, 422),
                deprecated=True,
            ),
            _operation("DELETE", single, self.delete, "deleteApplication", answers=bool, statuses=(403, 404)),
            _operation(
                "GET",
                "/mr-api/application/{appId}/summary",
                self.summarize,
                "summaryApplication",
                answers=schemas.ApplicationSummary,
                statuses=(404,),
            ),
            _operation(
                "GET",
                "/mr-api/application/{id}/permissions",
                self.permissions,
                "applicationPermissions",
                answers=schemas.ApplicationPermissions,
                statuses=(404,),
            ),
        ]

    async def find(
        self,
        caller: SignedIn,
        portfolio_id: PortfolioId,
        includeEnvironments: Flag = False,
        includeFeatures: Flag = False,
        order: SortOrder | None = None,
        containing: Containing = None,
    ) -> Response:
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            await get_visible_portfolio(session, grants, portfolio_id)
            found = await service.find_applications(
                session, grants, portfolio_id, containing=containing, order=order
            )
            shown = await service.show_applications(
                session, found, Including(includeEnvironments, includeFeatures)
            )
        return answer(shown)

    async def create(
        self,
        caller: SignedIn,
        portfolio_id: PortfolioId,
        body: schemas.CreateApplication,
        includeEnvironments: Flag = False,
        includeFeatures: Flag = False,
    ) -> Response:
        async with self._database.write(Locks(portfolios=(portfolio_id,))) as session:
            grants = await load_grants(session, caller.person_id)
            portfolio = await get_administered_portfolio(session, grants, portfolio_id)
            application = await service.create_application(
                session,
                portfolio,
                body,
                first_environment=self._first_environment,
                author=caller.person_id,
            )
            shown = await service.show_application(
                session, application, Including(includeEnvironments, includeFeatures)
            )
        return answer(shown)

    async def update_on_portfolio(
        self,
        caller: SignedIn,
        portfolio_id: PortfolioId,
        body: schemas.Application,
        includeEnvironments: Flag = False,
        includeFeatures: Flag = False,
    ) -> Response:
        return await self._update(
            caller, body.id, body, Including(includeEnvironments, includeFeatures), portfolio_id
        )

    async def get(
        self, caller: SignedIn, application_id: ApplicationIdLong, includeEnvironments: Flag = False
    ) -> Response:
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            application = await service.get_readable_application(session, grants, application_id)
            shown = await service.show_application(session, application, Including(includeEnvironments))
        return answer(shown)

    async def update(
        self,
        caller: SignedIn,
        application_id: ApplicationIdLong,
        body: schemas.Application,
        includeEnvironments: Flag = False,
    ) -> Response:
        return await self._update(caller, application_id, body, Including(includeEnvironments), None)

    async def _update(
        self,
        caller: SignedIn,
        application_id: ApplicationIdLong,
        body: schemas.Application,
        including: Including,
        portfolio_id: PortfolioId | None,
    ) -> Response:
        # The portfolio is locked because names are unique within it.
        portfolios = () if portfolio_id is None else (portfolio_id,)
        async with self._database.write(
            Locks(portfolios=portfolios, applications=(application_id,))
        ) as session:
            grants = await load_grants(session, caller.person_id)
            application = await service.get_administered_application(session, grants, application_id)
            if portfolio_id is not None:
                service.require_in_portfolio(application, portfolio_id)
            await service.update_application(session, application, body, author=caller.person_id)
            shown = await service.show_application(session, application, including)
        return answer(shown)

    async def delete(
        self, caller: SignedIn, application_id: ApplicationIdLong, includeEnvironments: Flag = False
    ) -> Response:
        del includeEnvironments  # of no effect: the answer is a boolean
        async with self._database.write(Locks(applications=(application_id,))) as session:
            grants = await load_grants(session, caller.person_id)
            application = await service.get_administered_application(session, grants, application_id)
            await service.archive_application(session, application, author=caller.person_id)
        return answer(True)

    async def summarize(self, caller: SignedIn, application_id: ApplicationIdLong) -> Response:
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            await service.get_readable_application(session, grants, application_id)
            shown = await overview.summarize(session, application_id)
        return answer(shown)

    async def permissions(self, caller: SignedIn, application_id: ApplicationId) -> Response:
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            application = await service.get_member_application(session, grants, application_id)
            shown = await overview.permissions_in(session, grants, service.place_of(application))
        return answer(shown)
