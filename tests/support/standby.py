"""A real PostgreSQL standby that follows another test server by streaming replication."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually_sync


class Standby(PostgresServer):
    """A read-only copy of every database of the other server; it can be held in the past."""

    def __init__(self, home: Path, primary: PostgresServer, *, version: int = 18) -> None:
        super().__init__(home, version=version)
        self._primary = primary

    def initialise(self) -> None:
        subprocess.run(
            [
                self._binaries / "pg_basebackup",
                *("-h", "127.0.0.1", "-p", str(self._primary.port), "-U", "postgres"),
                *("-D", self.home / "data", "-R", "-X", "stream", "-c", "fast", "--no-sync"),
            ],
            check=True,
            cwd=self.home,
            stdout=subprocess.DEVNULL,
            **self._as_user,
        )

    def hold(self) -> None:
        """From when this returns on, nothing new is seen here."""
        self.execute("SELECT pg_wal_replay_pause()")
        eventually_sync(
            lambda: self.execute("SELECT pg_get_wal_replay_pause_state()") == [("paused",)],
            within_seconds=60,
            what="the standby to hold",
        )

    def let_go(self) -> None:
        """Follow again; does not wait."""
        self.execute("SELECT pg_wal_replay_resume()")

    def catch_up(self) -> None:
        """Wait until all is here that the primary has now."""
        ((lsn,),) = self._primary.execute("SELECT pg_current_wal_lsn()::text")
        eventually_sync(
            lambda: self.execute(f"SELECT pg_last_wal_replay_lsn() >= '{lsn}'::pg_lsn") == [(True,)],
            within_seconds=60,
            what="the standby to catch up",
        )


@contextmanager
def running_standby(primary: PostgresServer, *, version: int = 18) -> Iterator[Standby]:
    """Yield a standby on a free port; its folder is gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="burgee-pg-"))
    standby = Standby(home, primary, version=version)
    try:
        standby.initialise()
        standby.start()
        yield standby
    finally:
        standby.stop()
        shutil.rmtree(home, ignore_errors=True)
