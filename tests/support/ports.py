"""Free ports on the loopback address."""

import random
import socket

BELOW_CLIENTS = range(12_000, 32_000)
"""The kernel gives a connection that goes out a port above these: none is taken between choice and use."""

_given: set[int] = set()


def free_port() -> int:
    """Answer a port that is free, and that was not answered before; a server may bind it a while later."""
    while True:
        port = random.choice(BELOW_CLIENTS)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port


def is_listening(port: int, host: str = "127.0.0.1") -> bool:
    """Answer whether something accepts connections there right now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections only linger is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
