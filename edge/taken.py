"""Streams on connections that were taken over from the HTTP server: no task, no parser, no queue for each.

Who has news or is due is marked; a pump writes to the marked ones in slices, between which the event loop
serves everybody else. A client has at most one thing that it has not taken yet: the bytes are shared with
all others, and only how far it got is its own. Knows HTTP only as a head that it is given.
"""

import asyncio
import socket
import time
from collections import deque
from os import write
from typing import Any, Final, NamedTuple

import structlog

from edge.frames import LAST_CHUNK
from edge.hub import Stream
from edge.steps import Room, Standing, Step
from edge.streams import ACK, BYE, Life, Streams, Visitor
from edge.usage import Usage
from edge.wheel import Wheel

log = structlog.stdlib.get_logger(__name__)

SLICE_SECONDS: Final = 0.0003
"""How long the pump writes before others have their turn."""
FOLLOWING_AT_ONCE: Final = 16
"""How many streams are written to before the pump looks at the clock."""
PIECE_BYTES: Final = 64 * 1024
"""What the transport is given at once: of more, only the client's place in it is remembered."""
PIECES_AT_ONCE: Final = 4
SEND_BUFFER_BYTES: Final = 64 * 1024
"""What the kernel may hold for a client that does not read; it takes twice that for itself."""
IGNORED_BYTES: Final = 64 * 1024
"""What a client may send that nobody reads: none has anything to say."""


class TakenStreams:
    """Streams on raw transports, all driven together. `close` it when the server has stopped."""

    def __init__(self, streams: Streams, usage: Usage, *, stall_seconds: float) -> None:
        self.streams = streams
        self.usage = usage
        self.stall_seconds = stall_seconds
        loop = asyncio.get_running_loop()
        self.wheel = Wheel(loop)
        self.pump = Pump(loop, streams)

    def open(
        self, transport: asyncio.Transport, visitor: Visitor, *, head: bytes, connections: set[Any]
    ) -> "TakenStream":
        """Take the connection over and begin a stream on it.

        ``head`` is the answer up to its body, which it says comes in chunks. The stream is the transport's
        protocol from now on, and is in ``connections`` while it is open.
        """
        taken = TakenStream(self, transport, connections)
        connections.add(taken)
        transport.set_write_buffer_limits(high=0)
        # The kernel would buffer megabytes for a client that does not read.
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if transport.get_extra_info("ssl_object") is None:
            taken.fd = sock.fileno()
        transport.set_protocol(taken)
        taken.begin(visitor, head)
        return taken

    def close(self) -> None:
        """Stop driving."""
        self.wheel.close()
        self.pump.close()


