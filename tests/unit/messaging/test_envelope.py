"""Messages in headers: CloudEvents as its specifications write them, and the seal."""

from datetime import UTC, datetime

import msgspec
import pytest
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from common.contracts.events import CounterId, FeaturesChanged, Heartbeat
from common.messaging.envelope import (
    SEAL,
    Malformed,
    Message,
    Seal,
    event_headers,
    event_tail,
    from_binary,
    heartbeat_headers,
    read_event,
    read_heartbeat,
    to_binary,
)
from common.messaging.freshness import Stamp
from tests.support.ears import HOME, plain_event

SOURCE = "/burgee/default/mr-1"
KEY = b"a key of the cluster"


def test_attributes_and_data_are_where_the_binding_for_nats_puts_them():
    event = CloudEvent(
        {
            "specversion": "1.0",
            "type": "com.example.someevent",
            "time": datetime(2018, 4, 5, 3, 56, 24, tzinfo=UTC),
            "id": "1234-1234-1234",
            "source": "/mycontext/subcontext",
            "datacontenttype": "application/json",
        },
        b'{"much": "wow"}',
    )
    headers, payload = to_binary(event)
    assert headers == {
        "ce-specversion": "1.0",
        "ce-type": "com.example.someevent",
        "ce-time": "2018-04-05T03:56:24Z",
        "ce-id": "1234-1234-1234",
        "ce-source": "/mycontext/subcontext",
        "ce-datacontenttype": "application/json",
    }
    assert payload == b'{"much": "wow"}'
    read = from_binary(headers, payload)
    assert read.get_attributes() == event.get_attributes()
    assert read.get_data() == payload


def test_header_values_are_percent_encoded_as_the_specification_shows():
    event = CloudEvent({"type": "t", "source": "s", "id": "1", "subject": "Euro € 😀"})
    headers, _ = to_binary(event)
    assert headers["ce-subject"] == "Euro%20%E2%82%AC%20%F0%9F%98%80"
    assert from_binary(headers, b"").get_subject() == "Euro € 😀"


@given(st.text(min_size=1))
def test_any_text_survives_and_its_header_is_printable_ascii(text):
    headers, _ = to_binary(CloudEvent({"type": "t", "source": "s", "id": "1", "note": text}))
    assert all(0x21 <= ord(letter) <= 0x7E for letter in headers["ce-note"])
    assert from_binary(headers, b"").get_extension("note") == text


@pytest.mark.parametrize("missing", ["ce-id", "ce-type", "ce-source", "ce-specversion"])
def test_a_message_without_a_required_attribute_is_no_cloud_event(missing):
    headers = event_headers(plain_event(1), SOURCE)
    del headers[missing]
    if missing in {"ce-id", "ce-specversion"}:
        # The library fills these in for whoever makes an event; a message has to bring them.
        headers[missing] = ""
    with pytest.raises(Malformed):
        from_binary(headers, b"")


def test_an_event_arrives_as_it_was_logged():
    logged = plain_event(7)
    event = read_event(event_tail(logged.counter), event_headers(logged, SOURCE), logged.payload)
    assert event == logged.event()
    assert isinstance(event.data, FeaturesChanged)
    assert event.digest == 2**64 - 7


@pytest.mark.parametrize(
    "payload",
    [b"", b"{}", b"not json", b'{"environmentId": 1}'],
    ids=["empty", "bare", "no json", "wrong type"],
)
def test_data_that_cannot_be_read_makes_a_pointer(payload):
    logged = plain_event(7)
    event = read_event(event_tail(logged.counter), event_headers(logged, SOURCE), payload)
    assert event.data is None
    assert (event.counter, event.position, event.revision) == (CounterId("environment", HOME), 7, 7)


