"""What is held, and the indexes by which it is found. Must not know when a value may be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.contracts.events import CounterId

if TYPE_CHECKING:
    from common.contracts.environments import AccountRecord, EnvironmentSnapshot
    from common.revisions.held import AnyHeld, Held


class Values:
    """Environments by id, accounts by id and by both their keys."""

    def __init__(self) -> None:
        self.environments: dict[str, Held[EnvironmentSnapshot]] = {}
        self.accounts: dict[str, Held[AccountRecord]] = {}
        self.keys: dict[str, Held[AccountRecord]] = {}

    def __len__(self) -> int:
        return len(self.environments) + len(self.accounts)

    def counters(self) -> list[CounterId]:
        """Every counter of which there is a value."""
        environments = [CounterId("environment", each) for each in self.environments]
        return environments + [CounterId("account", each) for each in self.accounts]

    def find(self, counter: CounterId) -> AnyHeld | None:
        if counter.kind == "environment":
            return self.environments.get(counter.id)
        return self.accounts.get(counter.id)

    def put_environment(self, held: Held[EnvironmentSnapshot]) -> None:
        self.environments[held.value.id] = held

    def put_account(self, held: Held[AccountRecord]) -> None:
        self.accounts[held.value.id] = held
        self.index(held)

    def remove(self, counter: CounterId) -> None:
        if counter.kind == "environment":
            self.environments.pop(counter.id, None)
            return
        held = self.accounts.pop(counter.id, None)
        if held is not None:
            self.unindex(held)

    def index(self, held: Held[AccountRecord]) -> None:
        """Let an account be found by the keys that it has."""
        for key_hash in held.value.key_hashes:
            self.keys[key_hash] = held

    def unindex(self, held: Held[AccountRecord]) -> None:
        """Let an account no longer be found by the keys that it has."""
        for key_hash in held.value.key_hashes:
            if self.keys.get(key_hash) is held:
                del self.keys[key_hash]
