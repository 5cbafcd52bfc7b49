"""A value reaches an SDK only in the type that the SDK expects."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.contracts.features import FEATURE_TYPES
from mr.db.states import fitting


@pytest.mark.parametrize(
    ("token", "feature_type", "expected"),
    [
        ("true", "BOOLEAN", b"true"),
        ("1", "BOOLEAN", None),
        ('"true"', "BOOLEAN", None),
        ("12.50", "NUMBER", b"12.50"),
        ("-1e400", "NUMBER", b"-1e400"),
        ("true", "NUMBER", None),
        ('"ä"', "STRING", b'"\\u00e4"'),
        ('"\U0001f600"', "STRING", b'"\\ud83d\\ude00"'),
        ("1", "STRING", None),
        ('"{}"', "JSON", b'"{}"'),
        ("{}", "JSON", None),
        ("null", "STRING", None),
        ("null", "BOOLEAN", None),
        (None, "NUMBER", None),
        ("", "STRING", None),
    ],
)
def test_a_token_is_served_as_written_if_it_fits(token, feature_type, expected):
    assert fitting(token, feature_type) == expected


@given(st.text(max_size=20), st.sampled_from(FEATURE_TYPES))
def test_what_is_served_is_ascii(text, feature_type):
    served = fitting(f'"{text}"', feature_type)
    assert served is None or served.isascii()
