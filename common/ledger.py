"""What is written down of every request, whichever way it is answered: an id, a line, and numbers.

Numbers are plain counters of one event loop's thread, read when somebody asks for metrics: counting costs
an addition. Knows route templates, never paths or queries: those may carry API keys.
"""

import itertools
import logging
import re
import secrets
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

log = structlog.stdlib.get_logger(__name__)
_lines = logging.getLogger(__name__)

_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
# Asked every few seconds by machines.
_PROBED: Final = frozenset(
    {"/health/liveness", "/health/readiness", "/health/readyness", "/metrics", "/internal/state"}
)
# Asked thousands of times a second: a line for each would cost more than the answer, and drown the others.
_FREQUENT: Final = frozenset({"/features", "/features/", "/features/{key:path}"})
_WELL: Final = frozenset({200, 304})

BUCKETS: Final = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, float("inf"),
)  # fmt: skip
PROMPT_SECONDS: Final = BUCKETS[0]


class RequestIds:
    """Ids of requests: those that came with a sane one keep it, the others get one of their own.

    Unique, not secret: a random start per process, then counted.
    """

    def __init__(self) -> None:
        self._start = secrets.token_hex(8)
        self._next = itertools.count(secrets.randbits(40)).__next__

    def new(self) -> str:
        """Return an id that no other request has."""
        return f"{self._start}{self._next():012x}0000"

    def series(self) -> bytes:
        """Return the first 28 of 32 digits of ids of which the last four are the caller's to count."""
        return f"{self._start}{self._next():012x}".encode()

    def of(self, given: str) -> str:
        """Return what the caller sent if it can be shown to anybody, else a new id."""
        return given if _SANE_REQUEST_ID.fullmatch(given) else self.new()


class Page:
    """Answers of one route with one status, and how long they took to begin."""

    __slots__ = ("_late", "count", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self._late = [0] * len(BUCKETS)

    def tell(self, seconds: float) -> None:
        """Count one answer that took so long to begin."""
        self.count += 1
        self.seconds += seconds
        if seconds > PROMPT_SECONDS:
            self.late(seconds)

    def late(self, seconds: float) -> None:
        """Note that an answer, counted elsewhere, took longer than `PROMPT_SECONDS`."""
        self._late[bisect_left(BUCKETS, seconds)] += 1

    @property
    def buckets(self) -> list[int]:
        """How many answers fell into each bucket."""
        return [self.count - sum(self._late), *self._late[1:]]


class RequestMetrics(Collector):
    """Requests by route template: how many and how long until the answer began."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._pages: dict[tuple[str, str, str, str], Page] = {}
        registry.register(self)

    def page(self, listener: str, method: str, route: str, status: int) -> Page:
        """Return what counts these answers; it stays the same."""
        name = (listener, method, route, str(status))
        page = self._pages.get(name)
        if page is None:
            page = self._pages[name] = Page()
        return page

    def describe(self) -> Iterator[Metric]:
        """Name what is collected, so that nobody else registers it."""
        yield self._answered()
        yield self._first_byte()

    def collect(self) -> Iterator[Metric]:
        answered = self._answered()
        for where, page in self._pages.items():
            answered.add_metric(where, page.count)
        yield answered
        first_byte = self._first_byte()
        for route, pages in self._routes().items():
            counts = itertools.accumulate(map(sum, zip(*(page.buckets for page in pages), strict=True)))
            names = ("+Inf" if bound == float("inf") else str(bound) for bound in BUCKETS)
            seconds = sum(page.seconds for page in pages)
            first_byte.add_metric(route, list(zip(names, counts, strict=True)), seconds)
        yield first_byte

    def _routes(self) -> dict[tuple[str, str, str], list[Page]]:
        routes: dict[tuple[str, str, str], list[Page]] = {}
        for (listener, method, route, _), page in self._pages.items():
            routes.setdefault((listener, method, route), []).append(page)
        return routes

    @staticmethod
    def _answered() -> CounterMetricFamily:
        return CounterMetricFamily(
            "burgee_http_requests",
            "Requests answered, by route template and status.",
            labels=("listener", "method", "route", "status"),
        )

    @staticmethod
    def _first_byte() -> HistogramMetricFamily:
        return HistogramMetricFamily(
            "burgee_http_first_byte_seconds",
            "Time until the answer began, by route template.",
            labels=("listener", "method", "route"),
        )


class Ledger:
    """One listener's requests: their ids, the access log, and the numbers; ``metrics`` None = no numbers."""

    def __init__(self, *, listener: str = "main", metrics: RequestMetrics | None = None) -> None:
        self.ids = RequestIds()
        self._listener = listener
        self._metrics = metrics

    def page(self, method: str, route: str, status: int) -> Page:
        """Return what counts these answers, for whoever writes the line (`line`) by itself."""
        if self._metrics is None:
            return Page()
        return self._metrics.page(self._listener, method, route, status)

    @staticmethod
    def wants_all() -> bool:
        """True when even polls that went well, and opened streams, get their line."""
        return _lines.isEnabledFor(logging.DEBUG)

    def tell(
        self, method: str, route: str, status: int, seconds: float, *, request_id: str | None = None
    ) -> None:
        """Count an answer and write its line. ``request_id`` where the log's context does not have it."""
        if self._metrics is not None:
            self._metrics.page(self._listener, method, route, status).tell(seconds)
        self.line(method, route, status, seconds, request_id=request_id)

    @staticmethod
    def line(method: str, route: str, status: int, seconds: float, *, request_id: str | None = None) -> None:
        """Write the line alone."""
        quiet = route in _PROBED or (route in _FREQUENT and status in _WELL and method == "GET")
        named = {} if request_id is None else {"request_id": request_id}
        (log.debug if quiet else log.info)(
            "request",
            method=method,
            route=route,
            status=status,
            milliseconds=round(seconds * 1000, 1),
            **named,
        )
