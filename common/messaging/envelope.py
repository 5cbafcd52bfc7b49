"""How messages look on a bus between processes: CloudEvents in headers, and a seal over everything.

Events and heartbeats are CloudEvents 1.0 in binary mode (one ``ce-`` header per attribute, the data as
the payload). Every message, questions and reports included, is sealed with a key that all processes of a
cluster share; what is not sealed is never decoded. Must not know NATS, sockets or caches.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

import msgspec
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.v1.event import CloudEvent

from common.contracts.events import CounterId, CounterKind, Event, Heartbeat, LoggedEvent
from common.contracts.traces import TraceContext, trace_context
from common.messaging.freshness import Stamp

SEAL: Final = "burgee-seal"
"""The header with the seal."""

HEARTBEAT_TYPE: Final = "burgee-heartbeat-v1"

RELEASE: Final = "ce-release"
"""The header of a heartbeat that says which release its sender is of."""

CHECK: Final = "check"
"""Below the changes' subject, where `burgee check` tries whether it may speak; nothing comes of it."""

_ATTRIBUTE: Final = "ce-"
_OURS: Final = "burgee-"
# CloudEvents: printable ASCII but space, quote and percent stays as it is.
_SAFE: Final = "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~"
_PLAIN: Final = re.compile(r"[A-Za-z0-9!#$&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]*")


class Message(NamedTuple):
    """What travels: where to, whereto to reply, the headers and the payload."""

    subject: str
    reply: str
    headers: Mapping[str, str]
    payload: bytes


class Malformed(ValueError):
    """A message is not what its place or its type promises."""


class Seal:
    """Signs and verifies messages with the key of one cluster.

    The cluster's name is part of the key, so that what was recorded in one cluster is worth nothing in
    another one with the same secret.
    """

    def __init__(self, event_key: bytes, cluster: str) -> None:
        self._key = hmac.digest(event_key, f"burgee bus 1 {cluster}".encode(), "sha256")

    def sealed(self, message: Message) -> Message:
        """The message with its seal among the headers."""
        return message._replace(headers={**message.headers, SEAL: self._of(message)})

    def holds(self, message: Message) -> bool:
        """True when the message was sealed with this key and nothing in it was changed since."""
        seal = message.headers.get(SEAL, "")
        return hmac.compare_digest(seal.encode(), self._of(message).encode())

    def _of(self, message: Message) -> str:
        """A digest over subject, reply subject, our headers and payload, each with its length.

        Other headers are left out: servers may add their own, and nothing of ours reads them.
        """
        parts = [message.subject, message.reply]
        headers = message.headers
        for name in sorted(headers):
            if name.startswith((_ATTRIBUTE, _OURS)) and name != SEAL:
                parts += (name, headers[name])
        text = "".join([f"{len(part)}:{part}" for part in parts])
        if not text.isascii():
            # Nothing of ours is sent like this, and lengths are of bytes.
            text = "".join([f"{len(part.encode())}:{part}" for part in parts])
        payload = message.payload
        sealed = b"%b%d:%b" % (text.encode(), len(payload), payload)
        return urlsafe_b64encode(hmac.digest(self._key, sealed, "sha256")).decode()


# CloudEvents binary mode


def to_binary(event: BaseCloudEvent) -> tuple[dict[str, str], bytes]:
    """Headers and payload of an event whose data is bytes or nothing."""
    headers = {}
    for name, value in event.get_attributes().items():
        text = _instant(value) if isinstance(value, datetime) else str(value)
        headers[_ATTRIBUTE + name] = quote(text, safe=_SAFE)
    data = event.get_data()
    if data is None:
        return headers, b""
    if not isinstance(data, bytes):
        raise TypeError("an event's data travels as the bytes that it is")
    return headers, data


def from_binary(headers: Mapping[str, str], payload: bytes) -> BaseCloudEvent:
    """The event of a message in binary mode. Raises `Malformed`."""
    attributes: dict[str, object] = {
        name[len(_ATTRIBUTE) :]: unquote(value)
        for name, value in headers.items()
        if name.startswith(_ATTRIBUTE)
    }
    try:
        if "time" in attributes:
            attributes["time"] = datetime.fromisoformat(str(attributes["time"]))
        return CloudEvent(attributes, payload or None)
    except (ValueError, CloudEventValidationError) as error:
        raise Malformed(f"not a CloudEvent: {error}") from error


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


# Events

_LETTERS: Final[Mapping[CounterKind, str]] = {"environment": "e", "account": "a"}
_KINDS: Final[Mapping[str, CounterKind]] = {letter: kind for kind, letter in _LETTERS.items()}


def event_tail(counter: CounterId) -> str:
    """The end of the subject under which a counter's events travel."""
    return f"{_LETTERS[counter.kind]}.{counter.id}"


