"""One connection to a NATS server, from its making to its first fault: never mended, always replaced.

The only importer of `nats`. nats-py's own reconnecting is not used: it leaves sockets to frozen servers
open, keeps messages for later, and has no moment at which "nothing was lost so far" is known. Must not know
what the messages mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote, urlsplit

import structlog
from nats import errors
from nats.aio.client import Client

from common.messaging.envelope import Message
from common.settings import without_credentials

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from pathlib import Path

    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

    from common.settings import BusSettings

_log = structlog.get_logger(__name__)

CONNECT_SECONDS: Final = 2.0
CONFIRM_SECONDS: Final = 4.0
PING_SECONDS: Final = 2.0
MAX_UNSENT_BYTES: Final = 16 * 1024 * 1024
HEADERS_AT_MOST: Final = 4096
"""What our headers and NATS's own framing never exceed; kept free below the server's limit."""

_NEVER: Final = 86_400
_FAULTS: Final = (errors.Error, OSError, TimeoutError, RuntimeError)
"""How nats-py and the loops below it tell of a connection that is gone; uvloop's word is RuntimeError."""


class LineBroken(Exception):
    """The connection is of no use any more; whatever was in flight may be lost."""


class Congested(Exception):
    """More is waiting to be sent than can be kept; the connection itself may be well."""


class Listening:
    """A wish to hear a subject, kept over all connections of a process.

    ``heard`` gets one message at a time. ``messages`` and ``size`` bound what may wait for it. ``left`` is
    set when the wish was given up and nothing more is heard.
    """

    def __init__(
        self,
        subject: str,
        heard: Callable[[Message], Awaitable[None]],
        *,
        queue: str = "",
        messages: int = 16_384,
        size: int = 32 * 1024 * 1024,
    ) -> None:
        self.subject = subject
        self.heard = heard
        self.queue = queue
        self.messages = messages
        self.size = size
        self.left = asyncio.Event()


class Told(NamedTuple):
    """Whom a line tells of what happens on it."""

    overflowed: Callable[[str], None]
    forbidden: Callable[[str], None]


