"""What operators see of a split world: a trace per change, health, metrics; and no secret anywhere."""

import asyncio
import json
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from tests.support.admin import EMAIL, PASSWORD, Admin, open_admin
from tests.support.collector import CollectedSpan, Collector, running_collector
from tests.support.identity import Visitor
from tests.support.listener import open_listener
from tests.support.oidc import lying_provider
from tests.support.ports import free_port
from tests.support.processes import BurgeeProcess
from tests.support.prometheus import ABSENT, Prometheus, board_expressions, prometheus
from tests.support.prometheus import SERVER as SERVER_OF_METRICS
from tests.support.sign_in import exchange_code
from tests.support.split import Shape, Split, running_split
from tests.support.streams import open_stream
from tests.support.waiting import DeadlineMissed, eventually
from tests.support.world import World, open_world

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SERVER, CLIENT, PRODUCER, CONSUMER, INTERNAL = 2, 3, 4, 5, 1
COMMON = {
    "BURGEE_DRAIN_SECONDS": "0.1",
    # Everything that could be logged is.
    "BURGEE_LOG_LEVEL": "debug",
    "OTEL_BSP_SCHEDULE_DELAY": "100",
}
WEBHOOK_KEY, WEBHOOK_HEADER, SEALING = "a-signing-key-of-tests", "Bearer webhook-sesame", "a sealing password"
CREATE = "POST /mr-api/application/{id}/features"
CLIENT_SECRET = "a-client-secret-of-tests"


@dataclass
class Seen:
    """A split world, its collector, and where its identity provider is going to be."""

    split: Split
    collector: Collector
    provider_port: int

    @property
    def mr(self) -> BurgeeProcess:
        return self.split.mrs[0]

    @property
    def edge(self) -> BurgeeProcess:
        return self.split.edges[0]

    async def span(self, trace_id: str, service: str, name: str) -> CollectedSpan:
        found = await eventually(
            lambda: self.collector.one(trace_id, service, name),
            within_seconds=45,
            what=f"{name} of {service} among {[(s.service, s.name) for s in self.collector.trace(trace_id)]}",
        )
        assert found is not None
        return found


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    port = free_port()
    file = tmp_path_factory.mktemp("providers") / "providers.toml"
    file.write_text(
        f'[sso]\nkind = "oidc"\nissuer = "http://127.0.0.1:{port}"\nclient_id = "burgee"\n'
        f'client_secret = "{CLIENT_SECRET}"\npeople = "automatic"\n'
    )
    mr = {
        "BURGEE_SIGN_IN_FILE": str(file),
        "BURGEE_OUTGOING_PRIVATE_NETWORKS": "127.0.0.0/8",
        "BURGEE_ENCRYPTION_PASSWORD": SEALING,
    }
    with running_collector() as collector:
        # One by the setting, the others by the standard variable.
        settings = {"mr": mr | {"BURGEE_TRACE_ENDPOINT": collector.url}}
        common = COMMON | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        shape = Shape(mr=1, dacha=1, edge=1, edge_rest=1, settings=settings, common=common)

        def known_by_its_address(split: Split) -> None:
            split.mrs[0].settings["BURGEE_PUBLIC_URL"] = split.mrs[0].url

        with running_split(shape, before=known_by_its_address) as split:
            yield Seen(split, collector, port)


@pytest.fixture
async def world(seen: Seen):
    async with open_world(seen.mr.url, seen.edge.port, seen.split.token) as made:
        seen.split.token = made.admin.token
        yield made


def begun() -> tuple[str, str, dict[str, str]]:
    """A trace that somebody outside began: its id, the id of their span, and their header."""
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    return trace_id, span_id, {"traceparent": f"00-{trace_id}-{span_id}-01"}


async def toggle(world: World, key: str, headers: dict[str, str]) -> None:
    path = f"{world.url}/mr-api/features/{world.environment_id}/feature/{key}"
    authorized = {"authorization": f"Bearer {world.admin.token}", **headers}
    row = await world.admin.value(world.environment_id, key)
    body = {"key": key, "version": row["version"] if row else 0, "locked": False, "value": True}
    async with world.admin.http.put(path, json=body, headers=authorized) as answer:
        assert answer.status == 200, await answer.text()


# ----------------------------------------------------------------------------------------------- traces


