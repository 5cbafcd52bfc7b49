"""What SDKs write into URLs and headers, read into our own words.

Every SDK writes a little differently; the differences end here. Nothing here raises on malformed text
except where a status follows from it.
"""

from typing import Final, NamedTuple
from urllib.parse import unquote

from starlette.requests import Request

from common.contracts.environments import SdkKey
from common.errors import AppError, BadRequest, NotFound
from common.evaluation.context import EvaluationContext

# A guard, not a contract: each key may cost a look-up.
MOST_KEYS: Final = 200

_PREFIX: Final = b"/features/"
_JOINS_WITH_AMPERSAND: Final = frozenset({"python", "ruby"})


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


def sdk_name(request: Request) -> str:
    """Return which SDK is asking, as far as it says, in lower case; Java adds versions after a comma."""
    return request.headers.get("x-sdk", "").partition(",")[0].strip().lower()


def poll_keys(request: Request) -> list[SdkKey]:
    """Return the keys of a poll in order, each once; what cannot be a key is left out.

    Raises BadRequest when there is no parameter at all. `sdkUrl` is the older name and wins.
    """
    query = request.query_params
    texts = query.getlist("sdkUrl") or query.getlist("apiKey")
    if not texts:
        raise NoKeys
    if len(texts) > MOST_KEYS:
        raise TooManyKeys(f"One poll may ask for {MOST_KEYS} keys.")
    parsed = (SdkKey.parse(text) for text in texts)
    return list(dict.fromkeys(key for key in parsed if key is not None))


def poll_context(request: Request) -> EvaluationContext:
    """Return the context of a poll: all its header lines together."""
    return _context(request, _header_lines(request))


def stream_context(request: Request) -> EvaluationContext:
    """Return the context of a stream: browsers cannot set headers there, so the query wins."""
    query = request.query_params.getlist("xfeaturehub")
    return _context(request, query or _header_lines(request))


def _context(request: Request, lines: list[str]) -> EvaluationContext:
    return EvaluationContext.parse(lines, ampersand=sdk_name(request) in _JOINS_WITH_AMPERSAND)


def _header_lines(request: Request) -> list[str]:
    return [_text(value) for name, value in request.headers.raw if name == b"x-featurehub"]


def _text(value: bytes) -> str:
    """Some SDKs send raw UTF-8; what is not UTF-8 is Latin-1, as HTTP has it."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def stream_key(request: Request) -> SdkKey | None:
    """Return the key in a stream's path, in 1 (encoded), 2 or 3 segments; None = not a key."""
    return SdkKey.parse("/".join(_segments(request)))


class UpdateTarget(NamedTuple):
    """Which feature a PUT is about."""

    key: SdkKey
    feature_key: str


def update_target(request: Request) -> UpdateTarget:
    """Return what a PUT's path names; raises NotFound, or BadRequest for one segment that holds no key."""
    *parts, feature_key = _segments(request)
    if len(parts) == 1:
        # A whole key in one segment; some clients write the slash as a plus.
        parts = parts[0].replace("+", "/").split("/")
        if len(parts) not in {2, 3}:
            raise MalformedKey
    key = SdkKey.parse("/".join(parts))
    if key is None or not feature_key:
        raise UnknownKey
    return UpdateTarget(key, feature_key)


def _segments(request: Request) -> list[str]:
    """Return the path's segments after `/features/`, decoded one by one: `%2F` is no separator."""
    raw: bytes = request.scope["raw_path"]
    _, _, tail = raw.partition(_PREFIX)
    return [unquote(segment) for segment in tail.decode("latin-1").split("/")]
