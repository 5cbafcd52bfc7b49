"""Fresh migrated databases of both kinds, cloned from templates that are migrated once per run."""

import asyncio
import shutil
from itertools import count
from pathlib import Path

from mr.db.migrate import upgrade
from tests.support.postgres import PostgresServer

KINDS = ("sqlite", "postgresql")


class MigratedTemplates:
    """Migrate one SQLite file and one PostgreSQL database on first use; hand out copies.

    Copies rather than rolled-back transactions, because a rollback hides commits, NOTIFY and locks.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = count(1)
        self._sqlite: Path | None = None
        self._postgres: dict[int, str] = {}

    def sqlite(self) -> str:
        """Answer the URL of a fresh migrated SQLite file."""
        if self._sqlite is None:
            template = self._folder / "template.db"
            asyncio.run(upgrade(f"sqlite:///{template}"))
            self._sqlite = template
        folder = self._folder / f"database-{next(self._names)}"
        folder.mkdir()
        for part in self._folder.glob("template.db*"):
            shutil.copy(part, folder / part.name.replace("template", "burgee"))
        return f"sqlite:///{folder / 'burgee.db'}"

    def postgresql(self, server: PostgresServer) -> str:
        """Answer the name of a fresh migrated database on that server."""
        template = self._postgres.get(server.port)
        if template is None:
            template = server.create_database()
            asyncio.run(upgrade(server.url(template)))
            self._postgres[server.port] = template
        return server.create_database(template=template)
