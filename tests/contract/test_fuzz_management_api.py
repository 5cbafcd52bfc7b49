"""Every operation of the management API under generated requests, good and bad, from our own documents.

A real party server in its own process, called by all personas of the table of permissions: by turns by
somebody whom the table lets in, so that requests get far, and by somebody whom it does not, whom nothing may
let in. No answer is a 5xx, none comes late, none has an undocumented status, every refusal is a problem
document, and no secret reaches the log. The figures are printed at the end.
"""

import json
import os
import random
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from tests.support.cast import PASSWORD, Cast
from tests.support.operations import OPERATIONS, OWN
from tests.support.party import PartyProcess, running_party
from tests.support.personas import EVERYBODY, IN_APPLICATION, RULE_OF

pytestmark = [pytest.mark.slow, pytest.mark.integration]

# For longer hunts than a build can wait for: FUZZ_TIMES=50 make test …
# A hunt tries other requests each time; a build the same ones, or it would fail without a change.
TIMES = int(os.environ.get("FUZZ_TIMES", "1"))
HUNTING = TIMES > 1
EXAMPLES = {GenerationMode.POSITIVE: 5 * TIMES, GenerationMode.NEGATIVE: 4 * TIMES}
LONGEST_SECONDS = 15.0
# Known ids make requests go further than "there is no such thing".
KNOWN_SHARE = 0.8
REFUSALS = {400, 401, 403, 404, 405}
LOCKERS = frozenset({"locker", "creator"})
ADMIN_OF_ANOTHER = frozenset({"admin of another"})
# Whom some requests let in though the table does not: its call is one that needs all that there is to need.
SOMETIMES = {
    # Locking or unlocking, and leaving the value.
    "updateAllFeaturesForEnvironment": LOCKERS,
    "updateFeatureForEnvironment": LOCKERS,
    "createFeatureForEnvironment": LOCKERS,
    # Changing nothing at all, which shows what they may see.
    "updateAllFeatureValuesByApplicationForKey": IN_APPLICATION,
    # Changing nothing but the groups of the caller's own portfolio that somebody is in.
    "updatePerson": ADMIN_OF_ANOTHER,
    "updatePersonV2": ADMIN_OF_ANOTHER,
    # Naming no place: what happened in the caller's own portfolio.
    "findAuditEntries": ADMIN_OF_ANOTHER,
}
BODY_IDS = {
    "updatePortfolioOnOrganisation": "portfolio",
    "updatePortfolio": "portfolio",
    "updateApplicationOnPortfolio": "application",
    "updateApplication": "application",
    "updateEnvironmentOnApplication": "eid",
    "updateEnvironment": "eid",
    "updateGroupOnPortfolio": "gid",
    "updateGroupOnPortfolioV2": "gid",
    "updateServiceAccountOnPortfolio": "account",
    "updateServiceAccount": "account",
    "updateFeatureFilter": "filterId",
}


