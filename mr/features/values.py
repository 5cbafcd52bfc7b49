"""What a value of each feature type is, and which of the members that carry it a request means.

A value is a JSON token: numbers keep the text they were written with, JSON features hold their document as
a JSON string. Pure; must not know where values are stored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from common.contracts.codec import json_text
from common.contracts.features import FeatureType
from common.errors import BadRequest
from mr.api.json_body import MalformedBody, parse, token_of

TYPED_MEMBERS: Final[Mapping[FeatureType, str]] = {
    "BOOLEAN": "valueBoolean",
    "STRING": "valueString",
    "NUMBER": "valueNumber",
    "JSON": "valueJson",
}


class InvalidValue(BadRequest):
    code = "invalid-value"


def read_value(feature_type: FeatureType, value: Any) -> bytes | None:
    """Turn parsed JSON into a feature's token; None = null. Raises `InvalidValue`."""
    return None if value is None else _READERS[feature_type](value)


def _boolean(value: Any) -> bytes:
    text = str(value).lower() if isinstance(value, bool | str) else ""
    if text not in {"true", "false"}:
        raise InvalidValue("The value of a BOOLEAN feature is true or false.")
    return text.encode()


def _string(value: Any) -> bytes:
    # Whatever is no text is taken as the text of its JSON: SDKs that send numbers rely on it.
    return json_text(value if isinstance(value, str) else token_of(value).decode())


def _number(value: Any) -> bytes:
    if isinstance(value, str):
        return _number_of_text(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidValue("The value of a NUMBER feature is a number.")
    token = token_of(value)
    try:
        Decimal(token.decode())
    except InvalidOperation:  # an exponent of twenty digits
        raise InvalidValue("The number is out of any range.") from None
    return token


def _number_of_text(text: str) -> bytes:
    try:
        parsed = parse(text.encode())
    except (MalformedBody, UnicodeEncodeError):
        parsed = None
    if isinstance(parsed, int | float) and not isinstance(parsed, bool):
        return _number(parsed)
    # `.5`, `+1` and `5.` are numbers to people, not to JSON.
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise InvalidValue("The value of a NUMBER feature is a number.") from None
    if not number.is_finite() or "_" in text:
        raise InvalidValue("The value of a NUMBER feature is a finite number.")
    return str(number).replace("E+", "e").lower().encode()


def _document(value: Any) -> bytes:
    if not isinstance(value, str):
        return json_text(token_of(value).decode())
    try:
        json.loads(value, object_pairs_hook=_without_repeats, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidValue("The value of a JSON feature is the text of a JSON document.") from None
    return json_text(value)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("repeated member")
    return dict(pairs)


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


_READERS: Final[Mapping[FeatureType, Callable[[Any], bytes]]] = {
    "BOOLEAN": _boolean,
    "STRING": _string,
    "NUMBER": _number,
    "JSON": _document,
}


def same_value(feature_type: FeatureType, one: bytes | None, other: bytes | None) -> bool:
    """Compare tokens by meaning: `5` and `5.0` are one number."""
    if one == other:
        return True
    if one is None or other is None or feature_type != "NUMBER":
        return False
    return Decimal(one.decode()) == Decimal(other.decode())


def chosen_value(feature_type: FeatureType, members: Mapping[str, Any], base: bytes | None) -> bytes | None:
    """Decide what a request means that may carry the value twice.

    Clients send back what they got and change one of the two members, so the one that differs from the base
    version's value is meant. `members` holds those that were sent. Raises `InvalidValue`.
    """
    names = [name for name in ("value", TYPED_MEMBERS[feature_type]) if name in members]
    tokens = [read_value(feature_type, members[name]) for name in names]
    if not tokens:
        return None
    if len(tokens) == 1 or same_value(feature_type, tokens[0], tokens[1]):
        return tokens[0]
    changed = [token for token in tokens if not same_value(feature_type, token, base)]
    if len(changed) != 1:
        raise InvalidValue(f"`value` and `{names[1]}` disagree.")
    return changed[0]


def fitting_value(feature_type: FeatureType, token: bytes | None) -> bytes | None:
    """Keep what another type's token means for this one; a BOOLEAN is false where nothing fits."""
    empty = b"false" if feature_type == "BOOLEAN" else None
    if token is None:
        return empty
    try:
        return read_value(feature_type, parse(token)) or empty
    except InvalidValue:
        return empty


def raw(token: bytes | None) -> msgspec.Raw | None:
    """Show a token in an answer."""
    return None if token is None else msgspec.Raw(token)


def typed_members(feature_type: FeatureType, token: bytes | None) -> dict[str, Any]:
    """Show a value under both of its names."""
    return {} if token is None else {"value": raw(token), TYPED_MEMBERS[feature_type]: raw(token)}
