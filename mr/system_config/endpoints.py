"""Operations on the installation's settings."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import Path, Query
from starlette.responses import Response

from common.errors import Forbidden
from mr.api.operations import Operation, SignedIn, answer
from mr.auth.grants import load_grants
from mr.auth.permissions import Grants
from mr.auth.vault import Vault
from mr.db.session import Database
from mr.system_config import schemas, service

_operation = partial(Operation, service="SystemConfigService", statuses=(403,))


class SystemConfigEndpoints:
    """What the contract calls SystemConfigService; for superusers alone."""

    def __init__(self, database: Database, *, vault: Vault, site_url: str) -> None:
        self._database = database
        self._vault = vault
        self._known = service.known_settings(vault, site_url=site_url)

    def operations(self) -> list[Operation]:
        path, many = "/mr-api/system-api", schemas.SystemConfigs
        return [
            Operation(
                "GET",
                path + "/{key}/decrypt",
                self.decrypt,
                "decryptSystemConfig",
                service="SystemConfigService",
                answers=schemas.SystemConfigDecryptResult,
                statuses=(403, 404),
            ),
            _operation("GET", path, self.find, "getSystemConfig", answers=many),
            _operation("POST", path, self.update, "createOrUpdateSystemConfigs", answers=many),
        ]

    async def find(self, caller: SignedIn, filters: Annotated[list[str] | None, Query()] = None) -> Response:
        async with self._database.read() as session:
            _require_superuser(await load_grants(session, caller.person_id))
            found = await service.find_settings(session, self._known, filters or ())
        return answer(schemas.SystemConfigs(configs=found))

    async def update(self, caller: SignedIn, body: schemas.UpdatedSystemConfigs) -> Response:
        sealer = await self._vault.sealer()
        async with self._database.write() as session:
            _require_superuser(await load_grants(session, caller.person_id))
            changed = await service.update_settings(
                session, self._known, body.configs, sealer, author=caller.person_id
            )
        return answer(schemas.SystemConfigs(configs=changed))

    async def decrypt(
        self,
        caller: SignedIn,
        key: Annotated[str, Path()],
        mapKey: Annotated[str | None, Query()] = None,
    ) -> Response:
        async with self._database.read() as session:
            _require_superuser(await load_grants(session, caller.person_id))
            stored = await service.reveal(session, self._vault, key, mapKey)
        value = (await service.opened(stored, self._vault))[key]
        result = value[mapKey] if isinstance(value, dict) else value
        return answer(schemas.SystemConfigDecryptResult(result=result))


def _require_superuser(grants: Grants) -> None:
    if not grants.superuser:
        raise Forbidden
