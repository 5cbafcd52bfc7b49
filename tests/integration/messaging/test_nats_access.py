"""Who is let in, and who may say what: the shipped permissions, and every way of naming oneself."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from contextlib import AsyncExitStack
from importlib.metadata import version
from pathlib import Path

import nats
import pytest
import structlog.testing
import trustme
from prometheus_client import CollectorRegistry, generate_latest

from common.contracts.reports import Report
from common.errors import Unavailable
from common.messaging.nats import open_nats_bus
from tests.support.ears import Ear, heartbeat, plain_event
from tests.support.nats import bus_settings, running_nats
from tests.support.nats_accounts import Organisation, user_identity
from tests.support.waiting import eventually

PERMISSIONS = Path(__file__).parents[3] / "compose/nats/permissions.conf"
PASSWORDS = {role: f"password-of-{role}" for role in ("mr", "dacha", "edge", "party")}
ROOT = "burgee.default"

DENIED = {
    "mr": {
        "publish": ["q.dacha", "q.dacha.dacha-1", "q.update", "sync", "r.edge-1"],
        "subscribe": ["c.>", "q.dacha dacha", "q.dacha.>", "q.update", ">"],
    },
    "dacha": {
        "publish": ["c.e.x", "c.hb", "q.update", "q.dacha", "q.dacha.dacha-2"],
        "subscribe": ["q.update update", "q.dacha", "r.*", "sync", ">"],
    },
    "edge": {
        "publish": ["c.e.x", "c.a.x", "c.hb", "inbox.edge-2.x"],
        "subscribe": ["q.update update", "q.dacha dacha", "q.dacha.>", "q.>", "sync", ">"],
    },
    "party": {
        "publish": ["q.update", "q.dacha"],
        "subscribe": [">", "q.>", "q.update", "q.dacha"],
    },
}


@pytest.fixture(scope="module")
def server():
    passwords = {f"BURGEE_NATS_{role.upper()}_PASSWORD": word for role, word in PASSWORDS.items()}
    with running_nats(settings=PERMISSIONS.read_text(), environment=passwords) as running:
        yield running


def role_settings(server, role):
    return bus_settings(server.url, nats_user=role, nats_password=PASSWORDS[role])


def test_the_shipped_configuration_is_one_that_a_server_takes():
    passwords = {f"BURGEE_NATS_{role.upper()}_PASSWORD": word for role, word in PASSWORDS.items()}
    checked = subprocess.run(
        [Path(sys.executable).parent / "nats-server", "-t", "-c", PERMISSIONS.parent / "nats.conf"],
        env=os.environ | passwords,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


async def ignore(message):
    return


@pytest.mark.parametrize(
    ("role", "verb", "subject"),
    [
        (role, verb, subject)
        for role, verbs in DENIED.items()
        for verb, subjects in verbs.items()
        for subject in subjects
    ],
)
async def test_a_role_cannot_do_what_is_not_its_work(server, role, verb, subject):
    complaints = []

    async def complain(error):
        complaints.append(str(error))

    client = await nats.connect(server.url, user=role, password=PASSWORDS[role], error_cb=complain)
    try:
        name, _, queue = subject.partition(" ")
        full = name if name == ">" else f"{ROOT}.{name}"
        if verb == "publish":
            await client.publish(full, b"")
        else:
            await client.subscribe(full, queue=queue, cb=ignore)
        kind = "publish" if verb == "publish" else "subscription"
        await eventually(lambda: complaints)
        assert f"permissions violation for {kind}" in complaints[0]
        assert full in complaints[0]
    finally:
        await client.close()


async def test_each_role_can_do_its_work(server):
    async def echo(question):
        return question * 200_000

    async with AsyncExitStack() as stack:
        mr, dacha, edge = [
            await stack.enter_async_context(open_nats_bus(role_settings(server, role), instance=f"{role}-1"))
            for role in ("mr", "dacha", "edge")
        ]
        at_dacha, at_edge, reports_at_mr, reports_at_edge, syncs = Ear(), Ear(), [], [], []
        stack.callback(mr.on_sync(lambda: syncs.append(1)))
        for context in (
            dacha.subscribe(at_dacha),
            edge.subscribe(at_edge),
            dacha.serve("dacha", echo),
            dacha.serve("dacha.dacha-1", echo),
            mr.serve("update", echo),
            mr.on_report(reports_at_mr.append),
            edge.on_report(reports_at_edge.append),
        ):
            await stack.enter_async_context(context)
        await eventually(lambda: mr.connected and dacha.connected and edge.connected)

        async def asked():
            # Whoever asked before MR was there has given up asking.
            dacha.sync()
            edge.sync()
            return len(syncs) >= 2

        await eventually(asked)
        for bus, role in ((dacha, "dacha"), (edge, "edge")):
            report = Report(
                instance=bus.instance, role=role, epoch="e", position=1, live=True, release=version("burgee")
            )

            async def told(bus=bus, report=report):
                await bus.report(report)
                return report in reports_at_mr and report in reports_at_edge

            await eventually(told)

        async def heard():
            await mr.publish([plain_event(1)])
            await mr.beat(heartbeat(1))
            return at_dacha.heartbeats and at_edge.heartbeats

        await eventually(heard)
        assert at_dacha.positions
        assert at_edge.positions
        for word in ("dacha", "dacha.dacha-1", "update"):
            # In several parts: NATS has to let more than one answer through.
            assert await edge.request(word, b"12345678", seconds=30) == b"12345678" * 200_000
        assert [bus.metrics.violations for bus in (mr, dacha, edge)] == [0, 0, 0]


async def test_a_party_server_on_a_bus_can_do_the_work_of_mr_and_dacha(server):
    async def echo(question):
        return question

    async with (
        open_nats_bus(role_settings(server, "party"), instance="party-1") as party,
        open_nats_bus(role_settings(server, "edge"), instance="edge-1") as edge,
        party.serve("dacha", echo),
        party.serve("update", echo),
    ):
        await eventually(lambda: party.connected and edge.connected)
        await party.publish([plain_event(1)])
        for word in ("dacha", "update"):

            async def answered(word=word):
                try:
                    return await edge.request(word, b"?", seconds=30)
                except Unavailable:
                    return None

            assert await eventually(answered) == b"?"
        assert party.metrics.violations == 0


async def test_what_nats_forbids_is_told_to_the_publisher_to_the_log_and_in_the_metrics(server):
    registry = CollectorRegistry()
    async with open_nats_bus(role_settings(server, "edge"), instance="edge-1", registry=registry) as edge:
        await eventually(lambda: edge.connected)
        with structlog.testing.capture_logs() as logs:
            with pytest.raises(Unavailable, match="does not let"):
                await edge.publish([plain_event(1)])
            assert [each["event"] for each in logs] == ["bus.forbidden"]
            # Also where nothing changes: nobody would hear that somebody leads.
            with pytest.raises(Unavailable, match="does not let"):
                await edge.beat(heartbeat(1))
        metrics = generate_latest(registry).decode()
    assert "burgee_bus_permission_violations_total 2.0" in metrics
    assert "burgee_bus_connected 1.0" in metrics
    assert 'burgee_bus_messages_total{direction="out",kind="event"} 1.0' in metrics


async def test_a_wrong_password_is_logged_without_it_and_tried_again(server):
    settings = bus_settings(server.url, nats_user="mr", nats_password="a-wrong-password")
    with structlog.testing.capture_logs() as logs:
        async with open_nats_bus(settings, instance="mr-1") as bus:
            await eventually(lambda: bus.metrics.failures >= 2)
            assert not bus.connected
    assert "authorization violation" in json.dumps(logs).lower()
    assert "a-wrong-password" not in json.dumps(logs)


async def test_user_and_password_can_stand_in_the_address(server):
    address = server.url.replace("nats://", f"nats://mr:{PASSWORDS['mr']}@")
    with structlog.testing.capture_logs() as logs:
        async with open_nats_bus(bus_settings(address), instance="mr-1") as bus:
            await eventually(lambda: bus.connected)
    assert PASSWORDS["mr"] not in json.dumps(logs)


async def test_an_nkey_lets_in_and_another_does_not(tmp_path):
    known, unknown = user_identity(), user_identity()
    seed, other = tmp_path / "seed.nk", tmp_path / "other.nk"
    seed.write_text(known.seed + "\n")
    other.write_text(unknown.seed)
    with running_nats(settings=f"authorization {{ users: [ {{ nkey: {known.public} }} ] }}") as server:
        async with (
            open_nats_bus(bus_settings(server.url, nats_nkey_seed_file=str(seed)), instance="mr-1") as bus,
            open_nats_bus(bus_settings(server.url, nats_nkey_seed_file=str(other)), instance="mr-2") as out,
        ):
            await eventually(lambda: bus.connected and out.metrics.failures >= 2)
            await bus.publish([plain_event(1)])
            assert not out.connected


async def test_a_credentials_file_lets_in_and_that_of_another_operator_does_not(tmp_path):
    ours, theirs = Organisation(), Organisation()
    ours.write_credentials(tmp_path / "ours.creds")
    theirs.write_credentials(tmp_path / "theirs.creds")

    def settings(url, name):
        return bus_settings(url, nats_credentials_file=str(tmp_path / name))

    with running_nats(settings=ours.server_settings()) as server:
        async with (
            open_nats_bus(settings(server.url, "ours.creds"), instance="mr-1") as bus,
            open_nats_bus(settings(server.url, "theirs.creds"), instance="mr-2") as out,
        ):
            await eventually(lambda: bus.connected and out.metrics.failures >= 2)
            await bus.publish([plain_event(1)])
            assert not out.connected


async def test_files_that_cannot_be_used_are_complained_of_and_read_again_later(tmp_path):
    identity = user_identity()
    seed = tmp_path / "seed.nk"
    seed.write_text("not a seed")
    with (
        structlog.testing.capture_logs() as logs,
        running_nats(settings=f"authorization {{ users: [ {{ nkey: {identity.public} }} ] }}") as server,
    ):
        settings = bus_settings(server.url, nats_nkey_seed_file=str(seed))
        async with open_nats_bus(settings, instance="mr-1") as bus:
            await eventually(lambda: bus.metrics.failures >= 2)
            seed.write_text(identity.seed)
            await eventually(lambda: bus.connected)
    assert logs[0]["event"] == "bus.not_connected"
    assert "not a seed" not in json.dumps(logs)


# TLS


class Certificates:
    """An authority, a certificate for the server and one for a process, as files."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.authority = folder / "ca.pem"
        authority.cert_pem.write_to_path(self.authority)
        self.server = self._issued(folder, "server", authority.issue_cert("127.0.0.1"))
        self.process = self._issued(folder, "process", authority.issue_cert("mr-1.example"))

    def _issued(self, folder, name, issued):
        certificate, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
        issued.cert_chain_pems[0].write_to_path(certificate)
        issued.private_key_pem.write_to_path(key)
        return certificate, key

    def server_settings(self, *, verify=False):
        certificate, key = self.server
        return (
            f'tls {{ cert_file: "{certificate}", key_file: "{key}", ca_file: "{self.authority}", '
            f"verify: {str(verify).lower()} }}"
        )


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


