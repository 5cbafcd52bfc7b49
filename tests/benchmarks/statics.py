"""Somebody who serves the bytes of a poll from a file: nginx where it is installed, else the C server.

Measurements elsewhere say that the C server answers 1.2 times as often as nginx does; where it stands in
for nginx its rate is divided by that, and rows say so.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.pinning import on_server_cpu
from tests.benchmarks.programs import running_floor
from tests.benchmarks.world import asked, head_of, poll_request
from tests.support.ports import free_port, is_listening
from tests.support.waiting import eventually_sync

C_SERVER_FACTOR = 1 / 1.2
_NGINX_FOLDERS = "/usr/sbin:/usr/local/sbin"
_PAD = "x-pad: "


@dataclass(frozen=True)
class Static:
    """A server of one file, and how its rate becomes nginx's."""

    name: str
    port: int
    pid: int
    etag: str
    factor: float = 1.0


@contextmanager
def running_static(folder: Path, *, poll: bytes, unchanged: bytes) -> Iterator[Static]:
    """Serve the body of ``poll`` with a head about as long, and 304 to whoever has it."""
    folder.mkdir(mode=0o755, exist_ok=True)
    program = shutil.which("nginx") or shutil.which("nginx", path=_NGINX_FOLDERS)
    if program is None:
        with running_floor(folder, poll=poll, unchanged=unchanged, stream=b"") as (floor, port):
            name = "the C server / 1.2 (no nginx here: apt-get install nginx-light)"
            yield Static(name, port, floor.pid, '"any"', C_SERVER_FACTOR)
        return
    with _running_nginx(program, folder, poll) as static:
        yield static


@contextmanager
def _running_nginx(program: str, folder: Path, poll: bytes) -> Iterator[Static]:
    head, _, body = poll.partition(b"\r\n\r\n")
    files = folder / "files"
    files.mkdir(exist_ok=True)
    # The request's path names a file; what is asked for stands in the query.
    (files / "features").write_bytes(body)
    port = free_port()
    with _nginx_with(program, folder, port, pad=0):
        bare, _, _ = asked(port, poll_request(port, "any")).partition(b"\r\n\r\n")
    port = free_port()
    with _nginx_with(program, folder, port, pad=len(head) - len(bare)) as pid:
        answer = asked(port, poll_request(port, "any"))
        if answer.partition(b"\r\n\r\n")[2] != body:
            raise RuntimeError(f"nginx serves something else: {answer[:300]!r}")
        yield Static("nginx", port, pid, head_of(answer, "etag"))


@contextmanager
def _nginx_with(program: str, folder: Path, port: int, *, pad: int) -> Iterator[int]:
    """Run it with so many more bytes of headers; yield its worker."""
    padding = f'add_header x-pad "{"x" * (pad - len(_PAD) - 2)}";' if pad > len(_PAD) + 2 else ""
    config = folder / f"nginx-{port}.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(
        f"""{user}
worker_processes 1;
daemon off;
pid {folder}/nginx-{port}.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    open_file_cache max=100 inactive=1h;
    open_file_cache_valid 1h;
    default_type application/json;
    client_body_temp_path {folder}/temp1;
    proxy_temp_path {folder}/temp2;
    fastcgi_temp_path {folder}/temp3;
    uwsgi_temp_path {folder}/temp4;
    scgi_temp_path {folder}/temp5;
    server {{ listen 127.0.0.1:{port}; root {folder}/files; {padding} }}
}}
"""
    )
    with on_server_cpu():
        process = subprocess.Popen(
            [program, "-p", folder, "-c", config], stderr=subprocess.DEVNULL, process_group=0
        )
    try:
        eventually_sync(lambda: is_listening(port), within_seconds=10, what="nginx to listen")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield int(children[0])
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
        process.kill()
        process.wait()
