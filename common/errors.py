"""The families of errors that are answers: what a caller did, or what we cannot do right now.

    AppError
    ├── BadRequest        400, with a list of field faults
    ├── Unauthenticated   401
    ├── Forbidden         403
    ├── NotFound          404
    ├── Conflict          409
    ├── Precondition      412
    ├── StaleVersion      422
    └── Unavailable       503, with Retry-After

A subject subclasses the family that fits where it raises, with its own `code`; where the wire contract
demands another status, the subclass says so. Anything that is not an AppError is a bug. Knows nothing
of HTTP libraries: `common.web` turns these into problem documents.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldFault:
    """What is wrong with one member of a request; `field` is its path, like `strategies.0.percentage`."""

    field: str
    detail: str


class AppError(Exception):
    """An error that is an answer. `detail` is shown to the caller, so it never holds a secret."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "error"

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail or self.title())
        self.detail = detail

    @classmethod
    def title(cls) -> str:
        """Say in words what `code` says: the same for every occurrence."""
        return cls.code.replace("-", " ").capitalize()

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that belong to the answer."""
        return {}

    @property
    def field_faults(self) -> Sequence[FieldFault]:
        """The members of the request that are at fault, where that is known."""
        return ()


class BadRequest(AppError):
    status = 400
    code = "bad-request"

    def __init__(self, detail: str | None = None, *, fields: Sequence[FieldFault] = ()) -> None:
        super().__init__(detail)
        self._fields = tuple(fields)

    @property
    def field_faults(self) -> Sequence[FieldFault]:
        return self._fields


class Unauthenticated(AppError):
    status = 401
    code = "unauthenticated"

    @property
    def headers(self) -> Mapping[str, str]:
        return {"WWW-Authenticate": "Bearer"}


class Forbidden(AppError):
    status = 403
    code = "forbidden"


class NotFound(AppError):
    status = 404
    code = "not-found"


class Conflict(AppError):
    status = 409
    code = "conflict"


class Precondition(AppError):
    status = 412
    code = "precondition-failed"


class StaleVersion(AppError):
    """The caller's copy is older than ours: load again, then repeat."""

    status = 422
    code = "stale-version"


class Unavailable(AppError):
    """We do not know right now, and say so rather than guess; the same request may succeed soon."""

    status = 503
    code = "unavailable"

    def __init__(self, detail: str | None = None, *, retry_after_seconds: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": str(self.retry_after_seconds)}


class Mendable(Exception):
    """Something that whoever started the process can mend; its text is one line that says how."""
