"""Features, rules and contexts in few words, and Hypothesis strategies for all of them."""

import json
from datetime import UTC, datetime
from typing import Any, get_args

from hypothesis import strategies as st

from common.contracts.features import Conditional, FeatureState, FieldType

FEATURE_ID = "6f1f7c2e-4b0a-4f63-9d6c-0d1d9d3b7a11"
NOW = datetime(2026, 11, 20, 12, 30, 15, 250_000, tzinfo=UTC)

Json = dict[str, Any]


def feature(*strategies: Any, value: bytes | None = b'"default"', **members: Any) -> FeatureState:
    return FeatureState(
        id=FEATURE_ID,
        key="FEATURE",
        type="STRING",
        locked=False,
        version=1,
        value=value,
        strategies=json.dumps(strategies).encode(),
        **members,
    )


def attribute(field: str, conditional: str, field_type: str, *values: Any) -> Json:
    return {"fieldName": field, "conditional": conditional, "type": field_type, "values": list(values)}


def rule(rule_id: str, *attributes: Json, percentage: Any = None, **members: Any) -> Json:
    found: Json = {"id": rule_id, "value": rule_id, "attributes": list(attributes), **members}
    if percentage is not None:
        found["percentage"] = percentage
    return found


fields = st.sampled_from(["userkey", "country", "version", "ip", "now", "NOW", "größe", ""])
texts = st.one_of(
    st.sampled_from(
        ["", "true", "false", "5", "-3", "5.0", "1e6", "1.2.3", "1.2.3-rc1", "2.0", "turkey", "fred"]
    ),
    st.sampled_from(["10.0.0.1", "10.0.0.0/8", "2001:db8::1", "::ffff:10.0.0.1", "2001:db8::/32"]),
    st.sampled_from(["2026-11-20", "2026-11-21", "2026-11-20T12:30:16Z", "2026-11-20T12:30:15.5+01:00"]),
    st.sampled_from(["(.*)o", "[", "(?=x)", "(a+)+b", "^act.*", "\\p{L}+"]),
    st.text(max_size=12),
)
# What arrives over HTTP may hold anything, halves of surrogate pairs included.
wild_texts = st.one_of(
    texts, st.text(st.characters(), max_size=20), st.binary(max_size=12).map(lambda b: b.decode("latin-1"))
)
values = st.one_of(texts, st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False))
odd_values = st.one_of(
    values, st.none(), st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.none())
)

attributes = st.builds(
    attribute,
    fields,
    st.sampled_from(get_args(Conditional)),
    st.sampled_from(get_args(FieldType)),
).flatmap(lambda made: st.lists(values, max_size=3).map(lambda found: {**made, "values": found}))

rules = st.builds(
    lambda rule_id, found, percentage, names: {
        "id": rule_id,
        "value": rule_id,
        "attributes": found,
        **({} if percentage is None else {"percentage": percentage}),
        **({"percentageAttributes": names} if names else {}),
    },
    st.uuids().map(str),
    st.lists(attributes, max_size=3),
    st.one_of(st.none(), st.integers(0, 1_000_000)),
    st.lists(fields, max_size=2),
)

# Strategies that cannot be evaluated, each in a way of its own.
broken_rules = st.sampled_from(
    [
        rule("broken", attribute("userkey", "REGEX", "STRING", "[")),
        rule("broken", attribute("userkey", "REGEX", "NUMBER", "(?<=x)y"), percentage=1_000_000),
        rule("broken", attribute("userkey", "EQUALS", "BOOLEAN", "maybe")),
        rule("broken", attribute("userkey", "EQUALS", "BOOLEAN")),
        rule("broken", attribute("userkey", "NOT_EQUALS", "NUMBER", "five")),
        rule("broken", attribute("userkey", "NOT_EQUALS", "NUMBER", True)),
        rule("broken", attribute("userkey", "NOT_EQUALS", "DATE", "yesterday")),
        rule("broken", attribute("userkey", "NOT_EQUALS", "DATETIME", "2026-11-20T12:30:16")),
        rule("broken", attribute("userkey", "NOT_EQUALS", "IP_ADDRESS", "localhost")),
        rule("broken", attribute("userkey", "NOT_EQUALS", "STRING", None)),
        rule("broken", attribute("userkey", "NOT_EQUALS", "COLOUR", "red")),
        rule("broken", attribute("userkey", "RESEMBLES", "STRING", "red")),
        rule("broken", percentage="half"),
        rule("broken", percentage=-1),
        rule("broken", attributes=None),
        {"id": "broken", "value": "broken", "attributes": "none"},
        {"value": "broken"},
        [],
        7,
        None,
    ]
)

contexts = st.dictionaries(fields, st.lists(texts, max_size=3), max_size=5)
wild_contexts = st.dictionaries(wild_texts, st.lists(wild_texts, max_size=3), max_size=5)
