"""Logs and metrics: how they are set up, and what may never be in them.

Logs are structlog's, one JSON object per line (or coloured for people); the standard library's loggers
are routed through the same processors. Secrets and SDK keys are masked last of all, whoever logged them.
Metrics live in a registry that is passed around, never in the library's global one. Knows no HTTP.
"""

import asyncio
import logging
import re
import sys
import time
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog
from prometheus_client import CollectorRegistry, Gauge, GCCollector, PlatformCollector, ProcessCollector

from common.tracing import name_trace

MASK = "***"

_SECRET_NAMES = re.compile(
    r"password|passphrase|secret|token|authorization|cookie|api_?-?key|sdk_?-?key|service_?key"
    r"|event_?key|credential|x-featurehub",
    re.IGNORECASE,
)
# An SDK key is an environment's id, a slash (perhaps percent-encoded) and a long random word.
_SDK_KEY = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?:/|%2F)[A-Za-z0-9*%_~.-]{16,}",
    re.IGNORECASE,
)
_ADDRESS_PASSWORD = re.compile(r"(?<=://)[^/@\s:]*:[^/@\s]*(?=@)")


def process_registry() -> CollectorRegistry:
    """Answer a registry with what every process reports about itself."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class LoopLag:
    """By how much the event loop wakes late."""

    def __init__(self, registry: CollectorRegistry, *, every_seconds: float = 0.5) -> None:
        self._every_seconds = every_seconds
        self._lag = Gauge(
            "burgee_event_loop_lag_seconds", "How late the event loop woke up last.", registry=registry
        )

    async def watch(self) -> None:
        """Report it, until cancelled."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(self._every_seconds)
            self._lag.set(max(0.0, time.monotonic() - before - self._every_seconds))


def set_up_logs(*, level: str = "info", form: str = "json", stream: TextIO | None = None) -> None:
    """Configure structlog and the standard library's loggers; the last call wins."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        name_trace,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()], processors=_last_steps(form)
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    _calm_libraries()


def scrub(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Mask what is secret by its name or by its look, at any depth."""
    return {name: _scrubbed(name, value) for name, value in event.items()}


def scrub_text(text: str) -> str:
    """Mask SDK keys and passwords in addresses."""
    return _ADDRESS_PASSWORD.sub(MASK, _SDK_KEY.sub(MASK, text))


def _scrubbed(name: str, value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if _SECRET_NAMES.search(name):
        return MASK
    if isinstance(value, str):
        return scrub_text(value)
    if isinstance(value, Mapping):
        return {str(key): _scrubbed(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_scrubbed("", inner) for inner in value]
    return scrub_text(str(value))


def _last_steps(form: str) -> list[structlog.typing.Processor]:
    if form == "console":
        return [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            scrub,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ]
    return [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        # Without local variables: they hold whatever the code was working on, keys among it.
        structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        ),
        scrub,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]


def _calm_libraries() -> None:
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "sse_starlette"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # Start and stop are told by common.serve, in one line each.
    for name in ("uvicorn.error", "alembic", "aiosqlite", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
