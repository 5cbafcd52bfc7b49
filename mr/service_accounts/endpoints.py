"""Operations on service accounts."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from common.errors import BadRequest, NotFound
from mr.api.models import DASHED_UUID
from mr.api.operations import Caller, Operation, SignedIn, answer
from mr.api.parameters import AccountId, AccountIdOrText, Containing, Flag, PortfolioId
from mr.auth.grants import load_grants
from mr.db.session import Database, Locks
from mr.portfolios.service import get_administered_portfolio, get_visible_portfolio
from mr.service_accounts import schemas, service
from mr.service_accounts.service import Including

_operation = partial(Operation, service="ServiceAccountService")

KeyType = Annotated[schemas.ResetApiKeyType | None, Query(alias="apiKeyType")]


class MissingPortfolio(BadRequest):
    code = "missing-portfolio"


class ServiceAccountEndpoints:
    """What the contract calls ServiceAccountService."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def operations(self) -> list[Operation]:
        listed, single = "/mr-api/portfolio/{id}/service-account", "/mr-api/service-account/{id}"
        one, many = schemas.ServiceAccount, list[schemas.ServiceAccount]
        return [
            _operation(
                "GET",
                listed,
                self.find,
                "searchServiceAccountsInPortfolio",
                answers=many,
                statuses=(404,),
            ),
            _operation(
                "POST",
                listed,
                self.create,
                "createServiceAccountInPortfolio",
                answers=one,
                statuses=(403, 404, 409),
            ),
            _operation(
                "PUT",
                listed,
                self.update_on_portfolio,
                "updateServiceAccountOnPortfolio",
                answers=one,
                statuses=(403, 404, 409, 422),
            ),
            _operation("GET", single, self.get, "getServiceAccount", answers=one, statuses=(403, 404)),
            _operation(
                "PUT",
                single,
                self.update,
                "updateServiceAccount",
                answers=one,
                statuses=(403, 404, 409, 422),
                deprecated=True,
            ),
            _operation(
                "DELETE", single, self.delete, "deleteServiceAccount", answers=bool, statuses=(403, 404)
            ),
            _operation(
                "POST",
                "/mr-api/service-account/{id}/reset-api-key",
                self.reset,
                "resetApiKey",
                answers=one,
                statuses=(403, 404),
            ),
        ]

    async def find(
        self,
        caller: SignedIn,
        portfolio_id: PortfolioId,
        includePermissions: Flag = False,
        containing: Containing = None,
        applicationId: UUID | None = None,
        includeSdkUrls: Flag = False,
    ) -> Response:
        including = Including(
            permissions=includePermissions, sdk_urls=includeSdkUrls, application_id=applicationId
        )
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            await get_visible_portfolio(session, grants, portfolio_id)
            found = await service.find_accounts(session, portfolio_id, containing=containing)
            shown = await service.show_accounts(session, found, grants, including)
        return answer(shown)

    async def create(
        self,
        caller: SignedIn,
        portfolio_id: PortfolioId,
        body: schemas.CreateServiceAccount,
        includePermissions: Flag = False,
    ) -> Response:
        async with self._database.write(Locks(portfolios=(portfolio_id,))) as session:
            grants = await load_grants(session, caller.person_id)
            portfolio = await get_administered_portfolio(session, grants, portfolio_id)
            account = await service.create_account(session, portfolio, body, author=caller.person_id)
            shown = await service.show_account(session, account, grants, _all(includePermissions))
        return answer(shown)

    async def update_on_portfolio(
        self,
        caller: SignedIn,
        portfolio_id: PortfolioId,
        body: schemas.ServiceAccount,
        includePermissions: Flag = False,
        appId: UUID | None = None,
    ) -> Response:
        return await self._update(
            caller, body.id, body, portfolio_id, application_id=appId, permissions=includePermissions
        )

    async def get(
        self,
        caller: SignedIn,
        account_id: AccountIdOrText,
        includePermissions: Flag = False,
        includeFilters: Flag = False,
        byApplicationId: UUID | None = None,
    ) -> Response:
        if not DASHED_UUID.fullmatch(account_id):
            raise NotFound
        including = Including(
            permissions=includePermissions,
            sdk_urls=includePermissions,
            keys=True,
            filters=includeFilters,
            application_id=byApplicationId,
        )
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            account = await service.get_visible_account(session, grants, UUID(account_id))
            shown = await service.show_account(session, account, grants, including)
        return answer(shown)

    async def update(
        self,
        caller: SignedIn,
        account_id: AccountId,
        body: schemas.ServiceAccount,
        includePermissions: Flag = False,
    ) -> Response:
        if body.portfolioId is None:
            raise MissingPortfolio("The account names its portfolio.")
        return await self._update(
            caller,
            account_id,
            body,
            body.portfolioId,
            application_id=None,
            permissions=includePermissions,
        )

    async def _update(
        self,
        caller: Caller,
        account_id: UUID,
        body: schemas.ServiceAccount,
        portfolio_id: UUID,
        *,
        application_id: UUID | None,
        permissions: bool,
    ) -> Response:
        async with self._database.write(Locks(accounts=(account_id,))) as session:
            grants = await load_grants(session, caller.person_id)
            account = await service.get_administered_account(session, grants, account_id)
            service.require_in_portfolio(account, portfolio_id)
            await service.update_account(
                session, account, body, application_id=application_id, author=caller.person_id
            )
            shown = await service.show_account(session, account, grants, _all(permissions))
        return answer(shown)

    async def delete(self, caller: SignedIn, account_id: AccountId) -> Response:
        async with self._database.write(Locks(accounts=(account_id,))) as session:
            grants = await load_grants(session, caller.person_id)
            account = await service.get_administered_account(session, grants, account_id)
            await service.archive_account(session, account)
        return answer(True)

    async def reset(self, caller: SignedIn, account_id: AccountId, which: KeyType = None) -> Response:
        async with self._database.write(Locks(accounts=(account_id,))) as session:
            grants = await load_grants(session, caller.person_id)
            account = await service.get_administered_account(session, grants, account_id)
            await service.reset_keys(session, account, which, author=caller.person_id)
            shown = await service.show_account(session, account, grants, _all(permissions=True))
        return answer(shown)


def _all(permissions: bool) -> Including:
    """What somebody sees who has just changed an account: its keys, and its filters."""
    return Including(permissions=permissions, sdk_urls=permissions, keys=True, filters=True)
