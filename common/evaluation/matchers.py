"""What a condition of each field type means; one function per type, found in `MATCHERS`.

A matcher is made once per rule and then only compares: rule values are parsed here, never while
evaluating. Must not know contexts, strategies or percentages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal, InvalidOperation
from ipaddress import AddressValueError, IPv6Address
from reprlib import repr as shortened
from typing import Any, Final, NamedTuple, get_args

from common.contracts.features import Conditional
from common.evaluation.patterns import PatternFault, whole_text
from common.evaluation.semver import parse_version
from common.evaluation.times import (
    Ticks,
    date_text,
    datetime_text,
    day_text_ticks,
    day_ticks,
    instant_text_ticks,
    instant_ticks,
    parse_date,
    parse_datetime,
)

Values = Sequence[Any]
Test = Callable[[Any], bool]
CONDITIONALS: Final = frozenset(get_args(Conditional))


class RuleFault(ValueError):
    """A rule cannot be evaluated; the message says why, in terms of the rule alone."""


class Matcher(NamedTuple):
    """One condition, ready to use.

    ``read`` gives what a text of the context means to ``holds``, None when it means nothing (then the
    condition does not hold for it). ``ticks`` is there when the type can be compared with the present.
    """

    read: Callable[[str], Any]
    holds: Test
    ticks: Ticks | None = None


def match_string(conditional: str, values: Values) -> Matcher:
    """Case-sensitive; NOT_EQUALS holds when *any* value differs, as in the reference server."""
    texts = _texts(values)
    if conditional == "EQUALS":
        return Matcher(_itself, frozenset(texts).__contains__)
    if conditional == "NOT_EQUALS":
        return Matcher(_itself, _any_differs(texts))
    if conditional == "INCLUDES":
        return Matcher(_itself, lambda text: any(each in text for each in texts))
    if conditional == "EXCLUDES":
        return Matcher(_itself, lambda text: not any(each in text for each in texts))
    on_text = _on_text(conditional, texts)
    if on_text is not None:
        return Matcher(_itself, on_text)
    return Matcher(_utf16, _by_value(conditional, [_utf16(each) for each in texts]))


def match_number(conditional: str, values: Values) -> Matcher:
    """Compared as decimals: 5 and 5.0 are one number.

    Only for equality a power of ten stays as written: 1e6 is not 1000000, as in the reference server
    and the JavaScript SDK (a vector pins it).
    """
    on_text = _on_text(conditional, values)
    if on_text is not None:
        return Matcher(_number_text, on_text)
    if conditional in _EQUALITIES:
        return Matcher(
            _parse_notation, _by_value(conditional, [_number(each, _parse_notation) for each in values])
        )
    return Matcher(_parse_number, _by_value(conditional, [_number(each, _parse_number) for each in values]))


def match_boolean(conditional: str, values: Values) -> Matcher:
    """Only the first value counts; every text but ``true`` is false."""
    if conditional not in {"EQUALS", "NOT_EQUALS"}:
        return Matcher(_itself, _never)
    if not values:
        raise RuleFault("no value")
    wanted = _boolean(values[0]) is (conditional == "EQUALS")
    return Matcher(_is_true, lambda truth: truth is wanted)


def match_semantic_version(conditional: str, values: Values) -> Matcher:
    """Every text is a version; see `common.evaluation.semver` for their order."""
    versions = [parse_version(each) for each in _texts(values)]
    if conditional in _TEXT_CONDITIONALS:
        return Matcher(_itself, _never)
    return Matcher(parse_version, _by_value(conditional, versions))


def match_date(conditional: str, values: Values) -> Matcher:
    """Days written ``YYYY-MM-DD``."""
    on_text = _on_text(conditional, values)
    if on_text is not None:
        return Matcher(date_text, on_text, day_text_ticks())
    days = _parsed(values, parse_date, "date")
    return Matcher(parse_date, _by_value(conditional, days), day_ticks(days))


def match_datetime(conditional: str, values: Values) -> Matcher:
    """Instants; the same one written with another offset is equal."""
    on_text = _on_text(conditional, values)
    if on_text is not None:
        return Matcher(datetime_text, on_text, instant_text_ticks())
    instants = _parsed(values, parse_datetime, "date and time with an offset")
    return Matcher(parse_datetime, _by_value(conditional, instants), instant_ticks(instants))


def match_ip_address(conditional: str, values: Values) -> Matcher:
    """Addresses and networks of both families; names are never looked up."""
    networks = _parsed(values, _parse_network, "address or network")

    def within(address: tuple[int, int]) -> bool:
        family, number = address
        return any(family == kind and number & mask == base for kind, base, mask in networks)

    if conditional in {"EQUALS", "INCLUDES"}:
        return Matcher(_parse_address, within)
    if conditional in {"NOT_EQUALS", "EXCLUDES"}:
        return Matcher(_parse_address, lambda address: not within(address))
    return Matcher(_parse_address, _never)


MATCHERS: Final[dict[str, Callable[[str, Values], Matcher]]] = {
    "STRING": match_string,
    "NUMBER": match_number,
    "BOOLEAN": match_boolean,
    "SEMANTIC_VERSION": match_semantic_version,
    "DATE": match_date,
    "DATETIME": match_datetime,
    "IP_ADDRESS": match_ip_address,
}


def matcher(field_type: str, conditional: str, values: Values) -> Matcher:
    """Return the matcher of a condition; raises `RuleFault` when there can be none."""
    make = MATCHERS.get(field_type)
    if make is None:
        raise RuleFault(f"unknown type {field_type!r}")
    if conditional not in CONDITIONALS:
        raise RuleFault(f"unknown conditional {conditional!r}")
    return make(conditional, values)


def absent_matcher(field_type: str, conditional: str) -> Matcher:
    """Return the matcher of a condition without any list of values: nothing that is sent satisfies it."""
    known = matcher(field_type, conditional, (False,) if field_type == "BOOLEAN" else ())
    return Matcher(known.read, _never, known.ticks and Ticks(known.ticks.read, (), 1))


# ---------------------------------------------------------------------------------------- comparing

_EQUALITIES: Final = frozenset({"EQUALS", "NOT_EQUALS", "INCLUDES", "EXCLUDES"})
_TEXT_CONDITIONALS: Final = frozenset({"STARTS_WITH", "ENDS_WITH", "REGEX"})


def _never(_: Any) -> bool:
    return False


def _by_value(conditional: str, keys: Sequence[Any]) -> Test:
    """Compare values that are ordered and hashable; "any" of several, or none for the negations."""
    if conditional in {"EQUALS", "INCLUDES"}:
        return frozenset(keys).__contains__
    if conditional in {"NOT_EQUALS", "EXCLUDES"}:
        none_of = frozenset(keys)
        return lambda key: key not in none_of
    if not keys:
        return _never
    # Above any of them is above the lowest, below any is below the highest.
    lowest, highest = min(keys), max(keys)
    if conditional == "GREATER":
        return lambda key: bool(key > lowest)
    if conditional == "GREATER_EQUALS":
        return lambda key: bool(key >= lowest)
    if conditional == "LESS":
        return lambda key: bool(key < highest)
    return lambda key: bool(key <= highest)


def _on_text(conditional: str, values: Values) -> Test | None:
    """Return the test of a conditional that looks at texts whatever the type, None for the others."""
    if conditional not in _TEXT_CONDITIONALS:
        return None
    texts = _texts(values)
    if conditional == "STARTS_WITH":
        return lambda text: text.startswith(texts)
    if conditional == "ENDS_WITH":
        return lambda text: text.endswith(texts)
    try:
        patterns = [whole_text(each) for each in texts]
    except PatternFault as fault:
        raise RuleFault(f"pattern: {fault}") from fault
    return lambda text: any(matches(text) for matches in patterns)


def _any_differs(texts: Iterable[str]) -> Test:
    different = frozenset(texts)
    if not different:
        return _never
    if len(different) > 1:
        return lambda _: True
    (only,) = different
    return lambda text: bool(text != only)


# ------------------------------------------------------------------------------ reading context texts


def _itself(text: str) -> str:
    return text


def _utf16(text: str) -> bytes:
    """Return a key whose order is that of UTF-16 code units: the order of the reference server."""
    return text.encode("utf-16-be")


def _is_true(text: str) -> bool:
    return text == "true"


_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def _parse_number(text: str) -> Decimal | None:
    if not _NUMBER.fullmatch(text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond 18 digits
        return None


def _parse_notation(text: str) -> tuple[Decimal, int] | None:
    """Return the number and its positive power of ten, 0 when it is written out."""
    number = _parse_number(text)
    if number is None:
        return None
    power = number.as_tuple().exponent if "e" in text or "E" in text else 0
    return number, power if isinstance(power, int) and power > 0 else 0


def _number_text(text: str) -> str | None:
    return None if _parse_number(text) is None else text


_IPV4 = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})")
_IPV4_BITS, _IPV6_BITS = 32, 128


def _parse_address(text: str) -> tuple[int, int] | None:
    """Return bits of the family and the number. Leading zeros are decimal, as the reference reads them."""
    match = _IPV4.fullmatch(text)
    if match is not None:
        parts = [int(part) for part in match.groups()]
        return (_IPV4_BITS, int.from_bytes(bytes(parts), "big")) if max(parts) <= 255 else None
    if ":" not in text or "%" in text:
        return None
    try:
        address = IPv6Address(text)
    except AddressValueError:
        return None
    # What a dual-stack socket reports for an IPv4 caller is that caller's IPv4 address.
    mapped = address.ipv4_mapped
    return (_IPV6_BITS, int(address)) if mapped is None else (_IPV4_BITS, int(mapped))


# --------------------------------------------------------------------------------- reading rule values


def _parsed(values: Values, parse: Callable[[str], Any], noun: str) -> list[Any]:
    read = []
    for value in values:
        parsed = parse(value) if isinstance(value, str) else None
        if parsed is None:
            raise RuleFault(f"{shortened(value)} is not a {noun}")
        read.append(parsed)
    return read


def _texts(values: Values) -> tuple[str, ...]:
    return tuple(map(_text, values))


def _text(value: object) -> str:
    if isinstance(value, str):
        if not value.isascii() and value.encode("utf-8", "replace").decode() != value:
            raise RuleFault("not well-formed text")
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return str(value)
    raise RuleFault(f"{shortened(value)} is not a text")


def _number(value: object, parse: Callable[[str], Any]) -> Any:
    number = None
    if isinstance(value, int | float | Decimal | str) and not isinstance(value, bool):
        number = parse(str(value))
    if number is None:
        raise RuleFault(f"{shortened(value)} is not a number")
    return number


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if value == "true":
        return True
    if value == "false":
        return False
    raise RuleFault(f"{shortened(value)} is not a boolean")


def _parse_network(text: str) -> tuple[int, int, int] | None:
    """Return family, base and mask of a network, or of an address as a network of one."""
    address_text, slash, size_text = text.partition("/")
    address = _parse_address(address_text)
    if address is None:
        return None
    bits, number = address
    size = bits
    if slash:
        if not (size_text.isascii() and size_text.isdigit() and len(size_text) <= 3):
            return None
        size = int(size_text)
    if size > bits:
        return None
    mask = ((1 << size) - 1) << (bits - size)
    return bits, number & mask, mask
