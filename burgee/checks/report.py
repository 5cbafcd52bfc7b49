"""What was found, as lines for people or JSON for programs."""

import json
from collections.abc import Sequence
from importlib.metadata import version

from burgee.checks.findings import Finding, fail, good
from burgee.reference import used
from common.settings import Settings, SettingsFault


def as_lines(findings: Sequence[Finding], settings: Settings) -> str:
    """The settings that would be used, and below them what was found."""
    return "\n".join([*(f"{name}={value}" for name, value in used(settings)), "", *map(str, findings)])


def as_json(
    process: str, findings: Sequence[Finding | SettingsFault], settings: Settings | None = None
) -> str:
    """The same; without settings when they are faulty."""
    told = [each if isinstance(each, Finding) else fail(str(each), "correct it") for each in findings]
    return json.dumps(
        {
            "process": process,
            "release": version("burgee"),
            "ok": good(told),
            "findings": [each.members() for each in told],
            "settings": {} if settings is None else dict(used(settings)),
        },
        indent=2,
    )
