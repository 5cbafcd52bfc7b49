"""One application edited at random, step by step, through the management API of several MRs.

A lane does one edit at a time, so what must come of it is known exactly. What was not sent is not counted;
what was sent and not answered is a doubt, and its keys are left alone until `tests.support.driver` settled
it. Knows nothing of caches, Edges or SDKs.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import aiohttp

from tests.support.admin import ALL_ROLES, Account, Admin, attribute, strategy
from tests.support.history import Book, Feature, History, Policy, Setting

KINDS = ("BOOLEAN", "STRING", "NUMBER", "JSON")
TYPED = ("value", "valueString", "valueNumber", "valueBoolean", "valueJson")
ANSWER_SECONDS = 4.0
"""An MR that has not answered by then is taken for dead or frozen, for a while."""
BENCH_SECONDS = 0.3
UNAVAILABLE = 503

Edit = Mapping[str, Feature | None]


class Weights(NamedTuple):
    """How often each deed is done, against the others."""

    value: int = 30
    several: int = 4
    lock: int = 4
    retire: int = 4
    strategies: int = 4
    create: int = 3
    rename: int = 3
    delete: int = 2
    filters: int = 2
    permissions: int = 1
    account_filters: int = 1
    keys: int = 1


VALUES_ONLY = Weights(*(0,) * len(Weights._fields))._replace(value=1)


class Unsent(Exception):
    """The edit did not reach an MR, for certain."""


class Unanswered(Exception):
    """The edit was sent, and nobody said what came of it."""


class Desk:
    """The MRs: an edit goes to one that was not silent a moment ago."""

    def __init__(self, admins: Sequence[Admin], dice: random.Random) -> None:
        self.admins = tuple(admins)
        self.answers: Counter[int] = Counter()
        self._dice = dice
        self._benched: dict[int, float] = {}

    def choose(self) -> Admin:
        now = asyncio.get_running_loop().time()
        fit = [each for each in self.admins if self._benched.get(id(each), 0.0) <= now]
        if not fit:
            raise Unsent
        return self._dice.choice(fit)

    async def read(self, admin: Admin, path: str, **query: str) -> Any:
        """Answer a body; None when there is none such. Raises Unsent: a read changes nothing."""
        try:
            status, text = await self._call(admin, "GET", path, None, **query)
        except Unanswered:
            raise Unsent from None
        if status == 404:
            return None
        assert status == 200, f"GET {path} answered {status}: {text[:300]}"
        return json.loads(text)

    async def write(self, admin: Admin, method: str, path: str, body: Any = None, **query: str) -> Any:
        status, text = await self._call(admin, method, path, body, **query)
        assert status in {200, 201, 204}, f"{method} {path} answered {status}: {text[:300]}"
        return json.loads(text) if text else None

    async def _call(self, admin: Admin, method: str, path: str, body: Any, **query: str) -> tuple[int, str]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                status, text = await admin.try_call(method, path, body, **query)
        except aiohttp.ClientConnectorError:
            self._bench(admin)
            # Where a kept connection dies under a PUT or DELETE, aiohttp sends it once more: the first
            # one may have been carried out, although this one found nobody.
            raise (Unanswered if method in {"PUT", "DELETE"} else Unsent) from None
        except (aiohttp.ClientError, TimeoutError):
            self._bench(admin)
            raise Unanswered from None
        self.answers[status] += 1
        if status == UNAVAILABLE:
            # It may have lost its database in the middle of a commit.
            self._bench(admin)
            raise Unanswered
        return status, text

    def _bench(self, admin: Admin) -> None:
        self._benched[id(admin)] = asyncio.get_running_loop().time() + BENCH_SECONDS


@dataclass(frozen=True)
class Ground:
    """Where a lane works: an application, and the account that watchers use, which is never changed."""

    portfolio_id: str
    application_id: str
    environments: tuple[str, ...]
    watcher: Account
    filters: tuple[str, ...] = ()

    def key(self, environment_id: str, *, client: bool = True) -> str:
        return self.watcher.sdk_key(environment_id, client=client)

    @property
    def keys(self) -> tuple[str, ...]:
        """The watcher's client key for each environment."""
        return tuple(self.key(environment) for environment in self.environments)


