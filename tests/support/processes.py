"""A Burgee process on this machine: started, frozen, crashed and ended as an operator or a fault does.

It keeps its port and its settings over restarts, and its log is a file in its folder. Knows the command
line, the health probe and the metrics of a process, nothing else of the product.
"""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

from tests.support.ledger import ledger
from tests.support.ports import free_port
from tests.support.waiting import eventually_sync

START_SECONDS = 120.0
STOP_SECONDS = 60.0
ANSWER_SECONDS = 30.0
FREEZE_SECONDS = 30.0
LOOPBACK = "127.0.0.1"


class BurgeeProcess:
    """`python -m burgee <kind>`; `kind` may be any sub-command that serves."""

    def __init__(
        self,
        kind: str,
        folder: Path,
        settings: Mapping[str, str],
        *,
        name: str = "",
        port: int = 0,
        tree: Path | None = None,
    ) -> None:
        """`tree` is where the product's code is taken from, by default from this clone."""
        self.kind = kind
        self.name = name or kind
        self.folder = folder
        self.port = port or free_port()
        self.settings = dict(settings)
        self.tree = tree
        self._process: subprocess.Popen[bytes] | None = None
        self._paused = False

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def log_path(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def running(self) -> bool:
        """True from `launch` on until it has ended, whoever ended it."""
        return self._process is not None and self._process.poll() is None

    @property
    def paused(self) -> bool:
        return self._paused

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError(f"{self.name} is not running")
        return self._process.pid

    def start(self) -> None:
        """Start and wait until it is ready."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> Self:
        """Start and do not wait."""
        if self.running:
            raise RuntimeError(f"{self.name} is running already")
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "burgee", self.kind],
                cwd=self.tree,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C ends whoever started this, who then ends it in order.
                process_group=0,
            )
        return self

    def wait_until_ready(self, within_seconds: float = START_SECONDS) -> None:
        eventually_sync(self.is_ready, within_seconds=within_seconds, what=f"{self.name} to be ready")

    def command(self, *words: str) -> str:
        """Run another `burgee` command with this process's settings to its end; answer what it said."""
        ended = subprocess.run(
            [sys.executable, "-m", "burgee", *words],
            cwd=self.tree,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        said = f"{ended.stdout}{ended.stderr}"
        assert ended.returncode == 0, f"burgee {words[0]} ended with {ended.returncode}:\n{said}"
        return said

    def ask_to_stop(self) -> None:
        """Tell it to end, as `stop` does, and do not wait."""
        if self._process is not None and self.running:
            self._signal(self._process, signal.SIGTERM)

    def stop(self) -> int:
        """End it as an operator does; answer its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Crash it."""
        ledger().fault()
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing is answered."""
        ledger().fault()
        freeze(self.pid)
        self._paused = True

    def resume(self) -> None:
        """Let it go on as if no time had passed."""
        os.kill(self.pid, signal.SIGCONT)
        self._paused = False

    def is_ready(self) -> bool:
        """Answer what its readiness probe says; raise when it has ended."""
        if not self.running:
            raise RuntimeError(f"{self.name} ended:\n{self.tail()}")
        try:
            with urllib.request.urlopen(f"{self.url}/health/readiness", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def metrics(self) -> "Metrics":
        """Ask for all of its metrics as they are now."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=ANSWER_SECONDS) as answer:
            return Metrics(answer.read().decode())

    def metric(self, name: str, **labels: str) -> float:
        """Ask for one metric: the sum of the samples with these labels, 0 when there is none."""
        return self.metrics().sum(name, **labels)

    def resident_bytes(self) -> int:
        """Answer how much memory it has."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def tail(self, characters: int = 4000) -> str:
        """Answer the end of its log."""
        if not self.log_path.exists():
            return ""
        return self.log_path.read_text(errors="replace")[-characters:]

    def _environment(self) -> dict[str, str]:
        inherited = {name: text for name, text in os.environ.items() if not name.startswith("BURGEE_")}
        ours = {"BURGEE_HOST": LOOPBACK, "BURGEE_PORT": str(self.port)}
        if self.tree is not None:
            ours |= {"PYTHONPATH": str(self.tree), "PYTHONDONTWRITEBYTECODE": "1"}
        return inherited | ours | self.settings

    def _end(self, sign: signal.Signals) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        self._signal(process, sign)
        try:
            return process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{self.name} did not end:\n{self.tail()}") from None

    def _signal(self, process: subprocess.Popen[bytes], sign: signal.Signals) -> None:
        process.send_signal(sign)
        if self._paused:
            process.send_signal(signal.SIGCONT)
            self._paused = False


def freeze(pid: int) -> None:
    """Stop a process in all of its threads: the signal comes a moment before they stand still."""
    os.kill(pid, signal.SIGSTOP)
    if Path("/proc/self/task").exists():
        eventually_sync(
            lambda: stands_still(pid), within_seconds=FREEZE_SECONDS, what=f"process {pid} to stand still"
        )


def stands_still(pid: int) -> bool:
    """Answer whether every thread is stopped; who has ended does not move either."""
    return all(state in {"T", "Z", "X"} for state in _states(pid))


def _states(pid: int) -> Iterator[str]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            # The name of the program is in brackets, and may hold anything.
            yield (task / "stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue


class Metrics:
    """One answer of a metrics page."""

    def __init__(self, text: str) -> None:
        self._samples = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    def sum(self, name: str, **labels: str) -> float:
        """Add up the samples of that name whose labels include these."""
        return sum(
            sample.value
            for sample in self._samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )
