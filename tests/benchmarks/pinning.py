"""Which processor does what: what is measured has one alone, everything else shares the others."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

PROCESSORS = sorted(os.sched_getaffinity(0))
ALONE = len(PROCESSORS) > 1
"""Whether what is measured can have a processor of its own."""
SERVERS = {PROCESSORS[0]}
OTHERS = set(PROCESSORS[1:]) or SERVERS
SERVER, WATCHER, POLLER = 5, 8, 10
"""Real-time priorities: who notes moments goes before who makes work, polls before streams."""
_AHEAD = -20
_SESSION = Path("/proc/self/autogroup")
_is_ahead: ContextVar[bool] = ContextVar("is_ahead", default=False)


@contextmanager
def standing_aside(*, ahead: bool) -> Iterator[None]:
    """Leave the processor of what is measured; whatever is started in the block stays away as well.

    ``ahead``: it also goes before what else happens on this machine, where that is allowed; both sides of
    a comparison alike. Only for whoever wants figures: neighbours stand still meanwhile.
    """
    os.sched_setaffinity(0, OTHERS)
    _is_ahead.set(ahead)
    if not ahead:
        yield
        return
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _AHEAD)
    with _session_ahead():
        yield


@contextmanager
def _session_ahead() -> Iterator[None]:
    """Between sessions Linux does not look at the priority of processes, but at that of each session."""
    before = _SESSION.read_text().split()[-1] if _SESSION.exists() else ""
    try:
        if before:
            _SESSION.write_text(str(_AHEAD))
    except OSError:
        before = ""
    try:
        yield
    finally:
        if before:
            _SESSION.write_text(before)


@contextmanager
def on_server_cpu(processors: set[int] | None = None) -> Iterator[None]:
    """What is started in this block runs where servers are measured, before whatever else is there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors or SERVERS)
    put_first(0, SERVER)
    try:
        yield
    finally:
        with suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.sched_setaffinity(0, before)


def put_first(pid: int, turn: int) -> None:
    """Let a process run whenever it can, where that is allowed.

    What a client notes as a moment may not be the end of its waiting for a turn, nor may a server be
    measured while a neighbour has its processor. The kernel keeps a twentieth for all others.
    """
    if not _is_ahead.get():
        return
    with suppress(PermissionError):
        os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(turn))


def cpu_seconds(pid: int) -> float:
    """How long the process's threads have run so far, to the nanosecond."""
    ran = 0
    for thread in _threads(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            ran += int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0])
    return ran / 1e9


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def most_resident_bytes(pid: int) -> int:
    """The most memory that it had at any time."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"the kernel does not tell the memory of {pid}")


def tcp_bytes() -> int:
    """How much memory the kernel holds for all sockets."""
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        if line.startswith("TCP:"):
            words = line.split()
            return int(words[words.index("mem") + 1]) * os.sysconf("SC_PAGE_SIZE")
    raise RuntimeError("the kernel does not tell the memory of sockets")


def unsent_bytes(port: int) -> int:
    """How much waits in the kernel to be sent by a server's connections."""
    local = f":{port:04X}"
    waiting = 0
    with Path("/proc/net/tcp").open() as connections:
        for line in connections:
            words = line.split()
            if words[1].endswith(local):
                waiting += int(words[4].partition(":")[0], 16)
    return waiting


def _threads(pid: int) -> Sequence[int]:
    with suppress(FileNotFoundError):
        return [int(each.name) for each in Path(f"/proc/{pid}/task").iterdir()]
    return []
