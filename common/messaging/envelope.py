"""How messages look on a bus between processes: CloudEvents in headers, and a seal over everything.

Events and heartbeats are CloudEvents 1.0 in binary mode (one ``ce-`` header per attribute, the data as
the payload). Every message, questions and reports included, is sealed with a key that all processes of a
cluster share; what is not sealed is never decoded. Must not know NATS, sockets or caches.
"""

from __future__ import annotations

import hmac
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
from common.messaging.freshness import Stamp

SEAL: Final = "burgee-seal"
"""The header with the seal."""

HEARTBEAT_TYPE: Final = "burgee-heartbeat-v1"

_ATTRIBUTE: Final = "ce-"
_OURS: Final = "burgee-"
# CloudEvents: printable ASCII but space, quote and percent stays as it is.
_SAFE: Final = "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~"


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
        parts = [message.subject.encode(), message.reply.encode()]
        for name in sorted(message.headers):
            if name.startswith((_ATTRIBUTE, _OURS)) and name != SEAL:
                parts += (name.encode(), message.headers[name].encode())
        parts.append(message.payload)
        text = b"".join(b"%d:%b" % (len(part), part) for part in parts)
        return urlsafe_b64encode(hmac.digest(self._key, text, "sha256")).decode()


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
    """An event's headers; its payload goes beside them as it is.

    Numbers travel as text: CloudEvents' integers end at 32 bits.
    """
    cloud_event = CloudEvent(
        {
            "specversion": "1.0",
            "id": event.id,
            "type": event.type,
            "source": source,
            "subject": event.counter.id,
            "time": datetime.fromtimestamp(event.time, UTC),
            "datacontenttype": "application/json",
            "position": str(event.position),
            "term": str(event.term),
            "epoch": event.epoch,
            "revision": str(event.revision),
            "previous": str(event.previous),
            "digest": str(event.digest),
        }
    )
    return to_binary(cloud_event)[0]


def read_event(tail: str, headers: Mapping[str, str], payload: bytes) -> Event:
    """The event of a message whose seal holds.

    Data of an unknown kind, or that is not what its kind promises, makes a pointer: the counter becomes
    suspect. Raises `Malformed` when not even counter and position can be read.
    """
    letter, _, identity = tail.partition(".")
    kind = _KINDS.get(letter)
    cloud_event = from_binary(headers, payload)
    if kind is None or cloud_event.get_subject() != identity:
        raise Malformed(f"no counter is told of under {tail!r}")
    logged = LoggedEvent(
        id=cloud_event.get_id(),
        type=cloud_event.get_type(),
        counter=CounterId(kind, identity),
        position=_number(cloud_event, "position"),
        term=_number(cloud_event, "term"),
        epoch=_text(cloud_event, "epoch"),
        revision=_number(cloud_event, "revision"),
        previous=_number(cloud_event, "previous"),
        digest=_number(cloud_event, "digest"),
        time=_seconds(cloud_event),
        payload=payload,
    )
    try:
        return logged.event()
    except (msgspec.MsgspecError, ValueError, KeyError):
        # Signed by one of us, so it is a newer release's or a defect; either way the truth is at MR.
        return msgspec.structs.replace(logged, payload=b"").event()


def heartbeat_headers(heartbeat: Heartbeat, stamp: Stamp, identity: str) -> dict[str, str]:
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
        }
    )
    return to_binary(cloud_event)[0]


def read_heartbeat(headers: Mapping[str, str]) -> tuple[Heartbeat, Stamp]:
    """The heartbeat of a message whose seal holds, and which one it is. Raises `Malformed`."""
    cloud_event = from_binary(headers, b"")
    if cloud_event.get_type() != HEARTBEAT_TYPE:
        raise Malformed(f"{cloud_event.get_type()!r} is no heartbeat")
    heartbeat = Heartbeat(
        term=_number(cloud_event, "term"),
        epoch=_text(cloud_event, "epoch"),
        position=_number(cloud_event, "position"),
    )
    stamp = Stamp(cloud_event.get_source(), _number(cloud_event, "beat"), _seconds(cloud_event))
    return heartbeat, stamp


def _text(event: BaseCloudEvent, name: str) -> str:
    value = event.get_extension(name)
    if not isinstance(value, str):
        raise Malformed(f"has no attribute {name}")
    return value


def _number(event: BaseCloudEvent, name: str) -> int:
    text = _text(event, name)
    if not (text.isascii() and text.isdecimal() and len(text) <= 20):
        raise Malformed(f"has no number {name}")
    return int(text)


def _seconds(event: BaseCloudEvent) -> float:
    moment = event.get_time()
    if moment is None or moment.tzinfo is None:
        raise Malformed("has no time")
    return moment.timestamp()
