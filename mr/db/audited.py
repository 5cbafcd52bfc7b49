"""Which tables the audit tells of, and in what words: kinds of objects, parts of them, what stays hidden.

A new table has to be named here, among the audited or among those that only follow from others: a test
compares both with the schema. Does no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

HIDDEN: Final = "(hidden)"
"""Stands for a secret: that it changed is told, what it is never."""

NO_NAMES: Final = frozenset[str]()

_UNTOLD: Final = frozenset(
    {
        *("id", "created_at", "created_by", "updated_at", "updated_by", "last_seen_at", "last_used_at"),
        *("last_authenticated_at", "client_key_hash", "server_key_hash"),
    }
)
"""Who and when are told anyway, and hashes say nothing that their keys do not."""


@dataclass(frozen=True, slots=True)
class Told:
    """How rows of a table are told: as objects, or as the parts of one (`part`, named by `part_key`)."""

    kind: str
    owner: str = "id"
    part: str | None = None
    part_key: str = ""
    hidden: frozenset[str] = NO_NAMES
    json: frozenset[str] = NO_NAMES
    """Columns that hold JSON as text."""


AUDITED: Final[Mapping[str, Told]] = {
    "organization": Told("organization"),
    "portfolio": Told("portfolio"),
    "application": Told("application"),
    "environment": Told("environment"),
    "feature": Told("feature"),
    "feature_filter_link": Told("feature", "feature_id", "filters", "filter_id"),
    "feature_filter": Told("feature-filter"),
    "feature_value": Told("feature-value", json=frozenset({"value", "strategies"})),
    "strategy_use": Told(
        "feature-value", "feature_value_id", "applicationStrategies", "strategy_id", json=frozenset({"value"})
    ),
    "application_strategy": Told(
        "application-strategy", json=frozenset({"attributes", "percentage_attributes"})
    ),
    "feature_group": Told("feature-group", json=frozenset({"strategies"})),
    "feature_group_feature": Told(
        "feature-group", "group_id", "features", "feature_id", json=frozenset({"value"})
    ),
    "person_group": Told("group"),
    "group_member": Told("group", "group_id", "members", "person_id"),
    "group_environment_role": Told("group", "group_id", "environmentRoles", "environment_id"),
    "group_application_role": Told("group", "group_id", "applicationRoles", "application_id"),
    "service_account": Told("service-account", hidden=frozenset({"client_key", "server_key"})),
    "service_account_permission": Told("service-account", "account_id", "permissions", "environment_id"),
    "service_account_filter": Told("service-account", "account_id", "filters", "filter_id"),
    "person": Told(
        "person", hidden=frozenset({"password_hash", "registration_token_hash", "access_token_hash"})
    ),
    "login_session": Told("person", "person_id", "sessions", "id", hidden=frozenset({"token_hash"})),
    "hidden_environments": Told("person", "person_id", "hiddenEnvironments", "application_id"),
    "external_identity": Told("person", "person_id", "externalIdentities", "id"),
    "system_config": Told("system-config", "key", json=frozenset({"value"})),
}

DERIVED: Final = frozenset(
    {
        # What SDKs get of the audited, and the log of that.
        *("counter", "delivered", "delivered_environment", "delivered_account", "key_floor", "key_tombstone"),
        *("outbox", "feature_value_version"),
        # The machinery: leases, facts about the database, answers kept for repetition, the audit itself.
        *("relay", "system_state", "sdk_update", "audit"),
        # What others counted.
        "usage",
        # What is sent because of changes, and how that went.
        *("delivery", "delivery_attempt", "endpoint_health"),
        # Steps of a sign-in that is not done; once it is, a session begins.
        *("sign_in_code", "spent_assertion", "pending_set_up"),
    }
)

_OPEN_CONFIG: Final = re.compile(r"site\..*|slack\.(enabled|defaultChannel|messageFormat\..*)")
_OPEN_WEBHOOK: Final = re.compile(r".*\.(enabled|channel_name|encrypt|disabled|method)")
_LIKE_SECRET: Final = re.compile(
    r"token|secret|password|passwd|credential|auth|key|encrypted|salt|header",
    re.IGNORECASE,
)

Change = dict[str, Any]


def changes_of(told: Told, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Change:
    """Return ``{"before", "after"}`` by the name of each member that differs."""
    found: Change = {}
    for column in {**(before or {}), **(after or {})}:
        if column in _UNTOLD or (told.part is not None and column in {told.owner, told.part_key}):
            continue
        old, new = (_in_order(side.get(column)) for side in (before or {}, after or {}))
        if old == new:
            continue
        if isinstance(old or new, dict):
            found.update(_changed_map(column, old or {}, new or {}))
        else:
            found[_camel(column)] = _pair(_shower(told, column, before, after), old, new)
    if told.part is not None:
        return _as_part(told, before, after, found)
    return found


def name_of_part(told: Told, values: Mapping[str, Any]) -> str:
    """Return what a part is called within its object."""
    return f"{told.part}/{values[told.part_key]}"


def _as_part(
    told: Told, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, found: Change
) -> Change:
    name = name_of_part(told, after or before or {})
    if before is not None and after is not None:
        return {f"{name}/{member}": pair for member, pair in found.items()}
    side = "before" if after is None else "after"
    return {name: {side: {member: pair[side] for member, pair in found.items() if side in pair}}}


def _changed_map(column: str, old: Mapping[str, str], new: Mapping[str, str]) -> Change:
    found = {}
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            hidden = (
                not _OPEN_WEBHOOK.fullmatch(key) if column == "webhook_info" else _LIKE_SECRET.search(key)
            )
            found[f"{_camel(column)}/{key}"] = _pair(_hide if hidden else _plain, old.get(key), new.get(key))
    return found


def _shower(
    told: Told, column: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> Callable[[Any], Any]:
    if column in told.hidden:
        return _hide
    if told.kind == "system-config" and column == "value":
        key = (after or before or {}).get("key", "")
        return _raw if _OPEN_CONFIG.fullmatch(key) else _hide
    return _raw if column in told.json else _plain


def _pair(show: Callable[[Any], Any], old: Any, new: Any) -> dict[str, Any]:
    return {side: show(value) for side, value in (("before", old), ("after", new)) if value is not None}


def _hide(_value: Any) -> str:
    return HIDDEN


def _raw(value: str) -> msgspec.Raw:
    # A JSON token stays the text that it is: a number is never written again.
    return msgspec.Raw(value.encode())


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    return value


def _in_order(value: Any) -> Any:
    # Roles are a set: their order in memory is not that of the database.
    return sorted(value) if isinstance(value, tuple) else value


def _camel(column: str) -> str:
    first, *rest = column.split("_")
    return first + "".join(each.capitalize() for each in rest)