@dataclass
class Fuzzed:
    """A server under fuzzing, and what was seen of it."""

    party: PartyProcess
    schema: Any
    http: requests.Session
    # Its own: Hypothesis seeds the common one anew for each example.
    chance: random.Random = field(default_factory=lambda: random.Random(None if HUNTING else 1))
    ids: dict[str, str] = field(default_factory=dict)
    complete: bool = False
    cast: Cast = field(init=False)
    turns: dict[str, Iterator[str]] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    statuses: defaultdict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    operations: set[str] = field(default_factory=set)
    had_to_be_refused: int = 0

    def __post_init__(self) -> None:
        self.cast = Cast.make(self.call, self.party.token)
        self.secrets |= {PASSWORD, *self.cast.tokens.values()} - {""}

    def call(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        answer = self.http.request(
            method, f"{self.party.url}/mr-api{path}", json=body, params=query, timeout=20
        )
        return answer.json() if answer.ok and answer.content else None

    def ensure_world(self) -> None:
        """Make the things that known ids stand for anew, if an operation has put them away."""
        where = self.ids
        if self.complete:
            return
        self.complete = True
        if where and self.call("GET", f"/environment/{where['eid']}") is not None:
            person = self.call("GET", f"/person/{where['person']}", includeGroups="true")
            found = [
                (person or {}).get("groups") or None,
                self.call("GET", f"/group/{where['gid']}"),
                self.call("GET", f"/service-account/{where['account']}"),
                self.call("GET", f"/application/{where['appId']}/features/{where['key']}"),
            ]
            if None not in found:
                return
        number = self.chance.randrange(10**9)
        portfolio = self.call("POST", "/portfolio", {"name": f"P{number}", "description": ""})["id"]
        application = self.call(
            "POST",
            f"/portfolio/{portfolio}/application",
            {"name": f"A{number}", "description": ""},
            includeEnvironments="true",
        )
        environment = application["environments"][0]["id"]
        feature = {"key": "KNOWN", "name": "Known", "valueType": "BOOLEAN"}
        self.call("POST", f"/application/{application['id']}/features", feature)
        permission = {"environmentId": environment, "permissions": ["READ", "CHANGE_VALUE"]}
        account = self.call(
            "POST",
            f"/portfolio/{portfolio}/service-account",
            {"name": f"S{number}", "permissions": [permission]},
        )
        self.secrets |= {account["apiKeyClientSide"], account["apiKeyServerSide"]}
        # In a group that no request knows: whoever is in none may be managed by all administrators.
        hidden = self.call("POST", f"/portfolio/{portfolio}/group", {"name": "hidden"})["id"]
        invited = {"email": f"{number}@x.example", "personType": "person", "groupIds": [hidden]}
        person = self.call("POST", "/person", invited)
        self.secrets.add(person["token"])
        self.cast.place(portfolio, application["id"], environment)
        self.ids = {
            "portfolio": portfolio,
            "appId": application["id"],
            "application": application["id"],
            "eid": environment,
            "gid": self.call("POST", f"/portfolio/{portfolio}/group", {"name": "team"})["id"],
            "pId": person["personId"],
            "person": person["personId"],
            "authentication": person["personId"],
            "filterId": self.call("POST", f"/portfolio/{portfolio}/feature-filter", {"name": "f"})["id"],
            "account": account["id"],
            "service-account": account["id"],
            "key": "KNOWN",
        }

    def aim(self, case: Any, row: Any) -> None:
        """Put known ids into most paths, queries and bodies."""
        if self.chance.random() > KNOWN_SHARE:
            return
        parameters = dict(case.path_parameters or {})
        for name in parameters:
            owner = case.path.partition("{" + name + "}")[0].rstrip("/").rpartition("/")[2]
            known = self.ids.get(owner if name == "id" else name)
            if known is not None:
                parameters[name] = known
        case.path_parameters = parameters
        if isinstance(case.body, dict) and row.id in BODY_IDS and "id" in case.body:
            case.body["id"] = self.ids[BODY_IDS[row.id]]
        for part in (case.body, case.query):
            for name, kind in (("environmentId", "eid"), ("applicationId", "appId"), ("version", "")):
                if isinstance(part, dict) and name in part and self.chance.random() < 0.5:
                    part[name] = self.ids[kind] if kind else 1

    def caller(self, operation: str) -> str:
        """Whose turn it is: by turns of those whom the table lets in and of the others, from anywhere on."""
        if operation not in self.turns:
            self.turns[operation] = self._turns_at(operation)
        return next(self.turns[operation])

    def _turns_at(self, operation: str) -> Iterator[str]:
        let_in = RULE_OF[operation]
        sides = [sorted(side) for side in (let_in, EVERYBODY - let_in) if side]
        rounds = [cycle(self.chance.sample(side, len(side))) for side in sides]
        while True:
            yield from map(next, rounds)

    def send(self, case: Any, row: Any) -> None:
        self.aim(case, row)
        persona = self.caller(row.id)
        began = time.monotonic()
        # Given here as well: a generated header would take the place of the session's.
        answer = case.call(
            base_url=self.party.url,
            session=self.http,
            timeout=20,
            headers={"authorization": f"Bearer {self.cast.tokens[persona]}"},
        )
        took = time.monotonic() - began
        if "authorization" not in answer.request.headers:
            persona = "nobody"  # a bad request can be one that leaves this header out
        self.statuses[persona][answer.status_code] += 1
        self.operations.add(row.id)
        takes_away = row.method == "DELETE" or row.id in {"updatePerson", "updatePersonV2"}
        self.complete = self.complete and not (takes_away and answer.status_code < 300)
        told = f"as {persona}: {case.as_curl_command()}\n{answer.status_code} {answer.text[:2000]}"
        assert answer.status_code < 500, told
        assert took < LONGEST_SECONDS, told
        if answer.status_code >= 400 and answer.content:
            kind = answer.headers["content-type"][0]
            # Refused strategies and a missing set-up have bodies of their own; what is not HTTP at all is
            # refused before there is a request to answer.
            documents = ("application/problem+json", "application/json")
            assert kind.startswith(documents) or answer.text == "Invalid HTTP request received.", told
            assert "Traceback" not in answer.text, told
        elsewhere = {404, 405, 400}  # a generated path may lead to another operation, or to none
        assert answer.status_code in row.statuses | elsewhere, told
        assert answer.status_code != 401 or persona == "nobody", told  # all others stay signed in
        straight = all(str(each).replace("-", "").isalnum() for each in (case.path_parameters or {}).values())
        if straight and persona not in RULE_OF[row.id] | SOMETIMES.get(row.id, frozenset()):
            self.had_to_be_refused += 1
            assert answer.status_code in REFUSALS or answer.text in {"false", "[]"}, told

    def figures(self) -> str:
        """What was seen, over all and of each persona."""
        total: Counter[int] = sum(self.statuses.values(), Counter())
        failed = sum(count for status, count in total.items() if status >= 500)
        lines = [
            f"fuzzing: {total.total()} requests, {len(self.operations)} operations, 5xx: {failed}",
            f"  by status: {dict(sorted(total.items()))}",
            f"  had to be refused: {self.had_to_be_refused}",
        ]
        for persona, statuses in sorted(self.statuses.items()):
            let_in = sum(count for status, count in statuses.items() if status < 300)
            by_status = dict(sorted(statuses.items()))
            lines.append(f"  {persona}: {statuses.total()} requests, {let_in} let in: {by_status}")
        return "\n".join(lines)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    with running_party(tmp_path_factory.mktemp("fuzz")) as party:
        with urllib.request.urlopen(f"{party.url}/mr-api/openapi.json", timeout=20) as answer:
            document = json.load(answer)
        http = requests.Session()
        http.headers["authorization"] = f"Bearer {party.token}"
        seen = Fuzzed(party, schemathesis.openapi.from_dict(document), http, secrets={party.token})
        yield seen
        http.close()
        print(f"\n{seen.figures()}")


@pytest.mark.parametrize("mode", list(EXAMPLES), ids=lambda mode: mode.value)
@pytest.mark.parametrize("row", [*OPERATIONS, *OWN], ids=lambda row: row.id)
def test_no_request_is_too_much(fuzzed: Fuzzed, row, mode):
    operation = fuzzed.schema[row.path][row.method]
    if row.id == "logout":
        pytest.skip("ends the caller's own session; tested by itself")
    if row.id == "listenToChanges":
        pytest.skip("does not end by itself; tested by itself")
    if mode is GenerationMode.NEGATIVE and not (
        operation.body or operation.query or operation.path_parameters
    ):
        pytest.skip("takes nothing that could be wrong")
    fuzzed.ensure_world()

    @settings(
        max_examples=EXAMPLES[mode],
        derandomize=not HUNTING,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # what fails is told in full; making it smaller would take minutes
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def fuzz(case: Any) -> None:
        fuzzed.send(case, row)

    try:
        fuzz()
    except Unsatisfiable:
        # There is no wrong value: anything but an empty text is a token or a name, and nothing else is taken.
        assert row.id in {"personByToken", "getLoginUrlForProvider"}


def test_nothing_secret_reached_the_log(fuzzed: Fuzzed):
    log = fuzzed.party.log_path.read_text(errors="replace")
    assert not [secret for secret in fuzzed.secrets if secret in log]
    assert "Traceback" not in log