@dataclass
class Lane:
    """One application, edited step by step."""

    ground: Ground
    desk: Desk
    history: History
    dice: random.Random
    weights: Weights
    book: Book
    policies: dict[str, Policy] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    """SDK keys that were reset: nobody may be served under them."""
    unsure: set[str] = field(default_factory=set)
    """Accounts with an edit without an answer."""
    editable: tuple[str, ...] = ()
    """Where values are edited; by default in all of the ground's environments."""
    unsent: int = 0
    unanswered: int = 0
    said: list[str] = field(default_factory=list)
    made: int = 0
    _rows: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    async def step(self) -> int:
        """Do one deed that is possible now; answer how many changes were acknowledged."""
        deeds = self._deeds()
        possible = [name for name in deeds if getattr(self.weights, name)]
        if not possible:
            return await self.create()
        (name,) = self.dice.choices(possible, [getattr(self.weights, each) for each in possible])
        return await deeds[name]()

    async def _edit(self, what: str, edit: Edit, send: Callable[[Admin], Awaitable[Any]]) -> bool:
        """Send it, and write into the book what came of it; answer whether it was acknowledged."""
        self.said.append(what)
        try:
            await send(self.desk.choose())
        except Unsent:
            self.unsent += 1
            await asyncio.sleep(BENCH_SECONDS / 3)
            return False
        except Unanswered:
            self.unanswered += 1
            self.book.doubt(what, edit)
            self._forget_rows(edit)
            return False
        self.book.write(edit)
        self.history.changes += 1
        return True

    def _deeds(self) -> dict[str, Callable[[], Awaitable[int]]]:
        """What can be done now."""
        there = self._free_keys()
        deeds: dict[str, Callable[[], Awaitable[int]]] = {}
        if there:
            deeds |= {name: getattr(self, name) for name in ("value", "lock", "retire", "strategies")}
            deeds["rename"] = self.rename
        if len(there) > 3:
            deeds |= {"several": self.several, "delete": self.delete}
        if len(there) < 30:
            deeds["create"] = self.create
        if there and self.ground.filters:
            deeds["filters"] = self.filters
        if self.policies.keys() - self.unsure:
            deeds |= {"permissions": self.permissions, "keys": self.keys}
            if self.ground.filters:
                deeds["account_filters"] = self.account_filters
        return deeds

    def _free_keys(self) -> list[str]:
        return sorted(self.book.features.keys() - self.book.doubtful)

    def _any(self) -> tuple[str, str, Feature, Setting]:
        """A feature in one of the environments."""
        key = self.dice.choice(self._free_keys())
        environment = self.dice.choice(self.editable or self.ground.environments)
        feature = self.book.features[key]
        return environment, key, feature, feature.settings[environment]

    def _new_value(self, kind: str, old: Any) -> Any:
        self.made += 1
        name = f"{self.ground.application_id[:8]}-{self.made}"
        number = self.made + 0.25
        return {"BOOLEAN": not old, "STRING": name, "NUMBER": number, "JSON": json.dumps({"n": name})}[kind]

    # ------------------------------------------------------------------ values

    async def value(self) -> int:
        environment, key, feature, old = self._any()
        new = replace(old, value=self._new_value(feature.kind, old.value), locked=False)
        return await self._set(environment, key, new)

    async def lock(self) -> int:
        environment, key, _, old = self._any()
        return await self._set(environment, key, replace(old, locked=not old.locked))

    async def retire(self) -> int:
        environment, key, _, old = self._any()
        return await self._set(environment, key, replace(old, locked=False, retired=not old.retired))

    async def strategies(self) -> int:
        environment, key, feature, old = self._any()
        values = tuple(self._new_value(feature.kind, old.value) for _ in range(self.dice.randrange(3)))
        return await self._set(environment, key, replace(old, locked=False, strategies=values))

    async def _set(self, environment: str, key: str, new: Setting) -> int:
        feature = self.book.features[key]

        async def send(admin: Admin) -> None:
            body = await self._body(admin, environment, key, new)
            self.history.note_sent(environment, new.value)
            path = f"/features/{environment}/feature/{key}"
            self._acknowledge(environment, new, await self.desk.write(admin, "PUT", path, body))

        edit = {key: feature.with_setting(environment, new)}
        return int(await self._edit(f"set {key} to {new}", edit, send))

    async def several(self) -> int:
        """A few values of one environment in one request."""
        environment = self.dice.choice(self.editable or self.ground.environments)
        chosen = self.dice.sample(self._free_keys(), 3)
        features = {key: self.book.features[key] for key in chosen}
        new = {}
        for key, feature in features.items():
            old = feature.settings[environment]
            new[key] = replace(old, value=self._new_value(feature.kind, old.value), locked=False)

        async def send(admin: Admin) -> None:
            rows = [await self._body(admin, environment, key, each) for key, each in new.items()]
            for each in new.values():
                self.history.note_sent(environment, each.value)
            answer = await self.desk.write(admin, "PUT", f"/features/{environment}", rows)
            for row in answer:
                if row["key"] in new:
                    self._acknowledge(environment, new[row["key"]], row)

        edit = {key: feature.with_setting(environment, new[key]) for key, feature in features.items()}
        done = await self._edit(f"set {', '.join(chosen)}", edit, send)
        self.history.changes += (len(chosen) - 1) * done
        return len(chosen) * done

    async def _body(self, admin: Admin, environment: str, key: str, new: Setting) -> dict[str, Any]:
        row = self._rows.get((environment, key))
        if row is None:
            row = await self.desk.read(admin, f"/features/{environment}/feature/{key}") or {}
        body = {"key": key, "version": 0} | {name: each for name, each in row.items() if name not in TYPED}
        body |= {"value": new.value, "locked": new.locked, "retired": new.retired}
        if new.strategies != self.book.features[key].settings[environment].strategies:
            body["rolloutStrategies"] = [
                strategy(f"rule {number}", value, attribute("userkey", "EQUALS", [f"user {number}"]))
                for number, value in enumerate(new.strategies)
            ]
        return body

    def _acknowledge(self, environment: str, new: Setting, row: dict[str, Any]) -> None:
        self._rows[environment, row["key"]] = row
        self.history.note_acknowledged(environment, row["key"], row["version"], new.value)

    def _forget_rows(self, edit: Edit) -> None:
        for key in edit:
            for environment in self.ground.environments:
                self._rows.pop((environment, key), None)

    # ------------------------------------------------------------------ features

    async def create(self) -> int:
        # A key that was there before must come back above its former version: so names are few.
        free = [f"key-{each}" for each in range(60)]
        taken = self.book.features.keys() | self.book.doubtful
        key = self.dice.choice([each for each in free if each not in taken])
        kind = self.dice.choice(KINDS)
        chosen = [each for each in self.ground.filters if self.dice.random() < 0.3]
        body = {"key": key, "name": f"Feature {key}", "valueType": kind, "featureFilter": chosen}
        edit = {key: Feature.new(kind, self.ground.environments, frozenset(chosen))}
        path = f"/application/{self.ground.application_id}/features"
        return await self._structure(
            f"create {key} {kind}", edit, lambda admin: self.desk.write(admin, "POST", path, body)
        )

    async def rename(self) -> int:
        key = self.dice.choice(self._free_keys())
        taken = self.book.features.keys() | self.book.doubtful
        to = self.dice.choice([f"key-{each}" for each in range(60) if f"key-{each}" not in taken])
        edit = {key: None, to: self.book.features[key]}
        return await self._structure(
            f"rename {key} {to}", edit, lambda admin: self._change(admin, key, {"key": to})
        )

    async def filters(self) -> int:
        key = self.dice.choice(self._free_keys())
        chosen = [each for each in self.ground.filters if self.dice.random() < 0.5]
        edit = {key: replace(self.book.features[key], filters=frozenset(chosen))}
        return await self._structure(
            f"filter {key}", edit, lambda admin: self._change(admin, key, {"featureFilter": chosen})
        )

    async def delete(self) -> int:
        key = self.dice.choice(self._free_keys())
        return await self._structure(
            f"delete {key}",
            {key: None},
            lambda admin: self.desk.write(admin, "DELETE", self._path(key)),
        )

    def _path(self, key: str) -> str:
        return f"/application/{self.ground.application_id}/features/{key}"

    async def _change(self, admin: Admin, key: str, changes: dict[str, Any]) -> None:
        definition = await self.desk.read(admin, self._path(key), includeFilters="true")
        await self.desk.write(admin, "PUT", self._path(key), definition | changes)

    async def _structure(self, what: str, edit: Edit, send: Callable[[Admin], Awaitable[Any]]) -> int:
        done = await self._edit(what, edit, send)
        self._forget_rows(edit)
        return int(done)

    # ------------------------------------------------------------------ accounts

    async def permissions(self) -> int:
        policy = self._any_policy()
        allowed = [each for each in self.ground.environments if self.dice.random() < 0.6]
        granted = [{"environmentId": each, "permissions": list(ALL_ROLES)} for each in allowed]
        return await self._change_account(
            replace(policy, environments=frozenset(allowed)), {"permissions": granted}
        )

    async def account_filters(self) -> int:
        policy = self._any_policy()
        chosen = [each for each in self.ground.filters if self.dice.random() < 0.5]
        return await self._change_account(
            replace(policy, filters=frozenset(chosen)), {"featureFilters": chosen}
        )

    async def keys(self) -> int:
        policy = self._any_policy()

        async def send(admin: Admin) -> Policy:
            path = f"/service-account/{policy.account.id}/reset-api-key"
            return replace(policy, account=_account(await self.desk.write(admin, "POST", path)))

        return await self._edit_account(policy.account.id, "reset the keys", send)

    def _any_policy(self) -> Policy:
        return self.policies[self.dice.choice(sorted(self.policies.keys() - self.unsure))]

    async def _change_account(self, policy: Policy, changes: dict[str, Any]) -> int:
        async def send(admin: Admin) -> Policy:
            body = await self.read_account(admin, policy.account.id)
            path = f"/portfolio/{self.ground.portfolio_id}/service-account"
            await self.desk.write(admin, "PUT", path, body | changes, includePermissions="true")
            return policy

        return await self._edit_account(policy.account.id, f"permit {sorted(changes)}", send)

    async def _edit_account(
        self, account_id: str, what: str, send: Callable[[Admin], Awaitable[Policy]]
    ) -> int:
        self.said.append(f"{what} of {account_id}")
        try:
            self._know(await send(self.desk.choose()))
        except Unsent:
            self.unsent += 1
            await asyncio.sleep(BENCH_SECONDS / 3)
            return 0
        except Unanswered:
            self.unanswered += 1
            self.unsure.add(account_id)
            return 0
        self.history.changes += 1
        return 1

    async def read_account(self, admin: Admin, account_id: str) -> dict[str, Any]:
        path = f"/service-account/{account_id}"
        found = await self.desk.read(admin, path, includePermissions="true", includeFilters="true")
        assert isinstance(found, dict)
        return found

    def _know(self, policy: Policy) -> None:
        known = self.policies.get(policy.account.id)
        if known is not None and known.account != policy.account:
            self.refused += [known.account.sdk_key(each, client=True) for each in known.environments]
        self.policies[policy.account.id] = policy

    async def settle_accounts(self, admin: Admin) -> None:
        """Take what MR says for what happened of the doubtful."""
        for account_id in sorted(self.unsure):
            found = await self.read_account(admin, account_id)
            allowed = {each["environmentId"] for each in found["permissions"] if each["permissions"]}
            self._know(
                Policy(
                    _account(found),
                    frozenset(allowed & set(self.ground.environments)),
                    frozenset(found.get("featureFilters") or ()),
                )
            )
            self.unsure.discard(account_id)


def _account(answer: Mapping[str, Any]) -> Account:
    return Account(answer["id"], answer["apiKeyClientSide"], answer["apiKeyServerSide"])