async def test_a_server_with_a_certificate_of_the_authority_is_trusted_and_another_is_not(certificates):
    with running_nats(settings=certificates.server_settings()) as server:
        trusting = bus_settings(server.url, nats_ca_file=str(certificates.authority))
        doubting = bus_settings(server.url.replace("nats://", "tls://"))
        async with (
            open_nats_bus(trusting, instance="mr-1") as bus,
            open_nats_bus(doubting, instance="mr-2") as out,
        ):
            await eventually(lambda: bus.connected and out.metrics.failures >= 2)
            await bus.publish([plain_event(position, padding=10_000) for position in range(100)])
            assert not out.connected


async def test_a_process_shows_its_own_certificate_where_the_server_asks_for_one(certificates):
    certificate, key = certificates.process
    shown = {"nats_cert_file": str(certificate), "nats_key_file": str(key)}
    with running_nats(settings=certificates.server_settings(verify=True)) as server:
        authority = {"nats_ca_file": str(certificates.authority)}
        async with (
            open_nats_bus(bus_settings(server.url, **authority, **shown), instance="mr-1") as bus,
            open_nats_bus(bus_settings(server.url, **authority), instance="mr-2") as out,
        ):
            await eventually(lambda: bus.connected and out.metrics.failures >= 2)
            assert not out.connected


@pytest.mark.parametrize("in_address", [False, True], ids=["settings", "address"])
async def test_a_server_that_does_not_speak_tls_is_given_no_password(in_address):
    received = bytearray()
    there = set()

    async def pretend(reader, writer):
        there.add(writer)
        try:
            writer.write(
                b'INFO {"server_id":"x","version":"2.15.1","max_payload":1048576,"headers":true}\r\n'
            )
            while chunk := await reader.read(1000):
                received.extend(chunk)
        except ConnectionError:
            pass
        finally:
            writer.close()
            there.remove(writer)

    async with await asyncio.start_server(pretend, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        settings = (
            bus_settings(f"tls://mr:the-password@127.0.0.1:{port}")
            if in_address
            else bus_settings(f"tls://127.0.0.1:{port}", nats_user="mr", nats_password="the-password")
        )
        async with open_nats_bus(settings, instance="mr-1") as bus:
            await eventually(lambda: bus.metrics.failures >= 2)
            assert not bus.connected
        # What was on its way when it closed has arrived, and nobody is left behind.
        await eventually(lambda: not there)
    assert b"the-password" not in received
