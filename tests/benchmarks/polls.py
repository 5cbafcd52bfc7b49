"""Polls: the fast way beside a server of static files, and beside the plain way."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.settings import EdgeSettings
from tests.benchmarks.pinning import cpu_seconds
from tests.benchmarks.programs import poll
from tests.benchmarks.rows import Bench, Row, group, interleave
from tests.benchmarks.statics import Static, running_static
from tests.benchmarks.world import asked, head_of, poll_request
from tests.support.processes import BurgeeProcess

CONNECTIONS = 64
CONTEXTS = 1000
SECONDS = 1.0
PLAIN = {"BURGEE_EDGE_HTTP": "plain"}


@dataclass(frozen=True)
class Polled:
    """One run of polls."""

    per_second: float
    cpu_micros: float
    p99_micros: float


@dataclass(frozen=True)
class Target:
    """A server, and the requests that it is asked."""

    port: int
    pid: int
    requests: Path
    status: int
    seconds: float

    def polled(self) -> Polled:
        """Ask for a time; every answer must have the status."""
        before = cpu_seconds(self.pid)
        said = poll(self.port, self.requests, connections=CONNECTIONS, seconds=self.seconds)
        used = cpu_seconds(self.pid) - before
        if set(said["statuses"]) != {str(self.status)}:
            raise RuntimeError(f"polls were answered {said['statuses']}, not {self.status}")
        # The server works a tenth longer than is counted: the client's warming up.
        asked_in_all = said["per_second"] * self.seconds
        return Polled(said["per_second"], used / asked_in_all * 1e6, said["p99"])


def in_turn(bench: Bench, ours: Target, theirs: Target) -> list[tuple[Polled, Polled]]:
    ours.polled()
    theirs.polled()
    return interleave(ours.polled, theirs.polled, pairs=bench.pairs)


def row(name: str, what: str, pairs: list[tuple[Polled, Polled]], static: Static, goal: float) -> Row:
    return Row.of_pairs(
        name,
        what,
        [(ours.per_second, theirs.per_second) for ours, theirs in pairs],
        unit="polls/s",
        baseline_name=static.name,
        baseline_factor=static.factor,
        goal=goal,
        direction="higher",
        note=_costs(pairs),
    )


def _costs(pairs: list[tuple[Polled, Polled]]) -> str:
    ours, theirs = (sorted(pair[side].cpu_micros for pair in pairs) for side in (0, 1))
    half = len(pairs) // 2
    return f"CPU per poll {ours[half]:.2f} µs, of the other one {theirs[half]:.2f} µs"


def target(
    bench: Bench, server: tuple[int, int], name: str, requests: list[bytes], *, status: int = 200
) -> Target:
    """Write the requests to a file for the load client; ``server`` is a port and a process."""
    path = bench.folder / f"requests-{name}"
    path.write_bytes(b"".join(requests))
    return Target(*server, path, status, bench.size(SECONDS, 0.1))


def contexts() -> list[str]:
    """What a thousand users send about themselves."""
    countries = ("turkey", "new_zealand", "brazil", "sri_lanka")
    return [
        f"country={countries[number % len(countries)]},userkey=user-{number:04}" for number in range(CONTEXTS)
    ]


@group("polls")
def polls(bench: Bench) -> Iterator[Row]:
    """Four rows on one Edge."""
    place = bench.world.place
    with bench.world.edge() as edge:
        here = (edge.port, edge.pid)
        client = poll_request(edge.port, place.client_key)
        answer = asked(edge.port, client)
        etag = head_of(answer, "etag")
        again = poll_request(edge.port, place.client_key, etag=etag)
        unchanged = asked(edge.port, again)
        size = len(answer.partition(b"\r\n\r\n")[2])
        with running_static(bench.folder / "static", poll=answer, unchanged=unchanged) as static:
            there = (static.port, static.pid)
            their_poll = poll_request(static.port, place.client_key)
            theirs = target(bench, there, "their-200", [their_poll])
            yield row(
                "poll_200_client_evaluated",
                f"poll of {len(features_of(answer))} features ({size} bytes), client-evaluated, 200",
                in_turn(bench, target(bench, here, "our-200", [client]), theirs),
                static,
                0.9,
            )
            their_again = poll_request(static.port, place.client_key, etag=static.etag)
            yield row(
                "poll_304",
                "the same poll with its ETag, 304",
                in_turn(
                    bench,
                    target(bench, here, "our-304", [again], status=304),
                    target(bench, there, "their-304", [their_again], status=304),
                ),
                static,
                0.8,
            )
            evaluated = [poll_request(edge.port, place.server_key, context=each) for each in contexts()]
            yield row(
                "poll_200_server_evaluated",
                f"the same features, server-evaluated for {CONTEXTS:,} distinct contexts in turn, 200",
                in_turn(bench, target(bench, here, "our-contexts", evaluated), theirs),
                static,
                0.5,
            )
        yield _plain_way(bench, edge, client)


def features_of(answer: bytes) -> list[bytes]:
    """The features in the body of a poll, cut apart."""
    return answer.split(b'"key":')[1:]


def _plain_way(bench: Bench, fast: BurgeeProcess, request: bytes) -> Row:
    name, what = "poll_200_starlette", "the same poll, 200, the plain Starlette way beside the fast way"
    if "edge_http" not in EdgeSettings.model_fields:
        return Row.not_measured(name, what, "there is one way only", unit="polls/s", direction="higher")
    with bench.world.edge(PLAIN) as plain:
        theirs = target(bench, (fast.port, fast.pid), "fast", [request])
        key = bench.world.place.client_key
        ours = target(bench, (plain.port, plain.pid), "plain", [poll_request(plain.port, key)])
        pairs = in_turn(bench, ours, theirs)
    rates = [(ours.per_second, theirs.per_second) for ours, theirs in pairs]
    return Row.of_pairs(
        name,
        what,
        rates,
        unit="polls/s",
        baseline_name="the fast way",
        direction="higher",
        note=_costs(pairs),
    )