class Line:
    """A connection in use. Every method raises `LineBroken` once it is."""

    def __init__(self, address: str, told: Told) -> None:
        self._address = address
        self._told = told
        self._client = Client()
        self._broken = False
        self._fault = ""
        self._bug: Exception | None = None
        self._wanted = asyncio.Event()
        self._patience: asyncio.Timeout | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._confirming: list[asyncio.Future[None]] = []
        self._subscriptions: dict[Listening, Subscription] = {}

    @property
    def up(self) -> bool:
        """True while nothing is known to be wrong."""
        return self._client.is_connected and not self._broken

    @property
    def place(self) -> str:
        """Host and port of the server, to be shown."""
        return urlsplit(_bare(self._address)).netloc

    @property
    def fault(self) -> str:
        """Why it broke, as far as is known."""
        return self._fault or "the connection was lost"

    @property
    def server(self) -> Mapping[str, object]:
        """What the server said of itself when it was connected to."""
        told: Mapping[str, object] = self._client._server_info  # noqa: SLF001
        return told

    @property
    def payload_at_most(self) -> int:
        """How many bytes a payload may have."""
        return max(1, self._client.max_payload - HEADERS_AT_MOST)

    @property
    def unsent_bytes(self) -> int:
        """What nats-py has not handed to the socket yet."""
        return self._client.pending_data_size

    # Making and ending

    async def connect(self, settings: BusSettings, name: str) -> None:
        """Connect, or raise `LineBroken` soon. Whatever the outcome, `discard` afterwards."""
        try:
            encryption = _encryption(settings, self._address)
            named: dict[str, str | Callable[[], str]] = {**_credentials(settings, self._address)}
            if encryption is not None:
                named = {name: self._encrypted(str(word)) for name, word in named.items()}
            async with asyncio.timeout(2 * CONNECT_SECONDS):
                await self._client.connect(
                    [_bare(self._address)],
                    name=name,
                    error_cb=self._error,
                    disconnected_cb=self._ended,
                    closed_cb=self._ended,
                    allow_reconnect=False,
                    # One attempt and nats-py's second one, at once; the next is the keeper's affair.
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    connect_timeout=int(CONNECT_SECONDS),
                    # Kept alive by `watch`, which also proves that what was sent has arrived.
                    ping_interval=_NEVER,
                    # Nothing may be kept for a later connection.
                    pending_size=0,
                    tls=encryption,
                    user=named.get("user"),
                    password=named.get("password"),
                    token=named.get("token"),
                    user_credentials=_text(settings.nats_credentials_file),
                    nkeys_seed=_text(settings.nats_nkey_seed_file),
                )
        except Exception as error:
            # Also what the libraries for keys and certificates raise: a file may be wrong now and right in
            # a minute, and no process ends because its bus is away.
            raise LineBroken(self._fault or _words(error)) from error
        if encryption is not None and not self._offers_encryption():
            raise LineBroken("the server does not speak TLS")
        if not self._client.is_connected:
            raise LineBroken(self.fault)
        self._watch_over()

    async def watch(self) -> None:
        """Confirm what was sent, and now and then that the server is there; ends with `LineBroken`."""
        while self.up:
            with contextlib.suppress(TimeoutError):
                async with self._interruptible(PING_SECONDS):
                    await self._wanted.wait()
            if self.up:
                await self._round_trip()
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                # `wait_for`, inside nats-py, forgets a cancellation that meets an answer.
                raise asyncio.CancelledError
        if self._bug is not None:
            raise self._bug
        self._break("")
        raise LineBroken(self.fault)

    async def discard(self) -> None:
        """Cut the connection and give back everything, whatever state it is in. Twice is once."""
        self._break("the connection was given up")
        for subscription in self._subscriptions.values():
            # nats-py leaves these running when a connection breaks with data unsent.
            subscription._stop_processing()  # noqa: SLF001
        self._subscriptions.clear()
        transport = self._client._transport  # noqa: SLF001
        if transport is None:
            return
        writer = getattr(transport, "_io_writer", None)
        if writer is not None:
            # A frozen server never takes the rest; nats-py would wait for that for ever.
            writer.transport.abort()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._client.close()
        except _FAULTS as error:
            _log.debug("bus.close_failed", detail=_words(error))

    # Use

    async def send(self, *messages: Message) -> None:
        """Hand messages to the connection, in order. Nothing is promised: see `confirm`.

        Raises `Congested` too.
        """
        self._check()
        if self.unsent_bytes > MAX_UNSENT_BYTES:
            raise Congested("the bus does not take messages fast enough")
        commands = b"".join([_command(each, self._client.max_payload) for each in messages])
        try:
            # Not nats-py's `publish`: it takes longer over one message's headers than all of ours together.
            await self._client._send_command(commands)  # noqa: SLF001
            kicks = self._client._flush_queue  # noqa: SLF001
            if kicks is not None and kicks.empty():
                await self._client._flush_pending()  # noqa: SLF001
        except _FAULTS as error:
            self._break(_words(error))
            raise LineBroken(self.fault) from error

    async def confirm(self) -> None:
        """Return when the server has taken everything sent before."""
        self._check()
        taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(taken)
        self._wanted.set()
        await taken

    async def listen(self, listening: Listening) -> None:
        """Subscribe; the server knows of it after the next `confirm`."""
        self._check()

        async def heard(message: Msg) -> None:
            try:
                await listening.heard(
                    Message(message.subject, message.reply, message.headers or {}, message.data)
                )
            except Exception as error:  # noqa: BLE001 (nats-py would only log it; `watch` raises it)
                self._bug = error
                self._break("what heard a message failed")

        try:
            self._subscriptions[listening] = await self._client.subscribe(
                listening.subject,
                queue=listening.queue,
                cb=heard,
                pending_msgs_limit=listening.messages,
                pending_bytes_limit=listening.size,
            )
        except _FAULTS as error:
            self._break(_words(error))
            raise LineBroken(self.fault) from error

    async def leave(self, listening: Listening) -> None:
        """Unsubscribe, and return when what had arrived before was heard."""
        subscription = self._subscriptions.get(listening)
        if subscription is None:
            return
        try:
            # Not nats-py's `drain`: its waiting overtakes the word that it waits for, and what came in
            # between would find nobody without whoever asked being told.
            await self._client._send_unsubscribe(subscription._id)  # noqa: SLF001
            await self.confirm()
            await subscription._pending_queue.join()  # noqa: SLF001
            await subscription.unsubscribe()
        except _FAULTS as error:
            self._break(_words(error))
            raise LineBroken(self.fault) from error
        self._subscriptions.pop(listening, None)

    # Inside

    async def _round_trip(self) -> None:
        self._wanted.clear()
        self._confirming, self._waiting = self._waiting, []
        try:
            async with self._interruptible(CONFIRM_SECONDS):
                # nats-py writes its PING ahead of what it has not yet written: the first one only
                # pushes, and the second one is behind everything.
                await asyncio.sleep(0)
                if self._client.pending_data_size:
                    await self._client.flush(_NEVER)
                await self._client.flush(_NEVER)
        except TimeoutError:
            self._break(f"the server did not answer within {CONFIRM_SECONDS:g} s")
            return
        except _FAULTS as error:
            self._break(_words(error))
            return
        for each in self._confirming:
            if not each.done():
                each.set_result(None)
        self._confirming = []

    @contextlib.asynccontextmanager
    async def _interruptible(self, seconds: float) -> AsyncIterator[None]:
        """Raise `TimeoutError` after that time, or at once when the line breaks."""
        async with asyncio.timeout(seconds) as patience:
            self._patience = patience
            try:
                yield
            finally:
                self._patience = None

    def _watch_over(self) -> None:
        """Hear when nats-py's own tasks end: broken in mid-sending, it tells nobody."""
        for name in ("_reading_task", "_flusher_task"):
            task: asyncio.Task[None] = getattr(self._client, name)
            task.add_done_callback(self._task_ended)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        self._break("" if error is None else _words(error))

    def _check(self) -> None:
        if not self.up:
            self._break("")
            raise LineBroken(self.fault)

    def _break(self, fault: str) -> None:
        """From now on every use fails, and everybody who waits is told; the first reason counts."""
        self._fault = self._fault or fault
        self._broken = True
        self._wanted.set()
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(asyncio.get_running_loop().time())
        for each in (*self._waiting, *self._confirming):
            if not each.done():
                each.set_exception(LineBroken(self.fault))
        self._waiting, self._confirming = [], []

    async def _ended(self) -> None:
        last = self._client.last_error
        self._break("" if last is None else _words(last))

    async def _error(self, error: Exception) -> None:
        """What nats-py says on the way; most of it it also acts upon."""
        if isinstance(error, errors.SlowConsumerError):
            self._told.overflowed(error.subject)
        elif "permissions violation" in str(error):
            self._told.forbidden(_words(error))
        elif self._client.is_connected:
            self._break(_words(error))
        else:
            self._fault = _words(error)

    def _offers_encryption(self) -> bool:
        info = self._client._server_info  # noqa: SLF001
        return bool(info.get("tls_required")) or urlsplit(self._address).scheme == "wss"

    def _encrypted(self, word: str) -> Callable[[], str]:
        """The word, for a server that speaks TLS: nats-py goes on in the clear with one that does not."""

        def given() -> str:
            if not self._offers_encryption():
                raise errors.SecureConnWantedError
            return word

        return given


