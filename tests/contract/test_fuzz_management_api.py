"""Every operation of the management API under generated requests, good and bad, from our own documents.

A real party server in its own process; most callers are signed in as a superuser, so that permissions hide
nothing, the others are strangers or nobody, whom nothing lets in. No answer is a 5xx, none comes late, none
has an undocumented status, every refusal is a problem document, and no secret reaches the log. The figures
are printed at the end.
"""

import json
import os
import random
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from tests.support.operations import OPERATIONS, OWN
from tests.support.party import PartyProcess, running_party
from tests.support.personas import RULE_OF

pytestmark = [pytest.mark.slow, pytest.mark.integration]

# For longer hunts than a build can wait for: FUZZ_TIMES=50 make test …
TIMES = int(os.environ.get("FUZZ_TIMES", "1"))
EXAMPLES = {GenerationMode.POSITIVE: 5 * TIMES, GenerationMode.NEGATIVE: 4 * TIMES}
LONGEST_SECONDS = 5.0
# Known ids make requests go further than "there is no such thing".
KNOWN_SHARE = 0.8
OUTSIDERS_SHARE = 0.25
REFUSALS = {400, 401, 403, 404, 405}
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
    chance: random.Random = field(default_factory=random.Random)
    ids: dict[str, str] = field(default_factory=dict)
    complete: bool = False
    stranger: str = ""
    secrets: set[str] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    operations: set[str] = field(default_factory=set)

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
            found = [
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
        person = self.call("POST", "/person", {"email": f"{number}@x.example", "personType": "person"})
        self.secrets.add(person["token"])
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
        """Put known ids into most paths and bodies."""
        if self.chance.random() > KNOWN_SHARE:
            return
        parameters = dict(case.path_parameters or {})
        for name in parameters:
            owner = case.path.partition("{" + name + "}")[0].rstrip("/").rpartition("/")[2]
            known = self.ids.get(owner if name == "id" else name)
            if known is not None:
                parameters[name] = known
        case.path_parameters = parameters
        if isinstance(case.body, dict):
            if row.id in BODY_IDS and "id" in case.body:
                case.body["id"] = self.ids[BODY_IDS[row.id]]
            for name, kind in (("environmentId", "eid"), ("applicationId", "appId"), ("version", "")):
                if name in case.body and self.chance.random() < 0.5:
                    case.body[name] = self.ids[kind] if kind else 1

    def caller(self) -> str:
        """Somebody at random, as `tests.support.personas` calls them."""
        if self.chance.random() > OUTSIDERS_SHARE:
            return "superuser"
        return self.chance.choice(("stranger", "nobody"))

    def token_of(self, persona: str) -> str:
        if persona == "stranger" and not self.stranger:
            account = {"name": "stranger", "personType": "serviceAccount"}
            self.stranger = self.call("POST", "/person", account)["token"]
            self.secrets.add(self.stranger)
        return {"superuser": self.party.token, "stranger": self.stranger, "nobody": ""}[persona]

    def send(self, case: Any, row: Any) -> None:
        self.aim(case, row)
        persona = self.caller()
        token = self.token_of(persona)
        began = time.monotonic()
        # Given here as well: a generated header would take the place of the session's.
        answer = case.call(
            base_url=self.party.url,
            session=self.http,
            timeout=20,
            headers={"authorization": f"Bearer {token}"},
        )
        took = time.monotonic() - began
        self.statuses[answer.status_code] += 1
        self.operations.add(row.id)
        self.complete = self.complete and not (row.method == "DELETE" and answer.status_code < 300)
        told = f"{case.as_curl_command()}\n{answer.status_code} {answer.text[:2000]}"
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
        straight = all(str(each).replace("-", "").isalnum() for each in (case.path_parameters or {}).values())
        if straight and persona not in RULE_OF[row.id]:
            refused = answer.status_code in REFUSALS or answer.text in {"false", "[]"}
            assert refused, f"as {persona}: {told}"


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
        failed = sum(count for status, count in seen.statuses.items() if status >= 500)
        print(
            f"\nfuzzing: {seen.statuses.total()} requests, {len(seen.operations)} operations,"
            f" 5xx: {failed}, by status: {dict(sorted(seen.statuses.items()))}"
        )


@pytest.mark.parametrize("mode", list(EXAMPLES), ids=lambda mode: mode.value)
@pytest.mark.parametrize("row", [*OPERATIONS, *OWN], ids=lambda row: row.id)
def test_no_request_is_too_much(fuzzed: Fuzzed, row, mode):
    operation = fuzzed.schema[row.path][row.method]
    if row.id == "logout":
        pytest.skip("ends the caller's own session; tested by itself")
    if mode is GenerationMode.NEGATIVE and not (
        operation.body or operation.query or operation.path_parameters
    ):
        pytest.skip("takes nothing that could be wrong")
    fuzzed.ensure_world()

    @settings(
        max_examples=EXAMPLES[mode],
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
        # There is no wrong value: anything but an empty text is a token, and nothing else is taken.
        assert row.id == "personByToken"


def test_nothing_secret_reached_the_log(fuzzed: Fuzzed):
    log = fuzzed.party.log_path.read_text(errors="replace")
    assert not [secret for secret in fuzzed.secrets if secret in log]
    assert "Traceback" not in log
