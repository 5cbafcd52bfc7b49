"""Who takes gzip, and what it costs to have it."""

import asyncio
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.codings import takes_gzip
from edge.codings import Packed
from tests.support.waiting import eventually

BODY = b'{"feature":true}' * 100
BIG = b'{"feature":true}' * 10_000


@pytest.mark.parametrize(
    ("accepts", "expected"),
    [
        (b"", False),
        (b"gzip", True),
        (b"GZip", True),
        (b"x-gzip", True),
        (b"deflate, gzip;q=1.0, *;q=0.5", True),
        (b"br;q=1.0, gzip;q=0.8", True),
        (b"*", True),
        (b"*;q=0", False),
        (b"gzip;q=0", False),
        (b"gzip;q=0, *", False),
        (b"identity", False),
        (b"gzip;q=0.5, identity;q=0.6", False),
        (b"gzip;q=0.5, identity;q=0.5", True),
        (b"gzip;q=2", False),
        (b"gzip;q=nan", False),
        (b"gzip;level=9", False),
        (b"deflate, br", False),
    ],
)
def test_gzip_is_sent_to_those_who_accept_it_no_less_than_the_body_as_it_is(accepts, expected):
    assert takes_gzip(accepts) is expected


@given(st.binary(max_size=50))
def test_whatever_is_accepted_it_is_yes_or_no(accepts):
    assert takes_gzip(accepts) in {True, False}


def test_a_body_is_packed_once_and_small_ones_never():
    packed = Packed()
    first = packed.find("tag", BODY)
    assert first is not None
    assert gzip.decompress(first) == BODY
    assert packed.find("tag", BODY) is first
    assert packed.find("small", b"x" * 100) is None


async def test_a_big_body_is_packed_in_a_thread_and_sent_as_it_is_meanwhile():
    packed = Packed()
    assert packed.find("tag", BIG) is None
    found = await eventually(lambda: packed.find("tag", BIG))
    assert gzip.decompress(found) == BIG
    packed.close()
    assert packed.find("other", BIG) is None


async def test_bodies_that_wait_to_be_packed_are_bounded():
    packed = Packed()
    for number in range(100):
        assert packed.find(f"tag {number}", BIG) is None
    await eventually(lambda: packed.find("tag 0", BIG))
    await asyncio.sleep(0)
    packed.close()


def test_what_is_packed_is_held_within_a_budget():
    packed = Packed(max_bytes=2_000)
    first = packed.find("0", BODY)
    for number in range(1, 50):
        packed.find(str(number), BODY + b"%d" % number)
    again = packed.find("0", BODY)
    assert again == first
    assert again is not first
