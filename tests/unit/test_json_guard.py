import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import BadRequest
from common.web import MAX_JSON_DEPTH, refuse_harmful_json

HARMFUL = {
    "not UTF-8": b'{"a": "\xff"}',
    "half a surrogate pair": b'{"a": "\\ud800"}',
    "the other half": b'{"a": "\\udc00 "}',
    "halves in the wrong order": b'{"a": "\\udc00\\ud800"}',
    "a half after a pair": b'"\\ud83d\\ude00\\ud83d"',
    "an encoded surrogate": b'"\xed\xa0\x80"',
    "NaN": b'{"a": NaN}',
    "Infinity": b"[-Infinity]",
    "deep lists": b"[" * 65 + b"]" * 65,
    "deep objects": b'{"a":' * 65 + b"1" + b"}" * 65,
    "depth that never closes": b"[" * 100_000,
}
HARMLESS = {
    "nothing": b"",
    "a pair": b'"\\ud83d\\ude00"',
    "a backslash before a u": b'"\\\\ud800"',
    "NaN in a text": b'{"NaN": "Infinity"}',
    "brackets in a text": json.dumps({"a": "[" * 200 + '\\"' + "{" * 200}).encode(),
    "the deepest allowed": b"[" * MAX_JSON_DEPTH + b"]" * MAX_JSON_DEPTH,
    "many side by side": b"[" + b",".join([b"[]"] * 1000) + b"]",
}


@pytest.mark.parametrize("body", HARMFUL.values(), ids=HARMFUL)
def test_harmful_json_is_refused(body: bytes):
    with pytest.raises(BadRequest):
        refuse_harmful_json(body)


@pytest.mark.parametrize("body", HARMLESS.values(), ids=HARMLESS)
def test_harmless_json_passes(body: bytes):
    refuse_harmful_json(body)


texts = st.text(st.characters(exclude_categories=["Cs"]))
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=20,
)


@given(documents, st.booleans())
def test_what_python_writes_passes(document: object, ascii_only: bool):
    refuse_harmful_json(json.dumps(document, ensure_ascii=ascii_only).encode())


def test_a_long_text_that_never_ends_costs_no_time():
    refuse_harmful_json(b'"' + b"\\a" * 1_000_000)
