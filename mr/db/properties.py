"""Feature properties: small texts made from a feature and where it belongs, by templates of a setting.

The setting is ``name=template`` pairs separated by commas; ``{feature.name}`` and the like are replaced:
``feature`` (key, name, description, link, alias), ``application`` and ``portfolio`` (name, description),
``metadata`` (members of the feature's metadata, when that is a JSON object; dots go deeper). Unknown
names give nothing. Plain replacement, no expressions: a setting is not a program.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIELD = re.compile(r"\{([A-Za-z0-9_.\-]+)\}")


@dataclass(frozen=True, slots=True)
class PropertyTemplates:
    """The templates of one setting; equal texts make equal properties."""

    templates: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> PropertyTemplates:
        """Read the setting; raises ValueError naming the part that is not ``name=template``."""
        pairs = []
        for part in filter(None, (each.strip() for each in text.split(","))):
            name, sign, template = part.partition("=")
            if not sign or not name.strip():
                raise ValueError(f"{part!r} is not name=template")
            pairs.append((name.strip(), template.strip()))
        return cls(tuple(pairs))

    @property
    def fingerprint(self) -> str:
        """Differs when the properties may differ."""
        return json.dumps(self.templates)

    def render(self, facts: Mapping[str, Any]) -> dict[str, str]:
        """Make the properties of one feature; ``facts["metadata"]`` may be JSON text."""
        if not self.templates:
            return {}
        known = {**facts, "metadata": _metadata(facts.get("metadata"))}
        return {
            name: _FIELD.sub(lambda match: _text(_lookup(known, match.group(1))), template)
            for name, template in self.templates
        }


NO_TEMPLATES: Final = PropertyTemplates()


def _metadata(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return None


def _lookup(facts: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(facts, dict):
            return None
        facts = facts.get(name)
    return facts


def _text(value: Any) -> str:
    if value is None or isinstance(value, dict | list):
        return ""
    return value if isinstance(value, str) else json.dumps(value)
