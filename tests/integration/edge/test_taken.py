"""Streams on taken connections: shared bytes, slow and stopped clients, slices, ends. On both event loops."""

import asyncio
import socket
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from edge import frames
from edge.frames import LAST_CHUNK
from edge.streams import ACK, BYE
from edge.taken import IGNORED_BYTES, PIECE_BYTES
from tests.support.edges import CLIENT, NOBODY, SERVER
from tests.support.replicas import events_of
from tests.support.sources import MemorySource, account, environment, feature
from tests.support.takers import HEAD, Client, Taking, body_of, open_taking
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.integration,
    pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"]),
]

Run = Callable[[Awaitable[None]], None]
BIG = 5_000_000


def small() -> MemorySource:
    source = MemorySource()
    source.put(environment(feature("CART", False, version=7)), account())
    return source


def big(size: int = BIG) -> MemorySource:
    source = MemorySource()
    source.put(environment(feature("BIG", "x" * size, feature_type="STRING")), account())
    return source


def names(heard: bytes) -> list[str]:
    return [name for name, _ in events_of(body_of(heard))]


async def change(source: MemorySource, version: int) -> None:
    source.put(environment(feature("CART", version % 2 == 0, version=version), revision=version))


def test_head_ack_and_features_are_one_write_and_changes_follow(run: Run) -> None:
    async def main() -> None:
        source = small()
        async with open_taking(source, stream_seconds=2.5) as taking:
            sock = await taking.connect(CLIENT)
            heard = await sock.until(b'"CART"')
            assert heard.startswith(HEAD + ACK.chunk)
            assert heard.partition(ACK.chunk)[2].partition(b"\r\n")[2].startswith(b"event: features\n")
            await change(source, 8)
            heard += await sock.rest()
            assert names(heard) == ["ack", "features", "feature", "bye"]
            await eventually(lambda: not taking.connections and len(taking.streams) == 0)
            assert source.held.total() == 0

    run(main())


def test_a_cold_key_waits_with_heartbeats_and_an_unknown_one_is_held(run: Run) -> None:
    async def main() -> None:
        source = small()
        source.forget()
        source.cut_off = True
        async with open_taking(source, heartbeat_seconds=0.1) as taking:
            began = time.monotonic()
            waiting, unknown = await taking.connect(CLIENT), await taking.connect(NOBODY)
            await waiting.until(frames.HEARTBEAT)
            source.cut_off = False
            await waiting.until(b"event: features\n")
            assert body_of(await unknown.rest()).endswith(frames.FAILURE)
            assert time.monotonic() - began >= 0.2

    run(main())


def test_a_big_event_is_shared_by_all_clients_and_each_gets_it_whole(run: Run) -> None:
    clients = 40

    async def main() -> None:
        source = big()
        async with open_taking(source, stream_seconds=5.0) as taking:
            socks = [await taking.connect(CLIENT, receive_bytes=32 * 1024) for _ in range(clients)]
            await eventually(lambda: len(taking.connections) == clients)
            heard = await asyncio.gather(*(sock.rest(within_seconds=60) for sock in socks))
            await eventually(lambda: not taking.connections)
            for each in heard:
                assert names(each) == ["ack", "features", "bye"]
            assert all(each == heard[0] for each in heard)

    run(main())


def test_stopped_clients_of_a_big_event_cost_no_copy_each(run: Run) -> None:
    clients = 30

    async def main() -> None:
        source = big()
        async with open_taking(source) as taking:
            await taking.connect(CLIENT, receive_bytes=16 * 1024)
            await eventually(lambda: len(taking.connections) == 1)
            tracemalloc.start()
            for _ in range(clients):
                await taking.connect(CLIENT, receive_bytes=16 * 1024)
            await eventually(lambda: len(taking.connections) == clients + 1)
            await eventually(lambda: all(each._paused for each in taking.connections))
            held, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            # asyncio's own transport copies the one piece that it could not send; uvloop's copies nothing.
            assert held < clients * 2 * PIECE_BYTES

    run(main())