class TakenStream(asyncio.Protocol):
    """One stream on its transport: a machine that says what to send, and how far the client got with it."""

    __slots__ = (
        "_all",
        "_connections",
        "_ignored",
        "_offset",
        "_paused",
        "_progress_at",
        "_pump",
        "_rest",
        "fd",
        "flowing",
        "is_marked",
        "life",
        "tick",
        "transport",
    )

    def __init__(
        self, taken_streams: TakenStreams, transport: asyncio.Transport, connections: set[Any]
    ) -> None:
        self.transport: asyncio.Transport | None = transport
        self.tick = 0
        self.is_marked = False
        self.fd = -1
        """The socket's descriptor, where what is written is what is sent."""
        self.flowing: Stream | None = None
        """The stream as the hub sees it, while it is live and its client has taken everything."""
        self._all = taken_streams
        self._pump = taken_streams.pump
        self._connections = connections
        self.life: Life | None = None
        self._paused = transport.get_write_buffer_size() > 0
        self._rest: bytes | None = None
        self._offset = 0
        self._progress_at = time.monotonic()
        self._ignored = 0

    def begin(self, visitor: Visitor, head: bytes) -> None:
        """Send the head, and what there is to say at once."""
        now = time.monotonic()
        life = self.life = self._all.streams.begin(visitor, self.wake, now)
        wall = self._all.streams.clock()
        first = head + ACK.chunk
        said = life.next(now, wall)
        opening = b"" if said is None else said.chunk
        if len(opening) <= PIECE_BYTES:
            # One write, one packet: a small copy is cheaper than a second of both.
            self._give(first + opening)
        else:
            self._give(first)
            self._give(opening)
        self._settle(life, now, wall)

    def wake(self) -> None:
        """Mark the stream: there may be news."""
        if not self.is_marked:
            self.is_marked = True
            pump = self._pump
            pump.marked.append(self)
            if not pump.is_busy:
                pump.start()

    on_due = wake

    def speak(self, now: float, wall: float) -> None:
        """Send what there is to send, as far as the client has room for it."""
        life = self.life
        if life is None:
            self._linger(now)
        elif self._paused:
            self._wait(life, now)
        else:
            if self._rest is not None:
                self._pour()
            elif not life.over:
                said = life.next(now, wall)
                if said is not None:
                    self._give(said.chunk)
            self._settle(life, now, wall)

    def shutdown(self) -> None:
        """End the stream now: the server stops."""
        if self.life is None or self.transport is None:
            return
        if self._paused or self._rest is not None:
            self.cut()
            return
        self.transport.write(BYE.chunk)
        self._leave(self.life, time.monotonic())

    def pause_writing(self) -> None:
        self.flowing = None
        self._paused = True
        self._progress_at = time.monotonic()
        self._all.wheel.call(self, self._progress_at + self._all.stall_seconds)

    def resume_writing(self) -> None:
        self._paused = False
        self.wake()

    def data_received(self, data: bytes) -> None:
        self._ignored += len(data)
        if self._ignored > IGNORED_BYTES:
            self.cut()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._connections.discard(self)
        self.fd = -1
        self.flowing = None
        self.transport = None
        self._rest = None
        life, self.life = self.life, None
        if life is not None:
            life.close()

    def _give(self, data: bytes) -> None:
        """Send this, or as much as there is room for: the rest when there is."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if self._rest is not None:
            # Only where the head found no room: nothing is taken before what was taken last is given.
            self._rest += data
        elif self._paused or len(data) > PIECE_BYTES:
            self.flowing = None
            self._rest = data
            self._offset = 0
            self._pour()
        else:
            transport.write(data)
            if self.life is not None:
                self.life.handed_over()

    def _pour(self) -> None:
        """Go on with what the client has not taken, a few pieces at once: others wait as well."""
        rest, transport = self._rest, self.transport
        if rest is None or transport is None:
            return
        for _ in range(PIECES_AT_ONCE):
            if self._paused or transport.is_closing():
                return
            begin = self._offset
            self._offset = begin + PIECE_BYTES
            # A view, not a copy: all clients share the bytes.
            transport.write(memoryview(rest)[begin : self._offset])
            if self._offset >= len(rest):
                self._rest = None
                if self.life is not None:
                    self.life.handed_over()
                return

    def _settle(self, life: Life, now: float, wall: float) -> None:
        """Arrange when to be called again; while it is paused, that is arranged."""
        if self._paused:
            return
        if self._rest is not None:
            self.wake()
        elif life.over:
            self._leave(life, now)
        else:
            self.flowing = life.stream
            due = life.due(now, wall)
            if due <= now:
                self.wake()
            else:
                self._all.wheel.call(self, due)

    def _wait(self, life: Life, now: float) -> None:
        """Be patient with a client that takes nothing, up to a time."""
        stalled_at = self._progress_at + self._all.stall_seconds
        if now >= stalled_at:
            self._all.usage.slow_closed()
            self.cut()
        elif life.stream is not None and life.stream.revoked:
            self.cut()
        else:
            self._all.wheel.call(self, stalled_at)

    def _leave(self, life: Life, now: float) -> None:
        """Close once the client has taken what is on its way to it."""
        self.flowing = None
        self.life = None
        life.close()
        if self.transport is not None:
            self._progress_at = now
            self.transport.write(LAST_CHUNK)
            self.transport.close()
            self._all.wheel.call(self, now + self._all.stall_seconds)

    def _linger(self, now: float) -> None:
        """Closing waits for a client that takes nothing: not for ever."""
        if self.transport is None:
            return
        gone_at = self._progress_at + self._all.stall_seconds
        if now >= gone_at:
            self.cut()
        else:
            self._all.wheel.call(self, gone_at)

    def cut(self) -> None:
        """End the connection without a word, and without waiting for the client."""
        self.flowing = None
        life, self.life = self.life, None
        if life is not None:
            life.close()
        self._rest = None
        if self.transport is not None:
            self.transport.abort()


class Course(NamedTuple):
    """A step that somebody took, for those who stand where it begins."""

    room: Room[Stream]
    before: Standing
    step: Step


class Pump:
    """Lets the ``marked`` streams speak, in slices that yield to the rest of the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, streams: Streams) -> None:
        self.marked: deque[TakenStream] = deque()
        self.is_busy = False
        """True while somebody waits for its turn to speak."""
        self._loop = loop
        self._streams = streams
        self._course: Course | None = None

    def start(self) -> None:
        """Let those that are marked speak soon."""
        self.is_busy = True
        self._loop.call_soon(self._slice)

    def close(self) -> None:
        """Let nobody speak any more."""
        self.marked.clear()

    def _slice(self) -> None:
        now = time.monotonic()
        # The two clocks go alike for as long as a slice takes.
        ahead = self._streams.clock() - now
        until = now + SLICE_SECONDS
        marked = self.marked
        try:
            while marked and now < until:
                course = self._course
                if course is None or not self._follow(course, now):
                    self._course = self._lead(now, now + ahead)
                now = time.monotonic()
        except Exception:
            # Nobody would drive the others any more.
            log.exception("stream.failed")
            self._course = None
        if marked:
            self._loop.call_soon(self._slice)
        else:
            self._course = None
            self.is_busy = False

    def _lead(self, now: float, wall: float) -> Course | None:
        """Let the next one speak for itself; answer the step that others may take as well."""
        taken = self.marked.popleft()
        taken.is_marked = False
        stream = taken.flowing
        before = stream.standing if stream is not None else None
        try:
            taken.speak(now, wall)
        except Exception:
            # A bug in one stream must not silence the others.
            log.exception("stream.failed")
            taken.cut()
        if stream is None or before is None:
            return None
        step = stream.room.known_step(before)
        if step is None or step.standing.sent.changes_at is not None or before.sent.changes_at is not None:
            return None
        return Course(stream.room, before, step)

    def _follow(self, course: Course, now: float) -> bool:
        """Send the same to those next in turn that stand where it begins; False = the next one does not.

        This is what a change costs for each stream: one write, and next to nothing else.
        """
        room, before, step = course
        after, view = step.standing, before.view
        if after.turn != room.turn or before.turn == room.turn or len(step.chunk) > PIECE_BYTES:
            return False
        data, events, number, marked, followed = step.chunk, step.events, after.number, self.marked, 0
        size = len(data)
        for _ in range(min(FOLLOWING_AT_ONCE, len(marked))):
            taken = marked[0]
            stream, life, transport = taken.flowing, taken.life, taken.transport
            if (
                stream is None
                or stream.standing is not before
                or stream.view is not view
                or stream.revoked
                or life is None
                or life.has_changed
                or transport is None
                # Without a tick it was called because something of its own is due.
                or not taken.tick
            ):
                break
            marked.popleft()
            taken.is_marked = False
            if events:
                if transport.is_closing():
                    taken.cut()
                    continue
                # Past the transport, which holds nothing of a stream that flows: this takes a twentieth
                # less time. The descriptor is the transport's own for as long as it does not close.
                try:
                    sent = write(taken.fd, data) if taken.fd >= 0 else 0
                except BlockingIOError:
                    sent = 0
                except OSError:
                    taken.cut()
                    continue
                if sent != size:
                    transport.write(memoryview(data)[sent:])
                life.spoke_at = now
            stream.standing = after
            stream.handed = number
            followed += 1
        if followed:
            self._streams.hub.followed(room.snapshot.id, before, after, followed)
            self._streams.usage.events.count += followed * events
        return followed > 0
