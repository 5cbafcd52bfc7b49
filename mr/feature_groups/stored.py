"""Strategies of feature groups as MR keeps them: a JSON array, with ids that SDKs will see. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mr.api.json_body import encode, parse
from mr.feature_groups.schemas import GroupRolloutStrategy
from mr.strategies.schemas import RolloutStrategy
from mr.strategies.stored import short_id, store_attributes
from mr.strategies.validation import require_usable

ID_PREFIX: Final = "!"


def store_strategies(wanted: Sequence[GroupRolloutStrategy], *, group_name: str, before: str) -> str:
    """Read the strategies of a request; known ids stay, others are made. Raises UnusableStrategy.

    A strategy without a name goes by its group's.
    """
    require_usable(
        [
            RolloutStrategy(
                name=each.name or group_name, percentage=each.percentage, attributes=each.attributes
            )
            for each in wanted
        ],
        path="strategies",
    )
    known = {members["id"] for members in parse(before.encode())}
    taken: set[str] = set()
    stored: list[dict[str, Any]] = []
    for each in wanted:
        identity = each.id
        if identity is None or identity not in known or identity in taken:
            identity = short_id(known | taken, prefix=ID_PREFIX)
        taken.add(identity)
        members = {name: member for name, member in each.__dict__.items() if member is not None}
        attributes = parse(store_attributes(each.attributes).encode())
        stored.append(members | {"id": identity, "attributes": attributes})
    return encode(stored).decode()


def load_strategies(text: str) -> list[GroupRolloutStrategy]:
    """Read what `store_strategies` wrote."""
    return [GroupRolloutStrategy(**members) for members in parse(text.encode())]
