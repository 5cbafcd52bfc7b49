"""Raw bytes at the SDK side of a real party server: keys, headers, contexts, bodies that nobody would send.

Every connection is answered or closed in time, nothing is a 5xx but "I cannot know right now" for keys that
were never heard of, and no key reaches the log. The figures are printed at the end.
"""

import json
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote_from_bytes

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.party import PartyProcess, running_party

pytestmark = [pytest.mark.slow, pytest.mark.integration]

ANSWER_SECONDS = 15.0
"""Below the time that the server itself gives a head, which would end everything."""
BOUNDS = settings(
    max_examples=120,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)

junk = st.binary(max_size=60)
header_text = st.binary(max_size=200).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b""))
context = st.one_of(
    header_text,
    st.lists(
        st.tuples(st.sampled_from([b"userkey", b"country", b"version", b"device", b"x"]), junk).map(
            lambda pair: pair[0] + b"=" + quote_from_bytes(pair[1]).encode()
        ),
        max_size=8,
    ).map(b",".join),
    st.sampled_from([b"userkey=%", b"userkey=%zz", b"=,=,=", b"userkey", b",", b"userkey=" + b"%41" * 3000]),
)


@dataclass
class Target:
    """A server under fire, with an account it knows."""

    party: PartyProcess
    keys: list[bytes]
    statuses: Counter[str] = field(default_factory=Counter)

    def send(self, request: bytes, *, unfinished: bool = False) -> str:
        """Send raw bytes; return the status, or `closed` when there was no answer but an end.

        An unfinished request is followed by the end of what is sent: the server must not wait for more.
        """
        with socket.create_connection(("127.0.0.1", self.party.port), timeout=ANSWER_SECONDS) as connection:
            began = time.monotonic()
            try:
                connection.sendall(request)
                if unfinished:
                    connection.shutdown(socket.SHUT_WR)
                head = self._head(connection)
            except (ConnectionError, BrokenPipeError):
                head = b""
            assert time.monotonic() - began < ANSWER_SECONDS, request[:2000]
        status = head.split(b" ", 2)[1].decode() if head.startswith(b"HTTP/1.") else "closed"
        self.statuses[status] += 1
        assert head == b"" or head.startswith(b"HTTP/1."), (request[:2000], head[:200])
        return status

    @staticmethod
    def _head(connection: socket.socket) -> bytes:
        received = b""
        while b"\r\n\r\n" not in received:
            part = connection.recv(65536)
            if not part:
                break
            received += part
        return received


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with running_party(tmp_path_factory.mktemp("fuzz")) as party:
        seen = Target(party, _known_keys(party))
        yield seen
        print(f"\nfuzzing Edge: {seen.statuses.total()} requests, {dict(sorted(seen.statuses.items()))}")


def _known_keys(party: PartyProcess) -> list[bytes]:
    with requests.Session() as http:
        http.headers["authorization"] = f"Bearer {party.token}"

        def call(path: str, body: object, **query: str) -> dict:
            answer = http.post(f"{party.url}/mr-api{path}", json=body, params=query, timeout=20)
            answer.raise_for_status()
            return answer.json()

        portfolio = call("/portfolio", {"name": "P", "description": ""})["id"]
        application = call(
            f"/portfolio/{portfolio}/application",
            {"name": "A", "description": ""},
            includeEnvironments="true",
        )
        environment = application["environments"][0]["id"]
        feature = {"key": "KNOWN", "name": "Known", "valueType": "STRING"}
        call(f"/application/{application['id']}/features", feature)
        permission = {"environmentId": environment, "permissions": ["READ", "CHANGE_VALUE", "UNLOCK"]}
        account = {"name": "S", "permissions": [permission]}
        made = call(f"/portfolio/{portfolio}/service-account", account)
        return [f"{environment}/{made[name]}".encode() for name in ("apiKeyClientSide", "apiKeyServerSide")]


def _get(target: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
    lines = [b"GET " + target + b" HTTP/1.1", b"Host: localhost", b"Connection: close"]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


@BOUNDS
@given(data=st.data())
def test_contexts_and_headers_of_known_keys(target: Target, data):
    key = data.draw(st.sampled_from(target.keys))
    headers = [(b"x-featurehub", data.draw(context))]
    names = [b"if-none-match", b"x-sdk", b"x-forwarded-for", b"accept-encoding", b"traceparent", b"baggage"]
    headers += data.draw(st.lists(st.tuples(st.sampled_from(names), header_text), max_size=3))
    sha = quote_from_bytes(data.draw(junk)).encode()
    status = target.send(_get(b"/features?sdkUrl=" + key + b"&contextSha=" + sha, headers))
    # A header may be no header at all (a byte below 32): then it is refused before anybody looks at it.
    assert status in {"200", "304", "400"}


@BOUNDS
@given(data=st.data())
def test_keys_that_are_none(target: Target, data):
    known = data.draw(st.sampled_from(target.keys))
    key = data.draw(
        st.one_of(
            junk,
            st.sampled_from(
                [known[:-1], known + b"x", known.upper(), b"default/" + known, known * 40, b"//"]
            ),
            st.integers(0, len(known)).map(lambda cut: known[:cut]),
        )
    )
    spelled = data.draw(st.sampled_from([quote_from_bytes(key).encode(), key.replace(b" ", b"")]))
    path = data.draw(st.sampled_from([b"/features?sdkUrl=", b"/features/?apiKey=", b"/features/"]))
    status = target.send(_get(path + spelled, []), unfinished=b"\r" in spelled or b"\n" in spelled)
    assert not status.startswith("5") or status == "503", status


@BOUNDS
@given(data=st.data())
def test_bodies_of_updates(target: Target, data):
    key = data.draw(st.sampled_from(target.keys))
    scalar = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.just("x" * 10_000)
    )
    value = st.recursive(scalar, lambda inner: st.lists(inner, max_size=3), max_leaves=6)
    body = data.draw(
        st.one_of(
            junk,
            st.dictionaries(st.sampled_from(["value", "lock", "updateValue", "x"]), value, max_size=4).map(
                lambda members: json.dumps(members).encode()
            ),
            st.sampled_from(
                [b"", b"[" * 5000, b'{"value":' * 200, b'{"value": 1e999}', b'{"value":"\\ud800"}']
            ),
        )
    )
    length = data.draw(st.sampled_from([len(body), len(body) + 10, 0, 10**12, -1]))
    feature = data.draw(st.sampled_from([b"KNOWN", b"NONE", b"%00", b"%ff", b"a%2Fb"]))
    request = b"\r\n".join(
        [
            b"PUT /features/" + key + b"/" + feature + b" HTTP/1.1",
            b"Host: localhost",
            b"Connection: close",
            b"Content-Type: application/json",
            b"Content-Length: " + str(length).encode(),
            b"",
            body,
        ]
    )
    status = target.send(request, unfinished=length > len(body))
    assert not status.startswith("5"), (status, request[:2000])


@BOUNDS
@given(request=st.one_of(st.binary(max_size=400), st.binary(max_size=100).map(lambda raw: b"GET " + raw)))
def test_what_is_not_http_at_all(target: Target, request: bytes):
    status = target.send(request + b"\r\n\r\n", unfinished=True)
    assert not status.startswith("5"), (status, request)


def test_the_server_is_well_and_kept_its_secrets(target: Target):
    for key in target.keys:
        assert target.send(_get(b"/features?sdkUrl=" + key, [])) == "200"
    log = target.party.log_path.read_text(errors="replace")
    for key in target.keys:
        assert key.decode().partition("/")[2] not in log
    assert "Traceback" not in log
