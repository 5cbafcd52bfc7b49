"""The database: there, letting us in, fit for what a process does with it, and of a schema that we know."""

import asyncio
import re
from collections.abc import Iterator
from typing import Final

from burgee.checks.clocks import compare
from burgee.checks.findings import Finding, fail, ok, warn
from mr.db.inspection import (
    CannotConnect,
    PostgresFacts,
    Revision,
    SqliteFacts,
    connections_of,
    inspect_postgresql,
    inspect_sqlite,
)

NETWORKS: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "glusterfs", "fuse.glusterfs"}
    | {"fuse.sshfs", "fuse.s3fs", "fuse.rclone", "ocfs2", "gfs2"}
)
"""SQLite relies on locks and shared memory that these do not, or not surely, have."""
PASSING: Final = frozenset({"tmpfs", "ramfs"})
LITTLE_ROOM_BYTES: Final = 200 * 1024 * 1024
SLOW_SECONDS: Final = 0.02
LAG_SECONDS: Final = 30.0
_PASSWORD: Final = re.compile(r"(?<=:)(?!//).*(?=@)")
_PASSWORD_AMONG_OPTIONS: Final = re.compile(r"(?<=password=)[^&]*")


async def check_database(
    address: str, *, pool_size: int, writes: bool = True, setting: str = "BURGEE_DATABASE_URL"
) -> list[Finding]:
    """Look at the database; ``writes`` False = it is a read replica, or used as one."""
    if address.startswith("sqlite:"):
        return list(_sqlite(await asyncio.to_thread(inspect_sqlite, address)))
    shown = without_password(address)
    try:
        facts = await inspect_postgresql(address)
    except CannotConnect as refused:
        return [fail(f"database: {shown} cannot be reached: {refused}", _way_in(str(refused), setting))]
    except (ValueError, OSError) as error:
        return [fail(f"database: {shown} cannot be used: {error}", f"correct {setting}")]
    return list(_postgresql(shown, facts, pool_size=pool_size, writes=writes))


def without_password(address: str) -> str:
    """An address as it may be shown, also one that is none."""
    return _PASSWORD_AMONG_OPTIONS.sub("…", _PASSWORD.sub("…", address))


def _way_in(told: str, setting: str) -> str:
    """What helps against the words of PostgreSQL, or of the driver."""
    for words, todo in (
        ("password authentication failed", f"correct user and password in {setting}"),
        ("no password supplied", f"give the password in {setting}"),
        ("no pg_hba.conf entry", "let this host, user and database in by pg_hba.conf on the server"),
        ("does not exist", f"create it on the server (createdb, createuser), or correct {setting}"),
        ("too many", "raise max_connections on the server, or lower BURGEE_DATABASE_POOL_SIZE"),
        ("remaining connection slots", "raise max_connections, or lower BURGEE_DATABASE_POOL_SIZE"),
        ("starting up", "wait: PostgreSQL is starting or recovering"),
        ("SSL", f"set sslmode in {setting} as the server wants it"),
    ):
        if words in told:
            return todo
    return f"is PostgreSQL running, are host and port in {setting} right, is a firewall in between?"


def _postgresql(shown: str, facts: PostgresFacts, *, pool_size: int, writes: bool) -> Iterator[Finding]:
    answers = f"database: {shown} answers: PostgreSQL {facts.version}, {facts.round_trip * 1000:.1f} ms away"
    if facts.round_trip > SLOW_SECONDS:
        yield warn(answers, "each change takes several round trips: run MR near its database")
    else:
        yield ok(answers)
    if facts.encoding != "UTF8":
        yield fail(f"database: its encoding is {facts.encoding}", "create it with ENCODING 'UTF8'")
    yield from _rights(facts, writes=writes)
    yield from _schema(facts.revision, may_migrate=facts.may_create and facts.owns_tables, writes=writes)
    yield from _connections(facts, pool_size=pool_size, writes=writes)
    if writes and not facts.durable:
        yield warn(
            "database: fsync or synchronous_commit is off",
            "turn both on: a crash of the server would take back changes that people saw succeed",
        )
    yield compare("the database's", facts.clock_ahead)


