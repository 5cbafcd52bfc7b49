"""Free ports on the loopback address, each given to one asker of this machine alone.

Between choice and use a port is held by a lock on the byte of its number in a file that all test processes
share: neighbours that run tests at the same time get others. The kernel frees the locks of a process that
ends, however it does.
"""

import fcntl
import os
import random
import socket
import tempfile
from functools import cache
from pathlib import Path

FROM, UPTO = 12_000, 32_000
LEAST = 2_000
_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")

_given: set[int] = set()
# Not the module's generator, which tests seed and Hypothesis sets: two processes would choose alike.
_chance = random.SystemRandom()


def free_port() -> int:
    """Answer a port that is free, and that nobody else was answered; a server may bind it a while later."""
    while True:
        port = _chance.choice(_below_clients())
        if port not in _given and _is_free(port) and _lock(port):
            _given.add(port)
            return port


def is_listening(port: int, host: str = "127.0.0.1") -> bool:
    """Answer whether something accepts connections there right now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


@cache
def _below_clients() -> range:
    """Below what the kernel gives connections that go out: none is taken between choice and use."""
    try:
        lowest = int(_OUTGOING.read_text().split()[0])
    except OSError:
        return range(FROM, UPTO)
    # Where that begins so low that too few are left, chance has to do.
    return range(FROM, min(UPTO, lowest)) if lowest >= FROM + LEAST else range(FROM, UPTO)


@cache
def _locks() -> int:
    path = Path(tempfile.gettempdir()) / f"burgee-test-ports-{os.geteuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _lock(port: int) -> bool:
    """Take the port's lock for the rest of this process; False = somebody else has it."""
    try:
        fcntl.lockf(_locks(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections only linger is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
