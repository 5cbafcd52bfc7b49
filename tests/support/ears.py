"""A subscriber that writes down what it hears, and the simplest events for it to hear."""

from __future__ import annotations

from common.contracts.events import (
    CounterId,
    Event,
    FeaturesChanged,
    Heartbeat,
    LoggedEvent,
    encode_data,
    event_type,
)
from tests.support.change_log import environment_id


class Ear:
    """Satisfies `Subscriber`."""

    def __init__(self) -> None:
        self.messages: list[Event | Heartbeat | str] = []

    def on_event(self, event: Event) -> None:
        self.messages.append(event)

    def on_heartbeat(self, heartbeat: Heartbeat) -> None:
        self.messages.append(heartbeat)

    def on_disconnected(self) -> None:
        self.messages.append("disconnected")

    @property
    def events(self) -> list[Event]:
        return [each for each in self.messages if isinstance(each, Event)]

    @property
    def positions(self) -> list[int]:
        return [each.position for each in self.events]

    @property
    def heartbeats(self) -> list[Heartbeat]:
        return [each for each in self.messages if isinstance(each, Heartbeat)]

    @property
    def disconnections(self) -> int:
        return self.messages.count("disconnected")


HOME = environment_id("home")


def plain_event(position: int, *, padding: int = 0) -> LoggedEvent:
    """An event of one environment, whose data has about so many bytes."""
    data = FeaturesChanged(environment_id=HOME, removed=("x" * padding,) if padding else ())
    return LoggedEvent(
        id=f"event-{position}",
        type=event_type(data),
        counter=CounterId("environment", HOME),
        position=position,
        term=1,
        epoch="epoch-0",
        revision=position,
        previous=position - 1,
        digest=2**64 - position,
        time=1_700_000_000.123456,
        payload=encode_data(data),
    )


def heartbeat(position: int) -> Heartbeat:
    return Heartbeat(term=1, epoch="epoch-0", position=position)
