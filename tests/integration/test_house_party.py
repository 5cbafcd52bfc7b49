"""`burgee party` as a person at a terminal meets it: start, stop, start again, and what can go wrong."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.ports import free_port, is_listening
from tests.support.waiting import eventually_sync

ROOT = Path(__file__).parents[2]
FEW_SECONDS = 10.0
"""It takes one or two, where nothing else is done; a machine of half that speed is no fault of ours."""


class Terminal:
    """One `burgee` process with a data folder and a port."""

    def __init__(self, data: Path, port: int, *arguments: str) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BURGEE_")}
        self.port = port
        self.log = data.with_suffix(".log")
        self.started = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "burgee", *arguments],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                env=inherited | {"BURGEE_PORT": str(port), "BURGEE_DATA_DIR": str(data)},
            )

    def wait_until_listening(self) -> float:
        eventually_sync(
            lambda: self.process.poll() is not None or is_listening(self.port), within_seconds=120
        )
        assert self.process.poll() is None, self.log.read_text()
        return time.monotonic() - self.started

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def terminal(data: Path, port: int, *arguments: str) -> Iterator[Terminal]:
    opened = Terminal(data, port, *arguments)
    try:
        yield opened
    finally:
        opened.process.kill()
        opened.process.wait()


def get(url: str) -> tuple[int, bytes]:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.status, answer.read()


def health(port: int) -> int:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BURGEE_")}
    return subprocess.run(
        [sys.executable, "-m", "burgee", "health"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        env=inherited | {"BURGEE_PORT": str(port)},
    ).returncode


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_in_order_and_starts_again_on_the_same_data(tmp_path, number):
    data, port = tmp_path / "data", free_port()
    for _ in range(2):
        with terminal(data, port, "party") as party:
            party.wait_until_listening()
            eventually_sync(lambda: health(port) == 0, within_seconds=60)
            assert party.end(number) == 0, party.log.read_text()
        assert health(port) == 1
    assert (data / "burgee.db").exists()


def test_a_later_start_takes_a_few_seconds(tmp_path):
    """The quickest of several: other tests share the machine, and they are not what is promised about."""
    data, port = tmp_path / "data", free_port()
    seconds = []
    while len(seconds) < 2 or (min(seconds[1:]) >= FEW_SECONDS and len(seconds) < 6):
        with terminal(data, port, "party") as party:
            seconds.append(party.wait_until_listening())
            party.end(signal.SIGINT)
    assert min(seconds[1:]) < FEW_SECONDS


def test_a_second_party_on_the_same_data_is_refused_in_words(tmp_path):
    data, port = tmp_path / "data", free_port()
    with terminal(data, port, "party") as party:
        party.wait_until_listening()
        with terminal(data, free_port(), "party") as second:
            assert second.process.wait(120) == 1
        assert party.end(signal.SIGTERM) == 0
    # Both write to the same file here; the first one has nothing to say about this.
    assert "is in use by another Burgee process" in party.log.read_text()


def test_a_taken_port_is_named_in_one_line(tmp_path):
    port = free_port()
    with terminal(tmp_path / "one", port, "party") as party:
        party.wait_until_listening()
        with terminal(tmp_path / "two", port, "party") as second:
            assert second.process.wait(120) == 1
        last = second.log.read_text().splitlines()[-1]
        assert last == f"cannot listen on 127.0.0.1:{port}: Address already in use"


def test_health_metrics_and_version_are_on_the_main_port(tmp_path):
    port = free_port()
    with terminal(tmp_path / "data", port, "party") as party:
        party.wait_until_listening()
        assert get(f"http://127.0.0.1:{port}/health/liveness")[0] == 200
        assert b"party-server" in get(f"http://127.0.0.1:{port}/info/version")[1]
        assert b"burgee_http_requests_total" in get(f"http://127.0.0.1:{port}/metrics")[1]
