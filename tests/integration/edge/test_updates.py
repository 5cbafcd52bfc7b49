"""PUT over a real socket: what reaches the sink, and which statuses come back."""

from urllib.parse import quote

import pytest

from common.contracts.environments import hash_key
from common.contracts.lookups import SdkUpdateOutcome
from common.errors import Unavailable
from tests.support.edges import CLIENT, running_edge
from tests.support.sources import CLIENT_KEY, ENVIRONMENT, MemorySink

pytestmark = pytest.mark.integration


async def test_every_form_of_the_path_names_the_same_feature(source):
    async with running_edge(source) as edge:
        for path in (
            CLIENT,
            f"default/{CLIENT}",
            quote(CLIENT, safe=""),
            quote(f"default/{CLIENT}", safe=""),
            CLIENT.replace("*", "%2A"),
            CLIENT.replace("/", "+"),
        ):
            assert (await edge.put(f"/features/{path}/CART", {"value": True})).status == 200
        for update in edge.sink.received:
            assert update.environment_id == ENVIRONMENT
            assert update.key_hash == hash_key(CLIENT_KEY)
            assert (update.feature_key, update.value, update.lock) == ("CART", b"true", None)
        assert len({update.request_id for update in edge.sink.received}) == len(edge.sink.received) == 6


REFUSED = {
    f"{ENVIRONMENT}/CART": 400,
    f"{quote('a/b/c/d', safe='')}/CART": 400,
    f"{quote(f'nonsense/{CLIENT_KEY}', safe='')}/CART": 404,
    f"nonsense/{CLIENT_KEY}/CART": 404,
    f"a/b/{CLIENT}/CART": 404,
    f"{CLIENT}/": 404,
}


async def test_a_path_that_names_no_key_is_refused(source):
    async with running_edge(source) as edge:
        for path, status in REFUSED.items():
            assert (await edge.put(f"/features/{path}", {"value": True})).status == status, path
        assert edge.sink.received == []


MALFORMED = [
    b"",
    b"null",
    b"[]",
    b"{",
    b'{"value":}',
    b'{"lock":"yes"}',
    b'{"updateValue":1}',
    b'{"value":"\\ud800"}',
    b'{"value":NaN}',
    b'{"value":"\xff"}',
    b'{"value":' + b"[" * 100 + b"]" * 100 + b"}",
]


async def test_a_missing_or_malformed_body_is_400(source):
    async with running_edge(source) as edge:
        for body in MALFORMED:
            for content_type in ("application/json", "text/plain"):
                answer = await edge.put(f"/features/{CLIENT}/CART", body, content_type=content_type)
                assert answer.status == 400, body
        assert edge.sink.received == []


async def test_a_body_may_be_chunked_and_may_not_be_huge(source):
    async def chunks():
        for part in (b'{"value":', b'"grue', b'n"}'):
            yield part

    async with running_edge(source, max_body_bytes=2000) as edge:
        async with edge.http.put(f"{edge.url}/features/{CLIENT}/A", data=chunks()) as answer:
            assert answer.status == 200
        assert edge.sink.received[0].value == b'"gruen"'
        assert (await edge.put(f"/features/{CLIENT}/A", {"value": "x" * 3000})).status == 400


WRITTEN = {
    b"{}": (None, None, None),
    b'{"value":null,"updateValue":true,"lock":null}': (None, True, None),
    b'{"value":12.50,"lock":false,"other":1}': (b"12.50", None, False),
    b'{"value": 123456789012345678901234567890}': (b"123456789012345678901234567890", None, None),
    '{"value":"grün"}'.encode(): (b'"gr\\u00fcn"', None, None),
    b'{"value":{"a": [1]}}': (b'{"a": [1]}', None, None),
}


async def test_a_value_keeps_the_text_it_was_written_with(source):
    async with running_edge(source) as edge:
        for body, expected in WRITTEN.items():
            assert (await edge.put(f"/features/{CLIENT}/A", body)).status == 200
            update = edge.sink.received[-1]
            assert (update.value, update.update_value, update.lock) == expected


STATUSES = (200, 202, 400, 403, 404, 412)


async def test_the_status_is_what_mr_decided(source):
    sink = MemorySink(*(SdkUpdateOutcome(status=status, detail="because") for status in STATUSES))
    async with running_edge(source, sink) as edge:
        for status in STATUSES:
            answer = await edge.put(f"/features/{CLIENT}/A", {"value": 1}, origin="https://example.org")
            assert answer.status == status
            assert answer.headers["access-control-allow-origin"] == "*"
            if status >= 400:
                assert answer.json["detail"] == "because"
            else:
                assert answer.body == b""


async def test_an_update_is_tried_again_with_the_same_id_until_there_is_an_answer(source):
    sink = MemorySink(Unavailable(), Unavailable(), SdkUpdateOutcome(status=200))
    async with running_edge(source, sink) as edge:
        answer = await edge.put(f"/features/{CLIENT}/A", {"value": 1}, idempotency_key="mine-1")
        assert answer.status == 200
        assert [update.request_id for update in sink.received] == ["mine-1"] * 3
        assert len({update.deadline for update in sink.received}) == 1


async def test_an_unreadable_idempotency_key_is_refused(source):
    async with running_edge(source) as edge:
        answer = await edge.put(f"/features/{CLIENT}/A", {"value": 1}, idempotency_key="x" * 201)
        assert answer.status == 400