def _command(message: Message, at_most: int) -> bytes:
    """What makes the server take a message: HPUB of NATS's client protocol."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in message.headers.items()])
    head = f"NATS/1.0\r\n{lines}\r\n".encode()
    if head.count(b"\n") != len(message.headers) + 2 or len(message.payload) > at_most:
        raise ValueError("a message that cannot be sent")
    where = f"{message.subject} {message.reply}" if message.reply else message.subject
    size = len(head) + len(message.payload)
    return b"HPUB %b %d %d\r\n%b%b\r\n" % (where.encode(), len(head), size, head, message.payload)


def _credentials(settings: BusSettings, address: str) -> dict[str, str]:
    """What names this process to the server: of the settings, or else of the address."""
    if settings.nats_user is not None and settings.nats_password is not None:
        return {"user": settings.nats_user, "password": settings.nats_password.get_secret_value()}
    parts = urlsplit(address)
    if parts.username is None:
        return {}
    if parts.password is None:
        return {"token": unquote(parts.username)}
    return {"user": unquote(parts.username), "password": unquote(parts.password)}


def _bare(address: str) -> str:
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _encryption(settings: BusSettings, address: str) -> ssl.SSLContext | None:
    """How to speak TLS where it is asked for: by the address, or by naming certificates."""
    authorities, certificate = settings.nats_ca_file, settings.nats_cert_file
    if authorities is None and certificate is None and urlsplit(address).scheme not in {"tls", "wss"}:
        return None
    context = ssl.create_default_context(cafile=authorities)
    if certificate is not None:
        context.load_cert_chain(certificate, settings.nats_key_file)
    return context


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _words(error: BaseException) -> str:
    return without_credentials(str(error)) or type(error).__name__
