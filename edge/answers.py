"""What a key sees of an environment, as bytes: bodies, etags, and which status a poll gets.

Transport-free. Everything here is a function of immutable values, so equal questions get equal bytes on
every node; the cache only saves the work. Must not know who is connected.
"""

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final, NamedTuple
from weakref import ref

from common.contracts.environments import EnvironmentSnapshot, Policy
from common.contracts.features import FeatureState
from common.evaluation.context import EMPTY, EvaluationContext
from common.evaluation.evaluate import decide
from edge.codings import GZIP_SUFFIX, Packed
from edge.recent import Recent

ANSWER_BYTES: Final = 64 * 1024 * 1024
DEFAULT_CACHE_CONTROL: Final = "no-store, max-age=0"

# What an entry costs beside its bytes, roughly.
_ENTRY_BYTES: Final = 1024
# What a header may hold; info of an environment is free text.
_HEADER_TEXT = re.compile(r"[\x20-\x7e]+")
_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_TAGS = re.compile(r'(?:W/)?"[^"]*"(?:[ \t]*,[ \t]*(?:W/)?"[^"]*")*')


class View(NamedTuple):
    """How somebody looks at an environment. Equal views of one snapshot share their bytes.

    ``context`` is `EMPTY` for client-evaluated keys: nothing in their answer depends on it.
    """

    policy: Policy
    client_evaluated: bool
    context: EvaluationContext

    @classmethod
    def of(cls, policy: Policy, *, client_evaluated: bool, context: EvaluationContext) -> "View":
        return cls(policy, client_evaluated, EMPTY if client_evaluated else context)

    @property
    def name(self) -> "ViewName":
        """A hashable value that is equal for equal views."""
        return (self.policy, self.client_evaluated, self.context.tag)


ViewName = tuple[Policy, bool, str]


class Payload(NamedTuple):
    """One feature as JSON, and the next instant at which it may change by itself."""

    json: bytes
    changes_at: float | None


class Answer(NamedTuple):
    """An environment as one view sees it: the JSON array of its features, and the array's tag."""

    environment_id: str
    features: bytes
    tag: str
    changes_at: float | None

    @property
    def body(self) -> bytes:
        """The environment as it stands in a poll."""
        return _wrapped(self.environment_id, self.features)


def instant(now: float) -> datetime:
    """Return the moment in the form that evaluation takes."""
    return datetime.fromtimestamp(now, UTC)


def earliest(first: float | None, second: float | None) -> float | None:
    """Return the earlier of two moments, either of which may be never."""
    if first is None or second is None:
        return second if first is None else first
    return min(first, second)


def visible(snapshot: EnvironmentSnapshot, policy: Policy) -> Iterator[FeatureState]:
    """Yield what the policy may see, by key: no retired feature, none without a filter in common."""
    return (state for state in snapshot.ordered if not state.retired and policy.sees(state.filters))


def payload(state: FeatureState, view: View, moment: datetime) -> Payload:
    """Encode one feature for one view."""
    if view.client_evaluated:
        return Payload(state.client_form(extended=view.policy.extended), None)
    value, strategy_id, changes_at = decide(state, view.context, moment)
    encoded = state.server_form(value, strategy_id, extended=view.policy.extended)
    return Payload(encoded, changes_at)


def render(snapshot: EnvironmentSnapshot, view: View, now: float) -> Answer:
    """Encode the whole environment for one view."""
    moment = instant(now)
    payloads = [payload(state, view, moment) for state in visible(snapshot, view.policy)]
    changes_at: float | None = None
    for each in payloads:
        changes_at = earliest(changes_at, each.changes_at)
    return _answer(snapshot.id, b"[" + b",".join(each.json for each in payloads) + b"]", changes_at)


def unknown(environment_id: str) -> Answer:
    """Return what stands in a poll for an unknown key beside known ones: an empty environment."""
    return _answer(environment_id, b"[]", None)


def _answer(environment_id: str, features: bytes, changes_at: float | None) -> Answer:
    digest = blake2b(_wrapped(environment_id, features)).digest()[:16]
    return Answer(environment_id, features, urlsafe_b64encode(digest).rstrip(b"=").decode(), changes_at)