async def test_one_toggle_is_one_trace_through_every_process(seen: Seen, world: World) -> None:
    await world.create("TRACED")
    trace_id, outside, headers = begun()
    async with open_stream(seen.edge.url, world.client_key) as stream:
        await stream.heard("features")
        await toggle(world, "TRACED", headers)
        await stream.changed("TRACED", value=True)
        request = await seen.span(trace_id, "mr", "PUT /mr-api/features/{eid}/feature/{key}")
        publish = await seen.span(trace_id, "mr", "publish environment")
        at_dacha = await seen.span(trace_id, "dacha", "apply environment")
        at_edge = await seen.span(trace_id, "edge", "apply environment")
        fan_out = await seen.span(trace_id, "edge", "fan out")
    assert request.parent_id == outside
    assert publish.parent_id == request.span_id
    assert at_dacha.parent_id == at_edge.parent_id == publish.span_id
    assert fan_out.parent_id == at_edge.span_id
    kinds = [each.kind for each in (request, publish, at_dacha, at_edge, fan_out)]
    assert kinds == [SERVER, PRODUCER, CONSUMER, CONSUMER, INTERNAL]
    assert (fan_out.attributes["burgee.streams"], fan_out.attributes["burgee.streams.reached"]) == ("1", "1")
    assert request.attributes["http.response.status_code"] == "200"
    assert len(seen.collector.trace(trace_id)) == 5
    assert re.fullmatch(r"edge-[0-9a-f]{16}", fan_out.instance)
    (line,) = await eventually(lambda: requests_logged(seen.mr, trace_id), what="the request in the log")
    assert line["request_id"] == request.attributes["burgee.request_id"]


def requests_logged(process: BurgeeProcess, trace_id: str) -> list[dict[str, object]]:
    """The requests of a trace that a process has written down so far, as whole lines."""
    *lines, _ = process.log_path.read_text().split("\n")
    logged = [json.loads(line) for line in lines if trace_id in line]
    return [each for each in logged if each["event"] == "request"]


async def test_nobody_needs_to_have_begun_a_trace_for_a_change_to_have_one(seen: Seen, world: World) -> None:
    await world.create("MINE")

    def followed() -> bool:
        roots = [each for each in seen.collector.spans if each.name == CREATE and not each.parent_id]
        return any(seen.collector.one(each.trace_id, "edge", "apply environment") for each in roots)

    await eventually(followed, within_seconds=45, what="a trace from the creation of a feature to Edge")


async def test_polls_are_traced_for_those_who_ask_for_it_alone(seen: Seen, world: World) -> None:
    before = len(seen.collector.spans)
    trace_id, outside, headers = begun()
    unsampled = {"traceparent": f"00-{secrets.token_hex(16)}-{outside}-00"}
    async with aiohttp.ClientSession() as http:
        for each in ({}, unsampled, headers):
            poll = http.get(f"{seen.edge.url}/features", params={"apiKey": world.server_key}, headers=each)
            async with poll as answer:
                assert answer.status == 200
    poll_span = await seen.span(trace_id, "edge", "GET /features")
    assert poll_span.parent_id == outside
    polls = [each for each in seen.collector.spans[before:] if each.name == "GET /features"]
    assert len(polls) == 1
    assert unsampled["traceparent"][3:35] not in {each.trace_id for each in seen.collector.spans}


async def test_what_a_traced_poll_makes_others_do_is_in_its_trace(seen: Seen) -> None:
    # An environment that was never asked for: Edge asks Dacha, and Dacha asks MR. What somebody else began to
    # load a moment before is shared, and in their trace: then the next environment shows it.
    everybody = {"burgee-edge", "burgee-dacha", "burgee-mr"}
    for _ in range(5):
        trace_id = await polled_in_a_trace(seen)
        await seen.span(trace_id, "edge", "GET /features")
        with suppress(DeadlineMissed):
            await eventually(
                lambda told=trace_id: everybody <= {each.service for each in seen.collector.trace(told)},
                within_seconds=8,
            )
            return
    raise AssertionError("no trace of a poll has spans of all three processes")


async def polled_in_a_trace(seen: Seen) -> str:
    """Poll an environment that is new, with a trace that is; answer its id."""
    trace_id, _, headers = begun()
    async with (
        open_world(seen.mr.url, seen.edge.port, seen.split.token) as world,
        aiohttp.ClientSession() as http,
    ):
        seen.split.token = world.admin.token
        asked = {"apiKey": world.client_key}
        async with http.get(f"{seen.edge.url}/features", params=asked, headers=headers) as answer:
            assert answer.status == 200
    return trace_id


