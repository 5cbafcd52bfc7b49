"""Two workers of one Edge beside one."""

from collections.abc import Iterator
from functools import partial

from tests.benchmarks import pinning, polls
from tests.benchmarks.polls import CONNECTIONS
from tests.benchmarks.programs import polling, told
from tests.benchmarks.rows import Bench, Row, group, interleave
from tests.benchmarks.world import poll_request

CORES = 4
"""Two for workers, and two for the load and everything else."""


@group("workers")
def workers(bench: Bench) -> Iterator[Row]:
    """The same polls to an Edge of one process and to one of two."""
    name, what, unit = "two_workers", "poll 200, two workers beside one", "polls/s"
    if len(pinning.PROCESSORS) < CORES:
        why = f"{len(pinning.PROCESSORS)} cores here, {CORES} are needed"
        yield Row.not_measured(
            name, what, why, unit=unit, baseline_name="one worker", goal=1.7, direction="higher"
        )
        return
    cores, key = set(pinning.PROCESSORS[:2]), bench.world.place.client_key
    with bench.world.edge() as one, bench.world.edge({"BURGEE_EDGE_WORKERS": "2"}, cores=cores) as two:
        pairs = interleave(
            lambda: _polls_per_second(bench, two.port, key),
            lambda: _polls_per_second(bench, one.port, key),
            pairs=bench.pairs,
        )
    yield Row.of_pairs(
        name,
        what,
        pairs,
        unit=unit,
        baseline_name="one worker",
        goal=1.7,
        direction="higher",
    )


def _polls_per_second(bench: Bench, port: int, key: str) -> float:
    """What two load clients get together: one would be the bottleneck."""
    requests = bench.folder / f"requests-{port}"
    requests.write_bytes(poll_request(port, key))
    load = partial(polling, port, requests, connections=CONNECTIONS, seconds=bench.size(polls.SECONDS, 0.1))
    with pinning.on_server_cpu(set(pinning.PROCESSORS[2:])), load() as first, load() as second:
        return sum(float(told(each)["per_second"]) for each in (first, second))
