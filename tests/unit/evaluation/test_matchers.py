from decimal import Decimal
from typing import Any

import pytest

from common.evaluation.matchers import RuleFault, matcher


def holds(field_type: str, conditional: str, values: list[Any], text: str) -> bool:
    match = matcher(field_type, conditional, values)
    reading = match.read(text)
    return reading is not None and match.holds(reading)


@pytest.mark.parametrize(
    ("field_type", "conditional", "values", "text"),
    [
        ("STRING", "EQUALS", [5, True], "true"),
        ("STRING", "GREATER", ["\uffff"], "\uffff!"),
        ("STRING", "LESS", ["\uffff"], "\U0001f642"),
        ("STRING", "EXCLUDES", [], "anything"),
        ("STRING", "NOT_EQUALS", ["a", "b"], "a"),
        ("NUMBER", "EQUALS", [Decimal("0.10")], "0.1"),
        ("NUMBER", "EQUALS", [5], "5e0"),
        ("NUMBER", "EQUALS", [Decimal("1E+6")], "1e6"),
        ("NUMBER", "GREATER_EQUALS", [1000000], "1e6"),
        ("NUMBER", "EQUALS", ["+5."], ".5e1"),
        ("NUMBER", "GREATER", [1], "9" * 5000),
        ("NUMBER", "LESS", [1], "1e-999999"),
        ("NUMBER", "STARTS_WITH", ["1"], "1e6"),
        ("BOOLEAN", "NOT_EQUALS", ["true"], "banana"),
        ("BOOLEAN", "EQUALS", [True, False], "true"),
        ("SEMANTIC_VERSION", "GREATER", [2], "2.0.1"),
        ("DATE", "NOT_EQUALS", [], "2026-11-20"),
        ("DATETIME", "EQUALS", ["2026-11-20T12:00Z"], "2026-11-20t13:00:00.000000000+01:00"),
        ("DATETIME", "LESS", ["2026-11-20T12:00:00.000000002Z"], "2026-11-20T12:00:00.000000001Z"),
        ("DATETIME", "EQUALS", ["2026-11-20T12:00:00Z"], "2026-11-20T06:30:00-05:30"),
        ("IP_ADDRESS", "EQUALS", ["::ffff:10.0.0.1"], "10.0.0.1"),
        ("IP_ADDRESS", "INCLUDES", ["10.0.0.0/8"], "::ffff:10.1.2.3"),
        ("IP_ADDRESS", "EXCLUDES", ["::/0"], "10.1.2.3"),
        ("IP_ADDRESS", "EQUALS", ["0.0.0.0/0"], "255.255.255.255"),
    ],
)
def test_it_holds(field_type: str, conditional: str, values: list[Any], text: str) -> None:
    assert holds(field_type, conditional, values, text)


@pytest.mark.parametrize(
    ("field_type", "conditional", "values", "text"),
    [
        ("STRING", "NOT_EQUALS", [], "a"),
        ("STRING", "INCLUDES", [], "a"),
        ("STRING", "GREATER", [], "a"),
        ("NUMBER", "EQUALS", [5], "٥"),
        ("NUMBER", "EQUALS", [5], "5_0"),
        ("NUMBER", "NOT_EQUALS", [5], "NaN"),
        ("NUMBER", "GREATER", [5], "Infinity"),
        ("NUMBER", "NOT_EQUALS", [5], "1e99999999999999999999"),
        ("NUMBER", "STARTS_WITH", ["a"], "abc"),
        ("BOOLEAN", "GREATER", [True], "true"),
        ("SEMANTIC_VERSION", "REGEX", [".*"], "1.2.3"),
        ("DATE", "NOT_EQUALS", ["2026-11-20"], "2026-02-30"),
        ("DATE", "NOT_EQUALS", ["2026-11-20"], "20261121"),
        ("DATE", "REGEX", [".*"], "tomorrow"),
        ("DATETIME", "NOT_EQUALS", ["2026-11-20T12:00:00Z"], "2026-11-20T12:00:60Z"),
        ("DATETIME", "NOT_EQUALS", ["2026-11-20T12:00:00Z"], "2026-11-20T12:00:00+19:00"),
        ("DATETIME", "NOT_EQUALS", ["2026-11-20T12:00:00Z"], "2026-11-20 12:00:01Z"),
        ("IP_ADDRESS", "NOT_EQUALS", ["10.0.0.0/8"], "localhost"),
        ("IP_ADDRESS", "NOT_EQUALS", ["10.0.0.0/8"], "256.1.1.1"),
        ("IP_ADDRESS", "NOT_EQUALS", ["10.0.0.0/8"], "fe80::1%eth0"),
        ("IP_ADDRESS", "LESS", ["10.0.0.0/8"], "9.0.0.0"),
    ],
)
def test_it_does_not_hold(field_type: str, conditional: str, values: list[Any], text: str) -> None:
    assert not holds(field_type, conditional, values, text)


@pytest.mark.parametrize(
    ("field_type", "conditional", "values"),
    [
        ("COLOUR", "EQUALS", ["red"]),
        ("STRING", "RESEMBLES", ["red"]),
        ("STRING", "EQUALS", [None]),
        ("STRING", "EQUALS", [["red"]]),
        ("STRING", "EQUALS", ["\ud800"]),
        ("STRING", "REGEX", ["fine", "["]),
        ("NUMBER", "EQUALS", [1, True]),
        ("NUMBER", "EQUALS", ["1 000"]),
        ("NUMBER", "GREATER", [float("nan")]),
        ("BOOLEAN", "EQUALS", []),
        ("BOOLEAN", "EQUALS", ["TRUE"]),
        ("BOOLEAN", "EQUALS", [1]),
        ("BOOLEAN", "EQUALS", [[]]),
        ("DATE", "EQUALS", ["2026-11-20", "soon"]),
        ("DATE", "EQUALS", [20261120]),
        ("DATETIME", "GREATER", ["2026-11-20"]),
        ("IP_ADDRESS", "EQUALS", ["10.0.0.0/33"]),
        ("IP_ADDRESS", "EQUALS", ["10.0.0.0/255.0.0.0"]),
        ("IP_ADDRESS", "EQUALS", ["10.0.0.0/"]),
        ("IP_ADDRESS", "EQUALS", ["example.com"]),
    ],
)
def test_a_rule_that_cannot_be_evaluated_is_a_fault(
    field_type: str, conditional: str, values: list[Any]
) -> None:
    with pytest.raises(RuleFault) as caught:
        matcher(field_type, conditional, values)
    assert str(caught.value)
