"""The callers of `tests.support.personas`, signed in over the wire at a server in another process.

Each is made once and keeps its token; `place` gives them their parts in a portfolio, again in the next one.
Speaks the wire alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.personas import ROLES

Call = Callable[..., Any]
"""Makes a call as the superuser: method, path, body, query; the answer's body, or None if it was refused."""

PASSWORD = "a part to be played"
ELSEWHERE = ("admin of another", "stranger")
ADMINISTRATORS = ("admin", "admin account", "admin of another")
PEOPLE = ("admin", "admin of another", "member", "stranger", *ROLES)


@dataclass
class Cast:
    """Everybody who tries, and what they are signed in with."""

    call: Call
    tokens: dict[str, str]
    _ids: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, call: Call, superuser: str) -> "Cast":
        cast = cls(call, {"superuser": superuser, "nobody": ""})
        for number, name in enumerate(PEOPLE):
            cast._register(name, f"persona-{number}@x.example")
        account = cast._do("POST", "/person", {"name": "robot", "personType": "serviceAccount"})
        cast.tokens["admin account"], cast._ids["admin account"] = account["token"], account["personId"]
        other = cast._do("POST", "/portfolio", {"name": "Of the others", "description": ""})["id"]
        for name in ELSEWHERE:
            cast._join(name, other)
        return cast

    def place(self, portfolio: str, application: str, environment: str) -> None:
        """Let everybody but those from elsewhere be in the portfolio what they are called."""
        for name in self._ids.keys() - set(ELSEWHERE):
            group = self._join(name, portfolio)
            if name not in ROLES:
                continue
            in_environment, in_application = ROLES[name]
            here = {"environmentId": environment, "groupId": group["id"], "roles": in_environment}
            there = {"applicationId": application, "groupId": group["id"], "roles": in_application}
            self._do(
                "PUT",
                f"/portfolio/{portfolio}/v2/group",
                {
                    "id": group["id"],
                    "version": group["version"],
                    "environmentRoles": [here] if in_environment else [],
                    "applicationRoles": [there] if in_application else [],
                },
                updateEnvironmentGroupRoles="true",
                updateApplicationGroupRoles="true",
            )

    def _register(self, name: str, email: str) -> None:
        invited = self._do("POST", "/person", {"email": email, "personType": "person"})
        registration = {
            "name": name,
            "email": email,
            "password": PASSWORD,
            "confirmPassword": PASSWORD,
            "registrationToken": invited["token"],
        }
        self.tokens[name] = self._do("POST", "/authentication", registration)["accessToken"]
        self._ids[name] = invited["personId"]

    def _join(self, name: str, portfolio: str) -> Any:
        """Put somebody into the administrators' group of a portfolio, or else a new one."""
        if name in ADMINISTRATORS:
            shown = self._do("GET", f"/portfolio/{portfolio}", includeGroups="true")
            group = next(each for each in shown["groups"] if each.get("admin"))
        else:
            group = self._do("POST", f"/portfolio/{portfolio}/group", {"name": name})
        return self._do("POST", f"/group/{group['id']}/person/{self._ids[name]}")

    def _do(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        answer = self.call(method, path, body, **query)
        assert answer is not None, f"{method} {path} was refused: {body}"
        return answer