def _rights(facts: PostgresFacts, *, writes: bool) -> Iterator[Finding]:
    if facts.schema is None:
        yield fail(
            f"database: {facts.user} sees no schema",
            f"GRANT USAGE, CREATE ON SCHEMA public TO {facts.user}",
        )
        return
    if writes and (facts.standby or facts.read_only):
        why = "a standby" if facts.standby else "read-only by default"
        yield fail(
            f"database: the server is {why}, nothing can be written",
            "name the primary (for an Edge-REST on a replica: BURGEE_DATABASE_READ_ONLY=true)",
        )
    if facts.missing_rights:
        first, more = facts.missing_rights[0], len(facts.missing_rights) - 1
        others = f" and {more} more" if more else ""
        wanted = "SELECT, INSERT, UPDATE, DELETE" if writes else "SELECT"
        yield fail(
            f"database: {facts.user} has no right to {first}{others}",
            f"GRANT {wanted} ON ALL TABLES IN SCHEMA {facts.schema} TO {facts.user}, or make it their owner",
        )
    else:
        yield ok(f"database: {facts.user} may do what it needs to")
    if facts.lag is not None and facts.lag > LAG_SECONDS:
        yield warn(
            f"database: the replica's last change is {facts.lag:.0f} s old",
            "nothing to do if nothing was changed since; else look at pg_stat_replication",
        )


def _schema(revision: Revision, *, may_migrate: bool, writes: bool) -> Iterator[Finding]:
    told = f"schema: {revision.found or 'none yet'}, this release's is {revision.ours}"
    if revision.refuses_us:
        yield fail(
            f"{told}; releases before {revision.floor} cannot work on it",
            "start a newer release, or restore a backup of before the upgrade",
        )
    elif revision.is_newer:
        yield warn(told, "a newer release was here: right while upgrading or going back, else start that one")
    elif not revision.is_older:
        yield ok(told)
    elif not writes:
        yield fail(told, "bring the primary to it first: burgee migrate")
    elif may_migrate:
        yield warn(told, "burgee migrate brings it there, or the next start")
    else:
        yield fail(
            told,
            "run burgee migrate as the tables' owner: this user may not change tables",
        )


def _connections(facts: PostgresFacts, *, pool_size: int, writes: bool) -> Iterator[Finding]:
    needed = connections_of(pool_size) if writes else pool_size
    free = max(0, facts.max_connections - facts.used_connections)
    told = (
        f"connections: a process opens up to {needed}, {free} of {facts.max_connections} are free"
        " (what runs already has its own)"
    )
    if needed > facts.max_connections:
        yield fail(told, "raise max_connections, or lower BURGEE_DATABASE_POOL_SIZE")
    elif needed > free:
        yield warn(
            told, "raise max_connections, or lower BURGEE_DATABASE_POOL_SIZE, before one more is started"
        )
    else:
        yield ok(told)


def _sqlite(facts: SqliteFacts) -> Iterator[Finding]:
    where = f"database: {facts.path}"
    if facts.fault is not None:
        yield fail(f"{where} cannot be read: {facts.fault}", "restore a backup: burgee restore --force")
    elif not facts.writable:
        yield fail(
            f"{where} cannot be written", "give this user the file and its folder (chown), or mount it rw"
        )
    elif facts.in_use:
        yield ok(f"{where} is in use by a running process")
    elif facts.exists:
        yield ok(f"{where} can be used")
    else:
        yield ok(f"{where} does not exist yet; it is made at the first start")
    if facts.revision is not None:
        yield from _schema(facts.revision, may_migrate=True, writes=True)
    yield from _file_system(facts)


def _file_system(facts: SqliteFacts) -> Iterator[Finding]:
    kind, folder = facts.file_system, facts.path.parent
    free = f"{facts.free_bytes / 1024**2:,.0f} MB free"
    if kind in NETWORKS:
        yield fail(
            f"disk: {folder} is on {kind}, where SQLite's locks do not hold",
            "use a local disk, or PostgreSQL (BURGEE_DATABASE_URL)",
        )
    elif kind in PASSING:
        yield warn(f"disk: {folder} is on {kind}", "everything is gone with the machine's power: use a disk")
    elif kind == "overlay":
        yield warn(f"disk: {folder} is inside the container", "it is gone with it: mount a volume there")
    elif facts.free_bytes < LITTLE_ROOM_BYTES:
        yield warn(f"disk: {folder} has {free}", "make room: a full disk refuses every change (503)")
    else:
        yield ok(f"disk: {folder} is on {kind or 'a file system'}, {free}")
