"""JSON bodies of the management API, read so that no number loses a digit.

Knows no schemas. `common.web.BodyGuard` has already refused what no parser should see (size, depth, half
surrogates); here goes what a database cannot store.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

import msgspec
from pydantic import BaseModel
from starlette.requests import Request

from common.contracts.codec import ascii_json
from common.errors import BadRequest


class MalformedBody(BadRequest):
    code = "malformed-body"


class Fraction(float):
    """A number whose text says more than a float can hold; computes as a float, is written as `token`."""

    token: str

    @classmethod
    def read(cls, token: str) -> Fraction:
        number = cls(token)
        number.token = token
        return number


class Whole(int):
    """An integer that is not written as Python would write it (`-0`)."""

    token: str


def _whole(token: str) -> int:
    number = int(token)  # ValueError beyond Python's limit of digits
    if str(number) == token:
        return number
    kept = Whole(number)
    kept.token = token
    return kept


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedBody(f"The body holds {name}, which JSON does not have.")


def _check_texts(value: Any) -> None:
    if isinstance(value, str):
        if "\x00" in value:
            raise MalformedBody("A text holds the character NUL.")
    elif isinstance(value, dict):
        for name, member in value.items():
            _check_texts(name)
            _check_texts(member)
    elif isinstance(value, list):
        for member in value:
            _check_texts(member)


def parse(data: bytes) -> Any:
    """Parse one JSON document; numbers remember their text. Raises `MalformedBody`."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedBody("The body is not UTF-8.") from None
    try:
        value = json.loads(text, parse_float=Fraction.read, parse_int=_whole, parse_constant=_refuse_constant)
    except ValueError as error:
        raise MalformedBody(f"The body is not JSON: {error}.") from None
    # Only an escape can bring it through the decoder.
    if "\\u0000" in text:
        _check_texts(value)
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction | Whole):
        return msgspec.Raw(value.token.encode())
    if isinstance(value, BaseModel):
        return {name: member for name, member in value.__dict__.items() if member is not None}
    raise TypeError(f"{type(value).__name__} has no JSON form")


def encode(value: Any) -> bytes:
    """Encode wire models and parsed JSON; null members of models are left out, numbers keep their text."""
    return msgspec.json.encode(value, enc_hook=_plain)


def token_of(value: Any) -> bytes:
    """Encode one JSON value as an ASCII token."""
    return ascii_json(encode(value))


class WireRequest(Request):
    """A request whose `json()` keeps numbers as they were written."""

    async def json(self) -> Any:
        if not hasattr(self, "_parsed"):
            self._parsed = parse(await self.body())
        return self._parsed
