"""What an Edge tells MR of how much it was asked: numbers alone, by environment and service account."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from common.contracts.codec import ascii_json

WORD: Final = "usage"
"""What MR is asked on the bus to take it in."""

UsageKind = Literal["poll", "unchanged", "stream", "update", "stream-seconds"]
"""Polls with an answer and without one (304), streams opened, SDK updates, and how long streams were open."""


class UsageCount(msgspec.Struct, frozen=True, array_like=True):
    """How often since the last report; for `stream-seconds` the seconds of all streams together."""

    environment_id: str
    account_id: str
    kind: UsageKind
    count: int


class UsageReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one process counted since it last told somebody."""

    instance: str
    counts: tuple[UsageCount, ...]


_decoder = msgspec.json.Decoder(UsageReport)


def encode_usage(report: UsageReport) -> bytes:
    return ascii_json(msgspec.json.encode(report))


def decode_usage(data: bytes) -> UsageReport:
    """Decode; raises `msgspec.MsgspecError`."""
    return _decoder.decode(data)