def event_headers(event: LoggedEvent, source: str) -> dict[str, str]:
    """An event's headers, as `to_binary` would make them; its payload goes beside them as it is.

    Written out, for thousands may have to go at once. Numbers travel as text: CloudEvents' integers end at
    32 bits.
    """
    headers = {
        "ce-specversion": "1.0",
        "ce-id": _quoted(event.id),
        "ce-type": _quoted(event.type),
        "ce-source": _quoted(source),
        "ce-subject": _quoted(event.counter.id),
        "ce-time": _instant(datetime.fromtimestamp(event.time, UTC)),
        "ce-datacontenttype": "application/json",
        "ce-position": str(event.position),
        "ce-term": str(event.term),
        "ce-epoch": _quoted(event.epoch),
        "ce-revision": str(event.revision),
        "ce-previous": str(event.previous),
        "ce-digest": str(event.digest),
    }
    if event.trace is not None:
        # CloudEvents' extension for distributed tracing.
        headers["ce-traceparent"] = event.trace.traceparent
        if event.trace.tracestate:
            headers["ce-tracestate"] = quote(event.trace.tracestate, safe=_SAFE)
    return headers


def read_event(tail: str, headers: Mapping[str, str], payload: bytes) -> Event:
    """The event of a message whose seal holds.

    Data of an unknown kind, or that is not what its kind promises, makes a pointer: the counter becomes
    suspect. Raises `Malformed` when not even counter and position can be read.
    """
    letter, _, identity = tail.partition(".")
    kind = _KINDS.get(letter)
    if headers.get("ce-specversion") != "1.0":
        raise Malformed("not a CloudEvent of version 1.0")
    if kind is None or _text(headers, "subject") != identity:
        raise Malformed(f"no counter is told of under {tail!r}")
    _text(headers, "source")
    logged = LoggedEvent(
        id=_text(headers, "id"),
        type=_text(headers, "type"),
        counter=CounterId(kind, identity),
        position=_number(headers, "position"),
        term=_number(headers, "term"),
        epoch=_text(headers, "epoch"),
        revision=_number(headers, "revision"),
        previous=_number(headers, "previous"),
        digest=_number(headers, "digest"),
        time=_seconds(headers),
        payload=payload,
        trace=_trace(headers),
    )
    try:
        return logged.event()
    except (msgspec.MsgspecError, ValueError, KeyError):
        # Signed by one of us, so it is a newer release's or a defect; either way the truth is at MR.
        return msgspec.structs.replace(logged, payload=b"").event()


def heartbeat_headers(
    heartbeat: Heartbeat, stamp: Stamp, identity: str, *, release: str = "unknown"
) -> dict[str, str]:
    """A heartbeat's headers; it has no payload."""
    cloud_event = CloudEvent(
        {
            "specversion": "1.0",
            "id": identity,
            "type": HEARTBEAT_TYPE,
            "source": stamp.source,
            "time": datetime.fromtimestamp(stamp.sent_at, UTC),
            "beat": str(stamp.number),
            "position": str(heartbeat.position),
            "term": str(heartbeat.term),
            "epoch": heartbeat.epoch,
            RELEASE.removeprefix(_ATTRIBUTE): release,
        }
    )
    return to_binary(cloud_event)[0]


def read_heartbeat(headers: Mapping[str, str]) -> tuple[Heartbeat, Stamp]:
    """The heartbeat of a message whose seal holds, and which one it is. Raises `Malformed`."""
    cloud_event = from_binary(headers, b"")
    if cloud_event.get_type() != HEARTBEAT_TYPE:
        raise Malformed(f"{cloud_event.get_type()!r} is no heartbeat")
    heartbeat = Heartbeat(
        term=_number(headers, "term"),
        epoch=_text(headers, "epoch"),
        position=_number(headers, "position"),
    )
    return heartbeat, Stamp(_text(headers, "source"), _number(headers, "beat"), _seconds(headers))


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else quote(text, safe=_SAFE)


def _trace(headers: Mapping[str, str]) -> TraceContext | None:
    parent = headers.get("ce-traceparent")
    return None if parent is None else trace_context(parent, unquote(headers.get("ce-tracestate", "")))


def _text(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(_ATTRIBUTE + name)
    if not value:
        raise Malformed(f"has no attribute {name}")
    return unquote(value) if "%" in value else value


def _number(headers: Mapping[str, str], name: str) -> int:
    text = _text(headers, name)
    if not (text.isascii() and text.isdecimal() and len(text) <= 20):
        raise Malformed(f"has no number {name}")
    return int(text)


def _seconds(headers: Mapping[str, str]) -> float:
    try:
        moment = datetime.fromisoformat(_text(headers, "time"))
    except ValueError as error:
        raise Malformed("has no time") from error
    if moment.tzinfo is None:
        raise Malformed("has no time")
    return moment.timestamp()
