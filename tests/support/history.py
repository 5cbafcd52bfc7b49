"""What must come of a driver's edits, and what anybody ever saw of them.

A `Book` holds one application as its acknowledged edits leave it, and the doubts: edits without an answer,
which happened or did not. A `History` holds every version that a watcher was shown. Does no I/O and knows
no API: the driver writes here, watchers note here, the judge reads.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from common.contracts.features import FeatureState
from tests.support.admin import Account
from tests.support.judge import Delivered, as_held
from tests.support.ledger import ledger

MOST_FAULTS = 50


@dataclass(frozen=True)
class Setting:
    """A feature in one environment; of its strategies only the values, in their order."""

    value: Any
    locked: bool
    retired: bool = False
    strategies: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Feature:
    """A feature with its settings by environment."""

    kind: str
    settings: Mapping[str, Setting]
    filters: frozenset[str] = frozenset()

    @classmethod
    def new(cls, kind: str, environments: Iterable[str], filters: frozenset[str] = frozenset()) -> "Feature":
        """As the API makes one: a boolean is false and locked, every other type begins without a value."""
        boolean = kind == "BOOLEAN"
        first = Setting(False if boolean else None, locked=boolean)
        return cls(kind, dict.fromkeys(environments, first), filters)

    def with_setting(self, environment_id: str, setting: Setting) -> "Feature":
        return replace(self, settings={**self.settings, environment_id: setting})


@dataclass(frozen=True)
class Policy:
    """What a service account may see: these environments; these filters' features, or all when none."""

    account: Account
    environments: frozenset[str]
    filters: frozenset[str] = frozenset()

    def sees(self, feature: Feature) -> bool:
        return not self.filters or bool(self.filters & feature.filters)


@dataclass(frozen=True)
class Doubt:
    """An edit without an answer: each key is as before it or as after it, all of them alike."""

    what: str
    before: Mapping[str, Feature | None]
    after: Mapping[str, Feature | None]


Stored = Mapping[str, Mapping[str, FeatureState]]
"""What the database delivers: environment → key → state."""


@dataclass
class Book:
    """One application: what its features must be, key by key; None in an edit = the key is gone."""

    environments: tuple[str, ...]
    features: dict[str, Feature] = field(default_factory=dict)
    doubts: list[Doubt] = field(default_factory=list)

    @property
    def doubtful(self) -> set[str]:
        """Keys that must be left alone: an edit of theirs may still happen."""
        return {key for doubt in self.doubts for key in doubt.after}

    def write(self, edit: Mapping[str, Feature | None]) -> None:
        for key, feature in edit.items():
            if feature is None:
                self.features.pop(key, None)
            else:
                self.features[key] = feature

    def doubt(self, what: str, edit: Mapping[str, Feature | None]) -> None:
        self.doubts.append(Doubt(what, {key: self.features.get(key) for key in edit}, dict(edit)))

    def settled(self, stored: Stored) -> list[bool]:
        """Say of each doubt whether it happened; raise if what is stored is neither."""
        answers = []
        for doubt in self.doubts:
            wrong = {
                happened: self._wrong(edit, stored)
                for happened, edit in ((False, doubt.before), (True, doubt.after))
            }
            true = [happened for happened, faults in wrong.items() if not faults]
            if not true:
                raise AssertionError(f"{doubt.what}: neither done nor undone: {wrong}")
            answers.append(true[0])
        return answers

    def settle(self, stored: Stored) -> None:
        """Take what is stored for what happened of the doubtful."""
        for doubt, happened in zip(self.doubts, self.settled(stored), strict=True):
            self.write(doubt.after if happened else doubt.before)
        self.doubts.clear()

    def wrong(self, stored: Stored) -> list[str]:
        """Answer every difference between the book and what is stored."""
        keys = {key for states in stored.values() for key in states} | self.features.keys()
        return self._wrong({key: self.features.get(key) for key in keys - self.doubtful}, stored)

    def _wrong(self, edit: Mapping[str, Feature | None], stored: Stored) -> list[str]:
        faults = []
        for environment in self.environments:
            for key, feature in edit.items():
                state = stored[environment].get(key)
                found = None if state is None else _as_written(state)
                wanted = None
                if feature is not None:
                    wanted = (feature.kind, feature.filters, feature.settings[environment])
                if found != wanted:
                    faults.append(f"{key} in {environment} is {found}, must be {wanted}")
        return faults

    def visible(self, policy: Policy, environment: str, stored: Stored) -> dict[str, Delivered]:
        """What an account of this policy should hold of an environment, with the stored versions."""
        return {
            key: as_held(state)
            for key, state in stored[environment].items()
            if not state.retired and key in self.features and policy.sees(self.features[key])
        }