async def test_a_webhook_is_sent_within_the_trace_of_its_change(seen: Seen, world: World) -> None:
    await world.create("HOOKED")
    async with open_listener() as listener:
        await connect_webhook(world, f"{listener.url}/hook")
        trace_id, _, headers = begun()
        await toggle(world, "HOOKED", headers)
        delivery = await seen.span(trace_id, "mr", "deliver webhook")
        (heard,) = [each for each in listener.heard if trace_id in each.headers.get("traceparent", "")]
    request = await seen.span(trace_id, "mr", "PUT /mr-api/features/{eid}/feature/{key}")
    assert delivery.kind == CLIENT
    assert delivery.parent_id == request.span_id
    assert heard.headers["traceparent"] == f"00-{trace_id}-{delivery.span_id}-01"


async def connect_webhook(world: World, endpoint: str) -> None:
    found = await world.admin.call("GET", f"/environment/{world.environment_id}")
    settings = {
        "webhook.features.enabled": "true",
        "webhook.features.endpoint": endpoint,
        "webhook.features.signature-key": WEBHOOK_KEY,
        "webhook.features.headers.Authorization": WEBHOOK_HEADER,
        "webhook.features.encrypt": "webhook.features.headers.Authorization,webhook.features.signature-key",
    }
    await world.admin.call(
        "PUT",
        f"/environment/{world.environment_id}/v2",
        {"version": found["version"], "webhookEnvironmentInfo": settings},
        includeDetails="true",
    )


# ------------------------------------------------------------------------- health, versions, metrics

NAMES = {"mr": "management-repository", "dacha": "dacha2", "edge": "edge-full", "edge-rest": "edge-rest"}


async def test_every_process_tells_its_health_and_version_as_the_contract_says(seen: Seen) -> None:
    async with aiohttp.ClientSession() as http:
        for process in seen.split.processes:
            for path in ("/health/liveness", "/health/readiness", "/health/readyness", "/metrics"):
                async with http.get(f"{process.url}{path}") as answer:
                    assert answer.status == 200, (process.name, path)
            async with http.get(f"{process.url}/info/version") as answer:
                told = await answer.json()
            assert told["name"] == NAMES[process.kind]
            assert re.fullmatch(r"\d+\.\d+.*", told["version"])
            assert process.metric("burgee_build_info", version=told["version"]) == 1


@pytest.mark.skipif(SERVER_OF_METRICS is None, reason=ABSENT)
async def test_a_real_prometheus_scrapes_every_process_and_understands_every_panel(
    seen: Seen, world: World, tmp_path: Path
) -> None:
    await world.create("SCRAPED")
    async with open_stream(seen.edge.url, world.client_key) as stream:
        await stream.heard("features")
        await toggle(world, "SCRAPED", {})
        await stream.changed("SCRAPED", value=True)
    targets: dict[str, list[str]] = {}
    for process in seen.split.processes:
        targets.setdefault(process.kind, []).append(process.url.removeprefix("http://"))
    async with prometheus(targets, tmp_path) as server:
        await eventually(
            lambda: all_up(server, len(seen.split.processes)), within_seconds=60, what="all to be scraped"
        )
        for where, expression in board_expressions().items():
            assert isinstance(await server.ask(expression), list), where
        assert (await server.value("sum(burgee_edge_propagation_seconds_count)") or 0) >= 1
        assert (await server.value('sum(burgee_relay_revisions_total{kind="environment"})') or 0) >= 1
        assert not await server.ask('ALERTS{alertstate="firing"}')


async def all_up(server: Prometheus, count: int) -> bool:
    return await server.value("sum(up)") == count


# ---------------------------------------------------------------------------------------------- secrets


async def test_no_secret_is_in_any_log_or_trace(seen: Seen, world: World) -> None:
    """Everything that opens a door is used, well and badly, at every process that takes it."""
    used = {EMAIL: PASSWORD, "sealing": SEALING, "webhook": WEBHOOK_KEY, "header": "webhook-sesame"}
    used |= {"client secret": CLIENT_SECRET, "wrong password": "a wrong pass of somebody"}
    used |= seen.split.secrets()
    async with open_admin(seen.mr.url) as admin:
        used["session"] = admin.token
        await admin.try_call("POST", "/login", {"email": EMAIL, "password": used["wrong password"]})
        used |= await use_keys(seen, world, admin)
        await use_webhook(world)
        used["signed in elsewhere"] = await sign_in_elsewhere(seen)
        await admin.call("POST", "/burgee/sign-in-code", {"code": "no-such-code-at-all"}, expect=404)
    await refused_inside(seen, used)
    for process in seen.split.processes:
        written = process.log_path.read_text()
        assert '"event": "request"' in written, process.name
        for what, secret in used.items():
            assert secret not in written, (process.name, what)
    sent = b"".join(seen.collector.requests)
    assert b"/mr-api/" in sent
    for what, secret in used.items():
        assert secret.encode() not in sent, what


