import json
import re
from base64 import urlsafe_b64encode
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.evaluation.context import EMPTY, EvaluationContext
from tests.unit.evaluation.builders import contexts, texts, wild_contexts, wild_texts


@given(
    st.lists(st.one_of(wild_texts, st.text(alphabet="a=,&%+2C\u00e9\ud800", max_size=30)), max_size=4),
    st.booleans(),
)
def test_reading_a_header_never_raises(lines: list[str], ampersand: bool) -> None:
    context = EvaluationContext.parse(lines, ampersand=ampersand)

    assert len(context.attributes) <= 30
    for name, values in context.attributes.items():
        "".join((name, *values)).encode()  # would raise if half of a surrogate pair were left
    assert (context.tag == "") == (not context.attributes)
    assert hash(context) == hash(EvaluationContext.parse(lines, ampersand=ampersand))


@pytest.mark.parametrize("line", ["a=%", "a=%2", "a=%zz", "a=100%+sure", "%=1", "a=%ff%fe"])
def test_a_malformed_percent_sign_is_kept_or_replaced(line: str) -> None:
    assert len(EvaluationContext.parse([line]).attributes) == 1


def test_an_ampersand_separates_only_for_sdks_that_write_it() -> None:
    line = "userkey=fred%26co&country=turkey"

    assert EvaluationContext.parse([line]).attributes == {"userkey": ("fred&co&country=turkey",)}
    assert EvaluationContext.parse([line], ampersand=True).attributes == {
        "userkey": ("fred&co",),
        "country": ("turkey",),
    }


def test_names_beyond_the_thirtieth_are_ignored() -> None:
    context = EvaluationContext.parse(
        [",".join(f"n{i}=1" for i in range(20)), "n0=2," + ",".join(f"m{i}=1" for i in range(20))]
    )

    assert len(context.attributes) == 30
    assert context.attributes["n0"] == ("2",)
    assert "m9" in context.attributes
    assert "m10" not in context.attributes


def test_empty_values_at_the_end_are_dropped_and_nothing_is_trimmed() -> None:
    context = EvaluationContext.parse(["a=%2C1%2C%20%2C%2C,b=%2C,c=,d=1%3D2"])

    assert context.attributes == {"a": ("", "1", " "), "b": (), "c": ("",), "d": ("1=2",)}


@given(st.dictionaries(texts, st.lists(texts, min_size=1, max_size=3), min_size=1, max_size=6), st.randoms())
def test_the_order_of_attributes_does_not_matter(attributes: dict[str, list[str]], random: object) -> None:
    names = list(attributes)
    random.shuffle(names)  # type: ignore[attr-defined]
    one, other = EvaluationContext(attributes), EvaluationContext({name: attributes[name] for name in names})

    assert one.tag == other.tag
    assert one == other
    assert hash(one) == hash(other)


@given(contexts, contexts)
def test_contexts_are_equal_exactly_when_their_attributes_are(
    one: dict[str, list[str]], other: dict[str, list[str]]
) -> None:
    left, right = EvaluationContext(one), EvaluationContext(other)
    assert (left == right) == (left.attributes == right.attributes)


@given(wild_contexts)
def test_a_tag_is_short_and_safe_in_an_etag(attributes: dict[str, list[str]]) -> None:
    tag = EvaluationContext(attributes).tag
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}" if attributes else "", tag)


def test_the_tag_is_the_documented_digest() -> None:
    content = json.dumps({"a": ["1"], "b": ["\u00e9", "2"]}, separators=(",", ":")).encode()
    expected = urlsafe_b64encode(blake2b(content).digest()[:16]).decode().rstrip("=")

    assert EvaluationContext({"b": ["\u00e9", "2"], "a": ["1"]}).tag == expected


def test_nothing_sent_is_the_empty_context() -> None:
    assert EvaluationContext.parse([]) is EMPTY
    assert EvaluationContext.parse(["", "novalue"]) is EMPTY
    assert EMPTY.tag == ""


def test_values_of_a_person_stay_out_of_representations() -> None:
    assert "fred" not in repr(EvaluationContext({"userkey": ["fred"]}))


@pytest.mark.parametrize(
    ("attributes", "key"),
    [
        ({}, None),
        ({"country": ["turkey"]}, None),
        ({"userkey": ["fred", "mary"]}, "fred"),
        ({"userkey": ["fred"], "session": ["s", "t"]}, "s"),
        ({"userkey": ["fred"], "session": []}, "fred"),
        ({"userkey": ["fred"], "sessionkey": ["k"]}, "fred"),
        ({"sessionkey": ["k"]}, "k"),
    ],
)
def test_session_comes_before_userkey_as_percentage_key(
    attributes: dict[str, list[str]], key: str | None
) -> None:
    assert EvaluationContext(attributes).percentage_key == key