def test_a_stopped_client_is_cut_off_and_counted_and_a_slow_one_is_kept(run: Run) -> None:
    async def main() -> None:
        size, seconds = 3_000_000, 3.0
        source = big(size)
        async with open_taking(source, stream_stall_seconds=seconds / 2) as taking:
            await taking.connect(CLIENT, receive_bytes=16 * 1024)
            slow = await taking.connect(SERVER, receive_bytes=16 * 1024)
            loop = asyncio.get_running_loop()
            taken, began = 0, time.monotonic()
            while taken < size:
                some = await loop.sock_recv(slow.sock, 128 * 1024)
                assert some, "the slow one was cut off"
                taken += len(some)
                # It takes twice as long as a client may take nothing, a little all the time.
                await asyncio.sleep(began + seconds * taken / size - time.monotonic())
            await eventually(lambda: len(taking.connections) == 1)
            assert taking.metric("burgee_edge_slow_closes_total") == 1

    run(main())


def test_a_slow_client_hears_the_last_state_and_not_the_history(run: Run) -> None:
    async def main() -> None:
        source = big(2_000_000)
        async with open_taking(source) as taking:
            sock = await taking.connect(CLIENT, receive_bytes=16 * 1024)
            await eventually(lambda: any(each._paused for each in taking.connections))
            for version in range(2, 100):
                await change(source, version)
            await sock.until(b"event: delete_feature\n", within_seconds=60)
            await sock.until(b"event: feature\n")
            assert b'"version":99' in await sock.until(b"\n\n")

    run(main())


def test_a_change_that_finds_no_room_halfway_arrives_whole_later(run: Run) -> None:
    """Short writes: what the kernel took of an event is not sent again, and the rest comes first."""
    clients, last = 20, 40

    async def main() -> None:
        source = small()
        async with open_taking(source) as taking:
            socks = [await taking.connect(CLIENT, receive_bytes=4 * 1024) for _ in range(clients)]
            await eventually(lambda: len(taking.connections) == clients)
            for version in range(8, last + 1):
                text = feature("CART", f"{version:x>20000}", feature_type="STRING", version=version)
                source.put(environment(text, revision=version))
                await asyncio.sleep(0.005)
            await eventually(lambda: all(each._paused for each in taking.connections))
            for sock in socks:
                heard = await sock.until(f"{last:x>20000}".encode(), within_seconds=60)
                heard += await sock.until(b"\n\n\r\n")
                changes = [data for name, data in events_of(body_of(heard)) if name == "feature"]
                versions = [data["version"] for data in changes]
                assert versions == sorted(set(versions))
                assert versions[-1] == last
                assert len(versions) < last - 8
                assert all(data["value"] == f"{data['version']:x>20000}" for data in changes)

    run(main())


def test_a_revoked_key_ends_also_the_stream_of_a_client_that_takes_nothing(run: Run) -> None:
    async def main() -> None:
        source = big()
        async with open_taking(source) as taking:
            await taking.connect(CLIENT, receive_bytes=16 * 1024)
            await eventually(lambda: any(each._paused for each in taking.connections))
            source.put(account(removed=True, revision=2))
            await eventually(lambda: not taking.connections)

    run(main())