def _as_written(state: FeatureState) -> tuple[str, frozenset[str], Setting]:
    value = None if state.value is None else json.loads(state.value)
    strategies = json.loads(state.strategies or b"[]")
    setting = Setting(
        value, state.locked, state.retired, tuple(strategy.get("value") for strategy in strategies)
    )
    return state.type, frozenset(state.filters), setting


class History:
    """What was acknowledged and what was shown, per environment, key and version; and every fault.

    A version is one content, for ever and everywhere: whoever sees it later, on any Edge, sees the same.
    """

    def __init__(self) -> None:
        self.changes = 0
        self.faults: list[str] = []
        self.backward_steps = 0
        self._sent: defaultdict[str, set[str]] = defaultdict(set)
        self._acknowledged: defaultdict[tuple[str, str], dict[int, str]] = defaultdict(dict)
        self._seen: defaultdict[tuple[str, str], dict[int, Delivered]] = defaultdict(dict)

    def fault(self, told: str) -> None:
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(told)

    def stepped_back(self, who: str, told: str) -> None:
        self.backward_steps += 1
        ledger().stepped_back()
        self.fault(f"{who}: {told}")

    def note_sent(self, environment_id: str, value: Any) -> None:
        """Somebody asked for this value; whether it came to be is not known yet."""
        self._sent[environment_id].add(json.dumps(value))

    def note_acknowledged(self, environment_id: str, key: str, version: int, value: Any) -> None:
        versions, told = self._acknowledged[environment_id, key], json.dumps(value)
        if versions and version < max(versions):
            self.stepped_back("MR", f"{key} fell from {max(versions)} to {version}")
        if versions.setdefault(version, told) != told:
            self.fault(f"{key} version {version} was acknowledged as {versions[version]} and as {told}")

    def note_seen(self, environment_id: str, key: str, held: Delivered) -> None:
        versions = self._seen[environment_id, key]
        known = versions.setdefault(held.version, held)
        if known is not held and known != held:
            self.fault(f"{key} was seen as {known} and as {held}")

    def check(self) -> None:
        """Fail on any fault so far, and if anybody saw what nobody wrote or other than acknowledged."""
        for (environment, key), versions in self._seen.items():
            sent, acknowledged = self._sent[environment], self._acknowledged.get((environment, key), {})
            for version, held in versions.items():
                told = json.dumps(held.value)
                if held.value not in {None, False} and told not in sent:
                    self.fault(f"{key} version {version} was seen as {told}, which nobody wrote")
                if acknowledged.get(version, told) != told:
                    self.fault(
                        f"{key} version {version} was seen as {told}, acknowledged as {acknowledged[version]}"
                    )
        assert not self.faults, "\n".join(self.faults)

    def lost(self, environment_id: str, stored: Mapping[str, FeatureState]) -> list[str]:
        """Answer the keys of an environment that are stored below a version that was acknowledged."""
        found = []
        for (environment, key), versions in self._acknowledged.items():
            if environment == environment_id and key in stored and stored[key].version < max(versions):
                found.append(f"{key} is at {stored[key].version}, acknowledged was {max(versions)}")
        return found