@given(st.text(min_size=1), st.integers(0, 2**64 - 1))
def test_an_events_headers_are_what_the_binding_makes_of_it(text, number):
    logged = msgspec.structs.replace(plain_event(7), id=text, epoch=text, digest=number)
    headers = event_headers(logged, SOURCE)
    event = from_binary(headers, logged.payload)
    assert to_binary(event) == (headers, logged.payload)
    assert (event.get_id(), event.get_extension("epoch")) == (text, text)
    assert event.get_extension("digest") == str(number)
    assert all(value.isascii() for value in headers.values())


def test_data_of_a_kind_from_a_later_release_makes_a_pointer():
    logged = plain_event(7)
    headers = event_headers(logged, SOURCE) | {"ce-type": "publish-feature-v2"}
    assert read_event(event_tail(logged.counter), headers, logged.payload).data is None


@pytest.mark.parametrize(
    "change",
    [
        {"ce-position": "-1"},
        {"ce-position": "²"},
        {"ce-position": "9" * 30},
        {"ce-revision": ""},
        {"ce-time": "yesterday"},
        {"ce-time": "2018-04-05T03:56:24"},
        {"ce-subject": "another"},
        {"ce-specversion": "0.3"},
        {"ce-source": ""},
        {"ce-id": ""},
        {"ce-type": ""},
    ],
)
def test_an_event_whose_place_cannot_be_read_is_malformed(change):
    logged = plain_event(7)
    with pytest.raises(Malformed):
        read_event(event_tail(logged.counter), event_headers(logged, SOURCE) | change, logged.payload)


@pytest.mark.parametrize("tail", ["", "e", f"x.{HOME}", "e.other", f"E.{HOME}"])
def test_an_event_under_a_subject_that_is_not_its_counters_is_malformed(tail):
    logged = plain_event(7)
    with pytest.raises(Malformed):
        read_event(tail, event_headers(logged, SOURCE), logged.payload)


def test_a_heartbeat_arrives_as_it_was_sent_and_another_type_is_none():
    heartbeat = Heartbeat(term=3, epoch="e", position=2**40)
    stamp = Stamp(SOURCE, 2**41, 1.5)
    headers = heartbeat_headers(heartbeat, stamp, "id")
    assert read_heartbeat(headers) == (heartbeat, stamp)
    with pytest.raises(Malformed):
        read_heartbeat(headers | {"ce-type": "burgee-heartbeat-v2"})


# The seal


def sealed() -> Message:
    logged = plain_event(7)
    return Seal(KEY, "one").sealed(
        Message("burgee.one.c.e.x", "reply", event_headers(logged, SOURCE), logged.payload)
    )


def test_a_sealed_message_is_known_and_other_headers_do_not_matter():
    message = sealed()
    assert Seal(KEY, "one").holds(message)
    assert Seal(KEY, "one").holds(message._replace(headers={**message.headers, "Nats-Trace": "1"}))


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "burgee.one.c.e.y"},
        {"reply": ""},
        {"payload": b""},
        {"headers": {}},
        {"headers": {**sealed().headers, "ce-position": "8"}},
        {"headers": {**sealed().headers, "ce-extra": "1"}},
        {"headers": {**sealed().headers, "burgee-part": "1/1"}},
        {"headers": {**sealed().headers, SEAL: "é"}},
        {"headers": {name: value for name, value in sealed().headers.items() if name != "ce-digest"}},
    ],
)
def test_nothing_of_a_sealed_message_can_be_changed(change):
    assert not Seal(KEY, "one").holds(sealed()._replace(**change))


def test_another_key_and_another_cluster_with_the_same_key_are_strangers():
    assert not Seal(b"another", "one").holds(sealed())
    assert not Seal(KEY, "two").holds(sealed())


def test_moving_a_byte_from_one_member_to_the_next_breaks_the_seal():
    seal = Seal(KEY, "one")
    message = seal.sealed(Message("ab", "c", {}, b"d"))
    assert not seal.holds(message._replace(subject="a", reply="bc"))
    assert not seal.holds(message._replace(reply="", payload=b"cd"))