def test_others_have_their_turn_while_a_change_goes_to_many(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = 400
    # However fast the machine is: it is over after the few that are written to before it looks at the clock.
    monkeypatch.setattr("edge.taken.SLICE_SECONDS", 1e-9)

    async def main() -> None:
        source = small()
        async with open_taking(source) as taking:
            socks = [await taking.connect(CLIENT) for _ in range(clients)]
            for sock in socks:
                await sock.until(b'"CART"')
            turns = 0

            def turn() -> None:
                nonlocal turns
                if taking.taken.pump.is_busy:
                    turns += 1
                    loop.call_soon(turn)

            loop = asyncio.get_running_loop()
            await change(source, 8)
            loop.call_soon(turn)
            for sock in socks:
                await sock.until(b"event: feature\n")
            assert turns > 10

    run(main())


def test_a_bug_while_a_change_goes_to_many_does_not_silence_them_for_ever(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        source = small()
        async with open_taking(source) as taking:
            clients = [await taking.connect(CLIENT) for _ in range(5)]
            for client in clients:
                await client.until(b'"CART"')
            faults = [RuntimeError("a bug")]
            followed = taking.streams.hub.followed

            def faulty(*given: Any) -> None:
                if faults:
                    raise faults.pop()
                followed(*given)

            monkeypatch.setattr(taking.streams.hub, "followed", faulty)
            await change(source, 8)
            await eventually(lambda: not faults)
            await change(source, 9)
            for client in clients:
                await client.until(b'"version":9')

    run(main())


def test_what_a_client_says_is_ignored_up_to_a_bound(run: Run) -> None:
    async def main() -> None:
        source = small()
        async with open_taking(source) as taking:
            loop = asyncio.get_running_loop()
            quiet, loud = await taking.connect(CLIENT), await taking.connect(CLIENT)
            for sock in (quiet, loud):
                await sock.until(b'"CART"')
            await loop.sock_sendall(quiet.sock, b"GET / HTTP/1.1\r\n\r\n")
            await change(source, 8)
            await quiet.until(b"event: feature\n")
            with pytest.raises(OSError):  # noqa: PT012 - when exactly is the kernel's business
                while True:
                    await loop.sock_sendall(loud.sock, b"x" * IGNORED_BYTES)
                    await asyncio.sleep(0.01)
            await eventually(lambda: len(taking.connections) == 1)

    run(main())


def test_a_client_that_leaves_is_forgotten(run: Run) -> None:
    async def main() -> None:
        source = small()
        async with open_taking(source) as taking:
            closed, shut, reset = [await taking.connect(CLIENT) for _ in range(3)]
            for sock in (closed, shut, reset):
                await sock.until(b'"CART"')
            closed.sock.close()
            shut.sock.shutdown(socket.SHUT_WR)
            reset.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            reset.sock.close()
            await eventually(lambda: not taking.connections and len(taking.streams) == 0)
            assert source.held.total() == 0
            assert taking.metric("burgee_edge_streams") == 0

    run(main())


def test_a_server_that_stops_says_bye_to_whoever_listens_and_cuts_the_others(run: Run) -> None:
    async def main() -> None:
        source = small()
        async with open_taking(source) as taking:
            listening = await taking.connect(CLIENT)
            await listening.until(b'"CART"')
            source.put(environment(feature("BIG", "x" * BIG, feature_type="STRING"), revision=2))
            stopped = await taking.connect(CLIENT, receive_bytes=16 * 1024)
            await eventually(lambda: len(taking.connections) == 2)
            await listening.until(b"event: feature\n", within_seconds=60)
            await listening.until(b"\n\n", within_seconds=60)
            for connection in tuple(taking.connections):
                connection.shutdown()
            assert await listening.rest() == b"\r\n" + BYE.chunk + LAST_CHUNK
            assert not (await stopped.rest()).endswith(BYE.chunk + LAST_CHUNK)
            await eventually(lambda: not taking.connections)

    run(main())


async def _everybody(taking: Taking, clients: int) -> list[Client]:
    return [await taking.connect(CLIENT) for _ in range(clients)]


def test_draining_sends_everybody_away_spread_over_the_time(run: Run) -> None:
    clients = 60

    async def main() -> None:
        source = small()
        async with open_taking(source) as taking:
            socks = await _everybody(taking, clients)
            gone: list[float] = []

            async def follow(sock: Client) -> None:
                assert (await sock.rest()).endswith(BYE.chunk + LAST_CHUNK)
                gone.append(time.monotonic())

            async with asyncio.TaskGroup() as tasks:
                for sock in socks:
                    tasks.create_task(follow(sock))
                await eventually(lambda: len(taking.streams) == clients)
                await taking.streams.drain(3.0)
            assert max(gone) - min(gone) > 0.4
            assert len(taking.streams) == 0

    run(main())
