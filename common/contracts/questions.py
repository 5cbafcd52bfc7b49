"""The questions that `common.contracts.lookups` answers, and their bytes on the bus.

One tagged JSON object each: ``ask`` names the question. Must not know who answers, nor how.
"""

from __future__ import annotations

from typing import Final

import msgspec

from common.contracts.codec import ascii_json
from common.contracts.events import CounterId
from common.contracts.lookups import ANY, AtLeast


class _Question(msgspec.Struct, frozen=True, tag_field="ask", rename="camel", omit_defaults=True):
    """What all questions have in common."""


class AskEnvironment(_Question, frozen=True, tag="environment"):
    id: str
    at_least: AtLeast = ANY


class AskAccount(_Question, frozen=True, tag="account"):
    key_hash: str
    at_least: AtLeast = ANY


class AskMany(_Question, frozen=True, tag="many"):
    """Environments by id and accounts by key hash that are at hand; nothing is loaded for it."""

    environments: tuple[tuple[str, AtLeast], ...] = ()
    accounts: tuple[tuple[str, AtLeast], ...] = ()


class AskChanges(_Question, frozen=True, tag="changes"):
    after: int


class AskRevisions(_Question, frozen=True, tag="revisions"):
    counters: tuple[CounterId, ...]


class AskState(_Question, frozen=True, tag="state"):
    pass


class AskListing(_Question, frozen=True, tag="listing"):
    after: str | None
    limit: int


MANY_AT_MOST: Final = 256
"""Look-ups in one question."""

Question = AskEnvironment | AskAccount | AskMany | AskChanges | AskRevisions | AskState | AskListing

_decoder: msgspec.json.Decoder[Question] = msgspec.json.Decoder(Question)


def encode_question(question: Question) -> bytes:
    return ascii_json(msgspec.json.encode(question))


def decode_question(data: bytes) -> Question:
    """Decode; raises `msgspec.MsgspecError` for what is no question that this release knows."""
    return _decoder.decode(data)
