"""What SDKs write into URLs and headers, read into our own words.

Every SDK writes a little differently; the differences end here. Nothing here raises on malformed text
except where a status follows from it. Knows bytes as they came, and no server.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Self
from urllib.parse import unquote

from starlette.datastructures import QueryParams
from starlette.types import Scope

from common.contracts.environments import SdkKey
from common.errors import AppError, BadRequest, NotFound
from common.evaluation.context import EvaluationContext

# A guard, not a contract: each key may cost a look-up.
MOST_KEYS: Final = 200

_PREFIX: Final = b"/features/"
_JOINS_WITH_AMPERSAND: Final = frozenset({"python", "ruby"})
# `java-client-jersey` 2.7, -jersey2 and -jersey3: their time to connect is their time to read as well.
_PATIENCE_OF_JERSEY_SECONDS: Final = 5.0


class NoKeys(BadRequest):
    """No API key was sent."""

    code = "no-api-key"


class TooManyKeys(BadRequest):
    code = "too-many-api-keys"


class MalformedKey(BadRequest):
    """One path segment that is to hold a whole API key does not."""

    code = "malformed-api-key"


class UnknownKey(NotFound):
    """None of the API keys is known."""

    code = "unknown-api-key"


class NoStreams(AppError):
    """This server answers polls only."""

    status = 501
    code = "no-streams"


class Said(NamedTuple):
    """What an SDK said in its headers, undecoded; several lines of a list are one."""

    context: tuple[bytes, ...] = ()
    sdk: bytes = b""
    if_none_match: bytes = b""
    accept_encoding: bytes = b""

    @classmethod
    def of(cls, headers: Iterable[tuple[bytes, bytes]]) -> Self:
        """Pick it out of a request's headers, whose names are in lower case."""
        found: dict[bytes, list[bytes]] = {}
        for name, value in headers:
            found.setdefault(name, []).append(value)
        return cls(
            context=tuple(found.get(b"x-featurehub", ())),
            sdk=found.get(b"x-sdk", (b"",))[0],
            if_none_match=b", ".join(found.get(b"if-none-match", ())),
            accept_encoding=b", ".join(found.get(b"accept-encoding", ())),
        )

    @property
    def sdk_name(self) -> str:
        """Which SDK is asking, as far as it says, in lower case; Java adds versions after a comma."""
        return self.sdk.decode("latin-1").partition(",")[0].strip().lower()

    @property
    def patience_seconds(self) -> float:
        """How long this SDK bears silence on a stream, if that is shorter than others do."""
        return _PATIENCE_OF_JERSEY_SECONDS if self.sdk_name.startswith("java-jersey") else float("inf")


class Asked(NamedTuple):
    """A request below `/features` as it came."""

    path: bytes
    query: bytes
    said: Said

    @classmethod
    def of(cls, scope: Scope) -> Self:
        return cls(scope["raw_path"], scope["query_string"], Said.of(scope["headers"]))


def poll_keys(asked: Asked) -> list[SdkKey]:
    """Return the keys of a poll in order, each once; what cannot be a key is left out.

    Raises BadRequest when there is no parameter at all. `sdkUrl` is the older name and wins.
    """
    query = QueryParams(asked.query)
    texts = query.getlist("sdkUrl") or query.getlist("apiKey")
    if not texts:
        raise NoKeys
    if len(texts) > MOST_KEYS:
        raise TooManyKeys(f"One poll may ask for {MOST_KEYS} keys.")
    parsed = (SdkKey.parse(text) for text in texts)
    return list(dict.fromkeys(key for key in parsed if key is not None))


def poll_context(asked: Asked) -> EvaluationContext:
    """Return the context of a poll: all its header lines together."""
    return _context(asked, [_text(line) for line in asked.said.context])


def stream_context(asked: Asked) -> EvaluationContext:
    """Return the context of a stream: browsers cannot set headers there, so the query wins."""
    query = QueryParams(asked.query).getlist("xfeaturehub")
    return _context(asked, query or [_text(line) for line in asked.said.context])


def _context(asked: Asked, lines: Sequence[str]) -> EvaluationContext:
    return EvaluationContext.parse(lines, ampersand=asked.said.sdk_name in _JOINS_WITH_AMPERSAND)


def _text(value: bytes) -> str:
    """Some SDKs send raw UTF-8; what is not UTF-8 is Latin-1, as HTTP has it."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def stream_key(asked: Asked) -> SdkKey | None:
    """Return the key in a stream's path, in 1 (encoded), 2 or 3 segments; None = not a key."""
    return SdkKey.parse("/".join(_segments(asked)))


class UpdateTarget(NamedTuple):
    """Which feature a PUT is about."""

    key: SdkKey
    feature_key: str


def update_target(asked: Asked) -> UpdateTarget:
    """Return what a PUT's path names; raises NotFound, or BadRequest for one segment that holds no key."""
    *parts, feature_key = _segments(asked)
    if len(parts) == 1:
        # A whole key in one segment; some clients write the slash as a plus.
        parts = parts[0].replace("+", "/").split("/")
        if len(parts) not in {2, 3}:
            raise MalformedKey
    key = SdkKey.parse("/".join(parts))
    if key is None or not feature_key:
        raise UnknownKey
    return UpdateTarget(key, feature_key)


def _segments(asked: Asked) -> list[str]:
    """Return the path's segments after `/features/`, decoded one by one: `%2F` is no separator."""
    _, _, tail = asked.path.partition(_PREFIX)
    return [unquote(segment) for segment in tail.decode("latin-1").split("/")]
