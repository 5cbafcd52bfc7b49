import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import BadRequest
from mr.api.json_body import encode, parse, token_of
from mr.features.values import (
    InvalidValue,
    chosen_value,
    fitting_value,
    read_value,
    same_value,
)

NUMBERS = st.from_regex(r"\A-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?\Z")


@given(NUMBERS)
def test_a_number_keeps_its_text_through_reading_and_writing(token):
    assert encode(parse(b'{"a":[%s]}' % token.encode())) == b'{"a":[%s]}' % token.encode()
    assert read_value("NUMBER", parse(token.encode())) == token.encode()


@given(st.recursive(st.none() | st.booleans() | st.text(), st.lists))
def test_other_json_survives(value):
    data = encode(value)
    if b"\\u0000" not in data:
        assert parse(data) == value
        assert token_of(value).isascii()


@pytest.mark.parametrize("data", [b"NaN", b"-Infinity", b'"\\u0000"', b'{"\\u0000":1}', b"\xff", b"{", b""])
def test_what_cannot_be_kept_is_refused(data):
    with pytest.raises(BadRequest):
        parse(data)


@pytest.mark.parametrize(
    ("kind", "value", "token"),
    [
        ("BOOLEAN", True, b"true"),
        ("BOOLEAN", "False", b"false"),
        ("STRING", "é", b'"\\u00e9"'),
        ("STRING", 5, b'"5"'),
        ("STRING", {"a": 1}, b'"{\\"a\\":1}"'),
        ("NUMBER", "+5", b"5"),
        ("NUMBER", ".5", b"0.5"),
        ("NUMBER", " 12.50 ", b"12.50"),
        ("JSON", "[1]", b'"[1]"'),
        ("JSON", [1], b'"[1]"'),
        ("STRING", None, None),
    ],
)
def test_values_are_read_by_type(kind, value, token):
    assert read_value(kind, value) == token


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("BOOLEAN", 1),
        ("BOOLEAN", "1"),
        ("NUMBER", "five"),
        ("NUMBER", "nan"),
        ("NUMBER", "1_000"),
        ("NUMBER", True),
        ("NUMBER", parse(b"1e99999999999999999999")),
        ("JSON", "{"),
        ("JSON", "NaN"),
        ("JSON", '{"a":1,"a":1}'),
        ("JSON", "[" * 100_000),
    ],
)
def test_what_is_no_value_of_the_type_is_refused(kind, value):
    with pytest.raises(InvalidValue):
        read_value(kind, value)


def test_numbers_are_compared_by_what_they_are():
    assert same_value("NUMBER", b"5", b"5.0")
    assert same_value("NUMBER", b"1e2", b"100")
    assert not same_value("NUMBER", b"1e400", b"1e401")
    assert not same_value("STRING", b'"5"', b'"5.0"')
    assert not same_value("NUMBER", b"0", None)


BASE = b'"base"'


@pytest.mark.parametrize(
    ("members", "meant"),
    [
        ({}, None),
        ({"value": "a"}, b'"a"'),
        ({"valueString": "a"}, b'"a"'),
        ({"value": "a", "valueString": "a"}, b'"a"'),
        ({"value": "base", "valueString": "a"}, b'"a"'),
        ({"value": "a", "valueString": "base"}, b'"a"'),
        ({"value": None, "valueString": "base"}, None),
        ({"value": None, "valueString": None}, None),
        ({"value": "a", "valueNumber": 5}, b'"a"'),
    ],
)
def test_of_two_members_the_one_that_was_changed_is_meant(members, meant):
    assert chosen_value("STRING", members, BASE) == meant


def test_two_changed_members_that_disagree_are_refused():
    with pytest.raises(InvalidValue):
        chosen_value("STRING", {"value": "a", "valueString": "b"}, BASE)


@pytest.mark.parametrize(
    ("kind", "token", "kept"),
    [
        ("NUMBER", b'"12.50"', b"12.50"),
        ("NUMBER", b'"x"', None),
        ("STRING", b"12.50", b'"12.50"'),
        ("BOOLEAN", b'"true"', b"true"),
        ("BOOLEAN", b"5", b"false"),
        ("BOOLEAN", None, b"false"),
        ("JSON", b'"{}"', b'"{}"'),
    ],
)
def test_a_change_of_type_keeps_what_still_means_something(kind, token, kept):
    assert fitting_value(kind, token) == kept
