"""Who asks: the attributes an SDK sends with a request, for keys that Edge evaluates.

Holds only well-formed text, so that nothing behind it needs to care about broken encodings. Must not
know requests or SDK versions: the caller says whether ``&`` separates as well.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote_plus

from common.contracts.codec import canonical

MAX_NAMES: Final = 30

_COMMA = re.compile(",")
_COMMA_OR_AMPERSAND = re.compile("[,&]")


class EvaluationContext:
    """Attributes of a caller, each with its values in order. Immutable; equal when the tags are."""

    __slots__ = ("_read", "_tag", "attributes")

    attributes: Mapping[str, tuple[str, ...]]

    def __init__(self, attributes: Mapping[str, Iterable[str]]) -> None:
        self.attributes = MappingProxyType(
            {_clean(name): tuple(_clean(each) for each in values) for name, values in attributes.items()}
        )
        self._tag: str | None = None
        self._read: dict[tuple[str, Callable[[str], Any]], tuple[Any, ...]] = {}

    @classmethod
    def parse(cls, lines: Iterable[str], *, ampersand: bool = False) -> EvaluationContext:
        """Read the lines of ``x-featurehub``; never raises, whatever they hold.

        ``ampersand``: the SDK joins its pairs with ``&`` (Python and Ruby), so that separates as well.
        Names beyond the first 30 are ignored.
        """
        separator = _COMMA_OR_AMPERSAND if ampersand else _COMMA
        found: dict[str, tuple[str, ...]] = {}
        for line in lines:
            for piece in separator.split(line):
                name, equals, value = piece.partition("=")
                if not equals:
                    continue
                found[_decoded(name)] = _values(_decoded(value))
                if len(found) == MAX_NAMES:
                    return cls(found)
        return cls(found) if found else EMPTY

    @property
    def tag(self) -> str:
        """Text that is equal for equal contexts, whatever order they came in; "" when empty."""
        if self._tag is None:
            self._tag = _tag(self.attributes)
        return self._tag

    @property
    def percentage_key(self) -> str | None:
        """Who the caller is when a rule does not say: first ``session``, else ``userkey`` value.

        ``sessionkey`` is what the reference server looks for; no SDK sends it, so it comes last.
        """
        for name in ("session", "userkey", "sessionkey"):
            values = self.attributes.get(name)
            if values:
                return values[0]
        return None

    def readings(self, name: str, read: Callable[[str], Any]) -> tuple[Any, ...] | None:
        """Return what ``read`` makes of the values of ``name``; None when the caller did not send it.

        Values for which ``read`` gives None are left out. Each attribute is read once per request, not
        once per rule: the same version or address is usually asked for by many rules.
        """
        held = self._read.get((name, read))
        if held is None:
            values = self.attributes.get(name)
            if values is None:
                return None
            held = tuple(reading for reading in map(read, values) if reading is not None)
            self._read[name, read] = held
        return held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EvaluationContext) and self.tag == other.tag

    def __hash__(self) -> int:
        return hash(self.tag)

    def __repr__(self) -> str:
        # Values describe a person: they do not belong into logs.
        return f"EvaluationContext({', '.join(sorted(self.attributes))})"


def _clean(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _decoded(text: str) -> str:
    """Undo form encoding; a malformed ``%`` stays what it is."""
    return unquote_plus(text) if "%" in text or "+" in text else text


def _values(text: str) -> tuple[str, ...]:
    """Split at commas as the reference does: empty values at the end are dropped, nothing is trimmed."""
    if "," not in text:
        return (text,)
    values = text.split(",")
    while values and not values[-1]:
        values.pop()
    return tuple(values)


def _tag(attributes: Mapping[str, tuple[str, ...]]) -> str:
    if not attributes:
        return ""
    digest = blake2b(canonical(dict(attributes))).digest()[:16]
    return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


EMPTY: Final = EvaluationContext({})
