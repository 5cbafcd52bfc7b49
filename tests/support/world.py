"""What a test starts from: an application of its own, and a service account that may do everything."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.support.admin import ALL_ROLES, Account, Admin, Application, open_admin


@dataclass(frozen=True)
class World:
    """An application with its environment, an account, and an administrator to change them."""

    port: int
    url: str
    admin: Admin
    application: Application
    account: Account

    @property
    def environment_id(self) -> str:
        return self.application.environment_id

    @property
    def client_key(self) -> str:
        return self.account.sdk_key(self.environment_id, client=True)

    @property
    def server_key(self) -> str:
        return self.account.sdk_key(self.environment_id, client=False)

    def key(self, evaluation: str) -> str:
        """The account's key for "client" or "server" evaluation."""
        return self.client_key if evaluation == "client" else self.server_key

    async def create(self, key: str, kind: str = "BOOLEAN") -> str:
        return await self.admin.create_feature(self.application.id, key, kind)


@asynccontextmanager
async def open_world(
    url: str, port: int, token: str = "", *, roles: Sequence[str] = ALL_ROLES
) -> AsyncIterator[World]:
    """An application and account that no other test knows."""
    async with open_admin(url, token) as admin:
        application = await admin.create_application()
        account = await admin.create_account(
            application.portfolio_id, {application.environment_id: list(roles)}
        )
        yield World(port, url, admin, application, account)
