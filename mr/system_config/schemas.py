"""Wire types of the installation's settings."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from mr.api.models import WireModel


class SystemConfig(WireModel):
    key: str
    encrypted: bool
    version: int
    value: Any = None


class SystemConfigs(WireModel):
    configs: list[SystemConfig] = []


class UpdatedSystemConfig(WireModel):
    """A null value takes the setting's value away."""

    nullable_members: ClassVar[frozenset[str]] = frozenset({"value"})

    key: str = ""
    version: int = -1
    value: Any = None


class UpdatedSystemConfigs(WireModel):
    tryOut: list[str] | None = None
    configs: list[UpdatedSystemConfig] = Field([], max_length=100)


class SystemConfigDecryptResult(WireModel):
    result: str | None = None