def _wrapped(environment_id: str, features: bytes) -> bytes:
    # `features` is always there: SDKs crash on an environment without it.
    return b'{"id":"%s","features":%s}' % (environment_id.encode(), features)


class Answers:
    """Answers in use, as long as they are true: until the snapshot is swapped or a time rule is due.

    Bounded by the bytes held, which snapshots are not part of: those are for caches to hold. An answer that
    is not held is computed again, with the same bytes.
    """

    def __init__(self, *, max_bytes: int = ANSWER_BYTES) -> None:
        self._held: Recent[tuple[str, ViewName], tuple[ref[EnvironmentSnapshot], Answer]] = Recent(
            budget=max_bytes
        )

    def get(self, snapshot: EnvironmentSnapshot, view: View, now: float) -> Answer:
        """Return the answer that is true now."""
        key = (snapshot.id, view.name)
        held = self._held.find(key)
        if held is not None and held[0]() is snapshot and not is_due(held[1].changes_at, now):
            return held[1]
        answer = render(snapshot, view, now)
        self._held.put(key, (ref(snapshot), answer), weight=len(answer.features) + _ENTRY_BYTES)
        return answer


def is_due(changes_at: float | None, now: float) -> bool:
    """Return whether something that changes by itself may have changed by now."""
    return changes_at is not None and now >= changes_at


class Poll(NamedTuple):
    """A poll that can be answered: 200 with a body, or 304 without; ``coding`` is the body's."""

    etag: str
    body: bytes | None
    coding: str = ""


def answer_poll(
    answers: Sequence[Answer],
    context: EvaluationContext,
    if_none_match: str | None,
    packed: Packed | None = None,
) -> Poll:
    """Put the environments together in the order they were asked for; 304 only if all are unchanged.

    Environments are answered all or none: SDKs read a missing one as deleted features. ``packed`` = the
    caller takes gzip.
    """
    tag = ";".join(answer.tag for answer in answers) + context_suffix(context)
    plain, coded = f'"{tag}"', f'"{tag}{GZIP_SUFFIX}"'
    matched = _matched(if_none_match or "", plain, coded)
    if matched is not None:
        return Poll(matched, None)
    body = b"[" + b",".join(answer.body for answer in answers) + b"]"
    smaller = None if packed is None else packed.find(tag, body)
    return Poll(plain, body) if smaller is None else Poll(coded, smaller, "gzip")


def _matched(if_none_match: str, plain: str, coded: str) -> str | None:
    """Return which form of the tag the caller holds, in strong words; None = neither.

    A proxy that packs on its own makes tags weak: the same features all the same.
    """
    if not if_none_match:
        return None
    if if_none_match in {plain, coded}:
        return if_none_match
    text = if_none_match.strip(" \t")
    if text == "*":
        return plain
    if not _TAGS.fullmatch(text):
        return None
    held = {f'"{tag}"' for tag in _TAG.findall(text)}
    return next((form for form in (coded, plain) if form in held), None)


def context_suffix(context: EvaluationContext) -> str:
    """Return the part of a tag that names the context; nothing when there is none.

    An SDK that changes its context waits for new features; a 304 would leave it waiting for ever.
    """
    return f"//{context.tag}" if context.tag else ""


def cache_control(snapshots: Sequence[EnvironmentSnapshot], setting: str) -> str:
    """Return the `Cache-Control` of an answer.

    What an environment's administrators manage comes first, then what the operator chose (a setting
    that is not the default), then what an environment wishes, then the default.
    """
    chosen = "" if setting == DEFAULT_CACHE_CONTROL else setting
    return (
        _info(snapshots, "mgmt.cacheControl")
        or chosen
        or _info(snapshots, "cacheControl")
        or DEFAULT_CACHE_CONTROL
    )


def _info(snapshots: Sequence[EnvironmentSnapshot], name: str) -> str:
    for snapshot in snapshots:
        text = snapshot.info.get(name, "").strip()
        if _HEADER_TEXT.fullmatch(text):
            return text
    return ""