async def use_keys(seen: Seen, world: World, admin: Admin) -> dict[str, str]:
    """Poll, stream and update with keys that are good, reset, unknown and mangled."""
    fresh = await admin.reset_keys(world.account.id)
    keys = {
        "client": world.account.client_key,
        "server": world.account.server_key,
        "fresh client": fresh.client_key,
        "fresh server": fresh.server_key,
        "unknown": secrets.token_urlsafe(30),
    }
    doors = [process.url for process in (*seen.split.edges, *seen.split.edge_rests)]
    async with aiohttp.ClientSession() as http:
        for url in doors:
            for key in keys.values():
                whole = f"{world.environment_id}/{key}"
                await asked(http, "GET", f"{url}/features?apiKey={whole}")
                await asked(
                    http, "GET", f"{url}/features?apiKey={quote(whole, safe='')}&apiKey=junk", **traced()
                )
                await asked(http, "GET", f"{url}/features/{whole}", accept="text/plain", **traced())
                await asked(http, "PUT", f"{url}/features/{whole}/NONE", b'{"value": ', **traced())
                await asked(http, "PUT", f"{url}/features/{whole}/NONE", b'{"value": true}', **traced())
                await asked(http, "DELETE", f"{url}/features/{whole}")
                await asked(http, "GET", f"{url}/{whole}/elsewhere", **traced())
            await mangled(url, f"{world.environment_id}/{fresh.server_key}")
        for key in keys.values():
            await asked(
                http, "GET", f"{seen.mr.url}/mr-api/service-account/{key}", authorization=f"Bearer {key}"
            )
            await asked(http, "GET", f"{seen.mr.url}/features?apiKey={world.environment_id}/{key}")
    return keys


async def asked(
    http: aiohttp.ClientSession, method: str, url: str, body: bytes | None = None, **headers: str
) -> None:
    """Send it, whatever becomes of it; of a stream only the beginning."""
    async with http.request(method, URL(url, encoded=True), data=body, headers=headers) as answer:
        await answer.content.read(1)


def traced() -> dict[str, str]:
    return begun()[2]


async def mangled(url: str, key: str) -> None:
    """Send requests that no parser takes, with a key in them."""
    host, port = url.removeprefix("http://").split(":")
    for line in (
        f"GET /features?apiKey={key} HTTP/9.9",
        f"GET /features/{key} x HTTP/1.1",
        f"{key} / HTTP/1.1",
    ):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"{line}\r\nhost: x\r\n\r\n".encode())
        async with asyncio.timeout(30):
            await reader.read()
        writer.close()


async def use_webhook(world: World) -> None:
    """Deliver to an endpoint; then make a feature when the endpoint is gone."""
    await world.create("SECRETLY")
    async with open_listener() as listener:
        await connect_webhook(world, f"{listener.url}/hook")
        await toggle(world, "SECRETLY", {})
        heard = await listener.wait_for(1)
        assert heard[0].headers["authorization"] == WEBHOOK_HEADER
    await world.create("SECRETLY_LOST")


async def sign_in_elsewhere(seen: Seen) -> str:
    """Sign in with the identity provider; answer the token that this gave."""
    async with lying_provider(seen.provider_port) as provider, aiohttp.ClientSession() as http:
        visitor = Visitor(http)
        page = await visitor.get(f"{seen.mr.url}/mr-api/external-provider/sso")
        back = provider.approve(json.loads(page.text)["redirectUrl"])
        page = await visitor.get(back, until=f"{seen.mr.url}/login")
        status, told = await exchange_code(seen.mr.url, visitor, page)
        assert status == 200, told
        return str(told["accessToken"])


async def refused_inside(seen: Seen, used: dict[str, str]) -> None:
    """Knock at the internal API of a Dacha with tokens that are not for it, and with those that are."""
    async with aiohttp.ClientSession() as http:
        for token in (used["internal token of Edges"], used["internal token of Dachas"], used["session"]):
            for process in (*seen.split.dachas, *seen.split.mrs):
                await asked(http, "GET", f"{process.url}/internal/state", authorization=f"Bearer {token}")
