"""The base of every wire type: null means absent, unknown members are ignored, scalars are coerced.

Subclasses carry the member names of the wire contract. Must not know the database.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

DASHED_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


class WireModel(BaseModel):
    """A JSON object of the contract.

    `nullable_members` names those in which null means something else than absence.
    """

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    nullable_members: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        if not isinstance(data, dict) or None not in data.values():
            return data
        keep = cls.nullable_members
        return {name: value for name, value in data.items() if value is not None or name in keep}

    def gave(self, name: str) -> bool:
        """True when the sender gave this member."""
        return name in self.model_fields_set


def _no_control_characters(text: str) -> str:
    if any(character < " " or character == "\x7f" for character in text):
        raise ValueError("holds control characters")
    return text


def _email(text: str) -> str:
    if not _EMAIL.fullmatch(text):
        raise ValueError("is not an e-mail address")
    return text


Name = Annotated[str, AfterValidator(_no_control_characters)]
Email = Annotated[str, AfterValidator(_email), Field(json_schema_extra={"format": "email"})]
