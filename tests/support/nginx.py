"""A real nginx before whatever the test names: as it is shipped, or showing a server below a path."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.support.ports import free_port, is_listening
from tests.support.waiting import eventually_sync

SHIPPED: Final = Path(__file__).parents[2] / "compose" / "proxy" / "nginx.conf"
NGINX: Final = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
NEEDS_NGINX: Final = pytest.mark.skipif(NGINX is None, reason="nginx is not here")
LOOPBACK: Final = "127.0.0.1"
_SCRATCH: Final = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@contextmanager
def running_nginx(folder: Path, *, edges: Sequence[int], mrs: Sequence[int] = ()) -> Iterator[str]:
    """Its address. Names that only a container's resolver knows become these ports; nothing else differs."""
    port = free_port()
    shipped = SHIPPED.read_text().replace("listen 8080", f"listen {LOOPBACK}:{port}")
    upstreams = ""
    for name, number, ports in (("edge", 8553, edges), ("rest", 8553, edges), ("mr", 8085, mrs or edges)):
        shipped = shipped.replace(f"${name}:{number}", f"{name}s")
        # As with a name that is resolved for each request: what failed a moment ago is tried again.
        servers = "".join(f"server {LOOPBACK}:{each} max_fails=0;" for each in ports)
        upstreams += f"upstream {name}s {{ {servers} }}"
    with _running(folder, port, f"{upstreams} {shipped}"):
        yield f"http://{LOOPBACK}:{port}"


@contextmanager
def running_below(folder: Path, path: str, port: int, *, upstream: int) -> Iterator[None]:
    """A proxy at `port` that shows a server below this path alone, and takes the path off."""
    server = f"""server {{
        listen {LOOPBACK}:{port};
        location = {path} {{ return 301 {path}/; }}
        location {path}/ {{
            proxy_pass http://{LOOPBACK}:{upstream}/;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}"""
    with _running(folder, port, server):
        yield


@contextmanager
def _running(folder: Path, port: int, http: str) -> Iterator[None]:
    """An nginx of these servers, until it is not needed any more."""
    scratch = "".join(f"{each}_temp_path {folder}/{each};" for each in _SCRATCH)
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors; events {{}}"
        f" http {{ access_log off; {scratch} {http} }}"
    )
    nginx = subprocess.Popen([str(NGINX), "-c", str(config), "-p", str(folder)])
    try:
        eventually_sync(
            lambda: nginx.poll() is not None or is_listening(port),
            within_seconds=30,
            what="nginx to listen",
        )
        assert nginx.poll() is None, (folder / "errors").read_text()
        yield
    finally:
        nginx.terminate()
        nginx.wait(60)
