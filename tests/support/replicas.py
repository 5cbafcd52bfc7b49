"""Models of what published SDKs do with the events of a stream, and a world whose features come and go.

All kinds hold features by key and drop lower versions. `JsLike` replaces everything at `features`;
`PythonLike` never drops what is merely missing, and ignores an equal version with an equal value; `JavaLike`
does the same to deletions, which take the value away and leave the rest.
The world keeps MR's promises (versions never fall per key, tombstones), nothing else.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from common.contracts.environments import EnvironmentSnapshot
from common.contracts.features import Tombstone
from tests.support.sources import environment, feature, identity

FOREVER = 1 << 40


def events_of(data: bytes) -> list[tuple[str, Any]]:
    """The events in what a stream sent: names and decoded data."""
    found = []
    for block in data.decode("ascii").split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        assert set(fields) <= {"event", "id", "data"}
        found.append((fields["event"], json.loads(fields["data"])))
    return found


@dataclass
class JsLike:
    """What the JavaScript SDKs hold."""

    features: dict[str, dict[str, Any]] = field(default_factory=dict)

    def hear(self, name: str, data: Any) -> None:
        if name == "features":
            for state in data:
                self._update(state)
            present = {state["key"] for state in data}
            self.features = {key: held for key, held in self.features.items() if key in present}
        elif name == "feature":
            self._update(data)
        elif name == "delete_feature":
            held = self.features.get(data["key"])
            if held and (not data.get("version") or data["version"] >= held["version"]):
                del self.features[data["key"]]

    def _update(self, state: dict[str, Any]) -> None:
        held = self.features.get(state["key"])
        if held is None or state["version"] >= held["version"]:
            self.features[state["key"]] = state


@dataclass
class PythonLike:
    """What the Python SDK holds."""

    features: dict[str, dict[str, Any]] = field(default_factory=dict)

    def hear(self, name: str, data: Any) -> None:
        if name == "features":
            for state in data:
                self._update(state)
        elif name == "feature":
            self._update(data)
        elif name == "delete_feature":
            self.features.pop(data["key"], None)

    def _update(self, state: dict[str, Any]) -> None:
        held = self.features.get(state["key"])
        if held is not None:
            if state["version"] < held["version"]:
                return
            if state["version"] == held["version"] and state.get("value") == held.get("value"):
                return
        self.features[state["key"]] = state


@dataclass
class JavaLike(PythonLike):
    """What the SDKs for Java up to 3 hold; without a value means deleted: the world's all have one."""

    held: dict[str, dict[str, Any]] = field(default_factory=dict)

    def hear(self, name: str, data: Any) -> None:
        for state in data if name == "features" else [data]:
            if name in {"features", "feature", "delete_feature"}:
                self._hold({**state, "value": None} if name == "delete_feature" else state)
        self.features = {key: state for key, state in self.held.items() if state["value"] is not None}

    def _hold(self, state: dict[str, Any]) -> None:
        held = self.held.get(state["key"])
        known = (-1, None) if held is None else (held["version"], held["value"])
        if state["version"] > known[0] or (state["version"] == known[0] and state["value"] != known[1]):
            self.held[state["key"]] = state


@dataclass
class Row:
    """One feature of the world."""

    id: str
    key: str
    value: str
    version: int
    filters: tuple[str, ...] = ()
    retired: bool = False


@dataclass
class World:
    """One environment whose features come, change and go."""

    rows: dict[str, Row] = field(default_factory=dict)
    tombstones: dict[str, Tombstone] = field(default_factory=dict)
    floors: dict[str, int] = field(default_factory=dict)
    revision: int = 0
    made: int = 0

    def snapshot(self) -> EnvironmentSnapshot:
        self.revision += 1
        states = [
            feature(
                row.key,
                row.value,
                version=row.version,
                feature_type="STRING",
                feature_id=row.id,
                retired=row.retired,
                filters=row.filters,
            )
            for row in self.rows.values()
        ]
        return environment(*states, revision=self.revision, tombstones=self.tombstones.values())

    def create(self, key: str, filters: tuple[str, ...] = ()) -> None:
        if key not in self.rows:
            self.made += 1
            self._deliver(Row(identity(f"{key}-{self.made}"), key, "new", 0, filters))

    def change(self, key: str) -> None:
        self._touch(key, lambda row: setattr(row, "value", f"v{row.version}"))

    def same_value(self, key: str) -> None:
        self._touch(key, lambda _row: None)

    def retire(self, key: str) -> None:
        self._touch(key, lambda row: setattr(row, "retired", not row.retired))

    def filter(self, key: str, filters: tuple[str, ...]) -> None:
        self._touch(key, lambda row: setattr(row, "filters", filters))

    def delete(self, key: str) -> None:
        row = self.rows.pop(key, None)
        if row is not None:
            self._bury(row, key)

    def rename(self, key: str, new: str) -> None:
        if key in self.rows and new not in self.rows:
            row = self.rows.pop(key)
            self._bury(row, key)
            row.key = new
            self._deliver(row)

    def swap(self, one: str, two: str) -> None:
        """Two features exchange their keys between two snapshots."""
        if one in self.rows and two in self.rows and one != two:
            first, second = self.rows.pop(one), self.rows.pop(two)
            first.key, second.key = two, one
            self._deliver(first)
            self._deliver(second)

    def _touch(self, key: str, edit: Callable[[Row], None]) -> None:
        row = self.rows.get(key)
        if row is not None:
            edit(row)
            self._deliver(row)

    def _deliver(self, row: Row) -> None:
        row.version = max(self.floors.get(row.key, 0), row.version) + 1
        self.floors[row.key] = row.version
        self.rows[row.key] = row
        self.tombstones.pop(row.key, None)

    def _bury(self, row: Row, key: str) -> None:
        self.tombstones[key] = Tombstone(
            key=key,
            feature_id=row.id,
            type="STRING",
            filters=row.filters,
            until=FOREVER,
            version=self.floors[key],
        )
