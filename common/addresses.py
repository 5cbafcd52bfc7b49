"""Requests to addresses that somebody typed in: never to this network's own machines.

A name is resolved here, every address it has is checked, and the connection goes to an address that was
checked. No redirects are followed, no cookies kept, no proxy taken from the environment, and no more of an
answer is read than was asked for. Which private networks are allowed all the same is a setting. Must not
know what is sent, nor to whom.
"""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LONGEST_ANSWER: Final = 64 * 1024

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
# Ranges that carry an IPv4 address somewhere inside, or that only this site can give a meaning.
_REFUSED: Final[tuple[Network, ...]] = (
    ipaddress.IPv6Network("64:ff9b:1::/48"),
    ipaddress.IPv6Network("2001::/32"),
    ipaddress.IPv6Network("2002::/16"),
    ipaddress.IPv6Network("::/96"),
    ipaddress.IPv4Network("192.88.99.0/24"),
    ipaddress.IPv4Network("192.0.0.0/24"),
    # A cloud's metadata service on an address that looks like any other.
    ipaddress.IPv4Network("168.63.129.16/32"),
)


class Undeliverable(Exception):
    """The request got no answer; the message says why and holds no secret."""


class AddressRefused(Undeliverable):
    """The address is not one that may be asked."""


@dataclass(frozen=True)
class Reply:
    """An answer; ``body`` may be cut off at the length that was asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class AddressRules:
    """Which addresses may be asked: the public ones, and those in the networks that are allowed."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = tuple(ipaddress.ip_network(each, strict=False) for each in allowed)

    def permits(self, address: str) -> bool:
        """True for an address that may be connected to; forms that wrap another address are unwrapped."""
        try:
            bare = _unwrapped(ipaddress.ip_address(address.partition("%")[0]))
        except ValueError:
            return False
        if any(bare in network for network in self._allowed if network.version == bare.version):
            return True
        if any(bare in network for network in _REFUSED if network.version == bare.version):
            return False
        return bare.is_global and not bare.is_multicast


def _unwrapped(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


class _CheckedResolver(AbstractResolver):
    """Resolves names, and refuses one with any address that may not be asked."""

    def __init__(self, rules: AddressRules) -> None:
        self._rules = rules

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        addresses = [(kind, str(where[0])) for kind, _, _, _, where in found]
        if not all(self._rules.permits(address) for _, address in addresses):
            # One bad address is enough: which of them is connected to is not ours to say.
            raise AddressRefused("the name leads to an address that may not be asked")
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST
            )
            for kind, address in addresses
        ]

    async def close(self) -> None:
        """Nothing is kept."""


class Outgoing:
    """Sends single requests under the rules. Made by `open_outgoing`."""

    def __init__(self, session: aiohttp.ClientSession, rules: AddressRules) -> None:
        self._session = session
        self._rules = rules

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        body: bytes | None = None,
        deadline_seconds: float = 8.0,
        longest_answer: int = LONGEST_ANSWER,
    ) -> Reply:
        """Send once; raises `Undeliverable` when no answer came: whether it arrived is not known then."""
        target = self._checked(url)
        try:
            async with (
                asyncio.timeout(deadline_seconds),
                self._session.request(
                    method, target, headers=headers, data=body, allow_redirects=False
                ) as response,
            ):
                return Reply(response.status, response.headers, await _read(response, longest_answer))
        except TimeoutError:
            raise Undeliverable(f"no answer within {deadline_seconds:g} s") from None
        except aiohttp.ClientConnectorError as error:
            raise Undeliverable(f"no connection: {error.os_error.strerror or 'refused'}") from None
        except aiohttp.ClientError as error:
            raise Undeliverable(type(error).__name__) from None
        except (ValueError, UnicodeError):
            # What the library says could hold the header or the address that it complains about.
            raise Undeliverable("the address or a header cannot be sent") from None

    def _checked(self, url: str) -> URL:
        try:
            target = URL(url)
            host, _port = target.raw_host, target.port
        except ValueError:
            raise AddressRefused("this is no address") from None
        if target.scheme not in {"http", "https"} or not host:
            raise AddressRefused("only http:// and https:// addresses are asked")
        # Numbers never reach the resolver, so they are looked at here; odd spellings of them do.
        with contextlib.suppress(ValueError):
            ipaddress.ip_address(host.partition("%")[0])
            if not self._rules.permits(host):
                raise AddressRefused("this address may not be asked")
        return target


async def _read(response: aiohttp.ClientResponse, longest: int) -> bytes:
    parts, left = [], longest
    while left > 0 and (part := await response.content.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


@contextlib.asynccontextmanager
async def open_outgoing(rules: AddressRules, *, connections: int = 32) -> AsyncIterator[Outgoing]:
    """Yield a sender; its connections are closed afterwards."""
    connector = aiohttp.TCPConnector(
        limit=connections, resolver=_CheckedResolver(rules), use_dns_cache=False, force_close=True
    )
    async with aiohttp.ClientSession(
        connector=connector,
        trust_env=False,
        # An answer that unpacks itself into our memory is not asked for, and not unpacked.
        auto_decompress=False,
        headers={"Accept-Encoding": "identity", "User-Agent": "burgee"},
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
    ) as session:
        yield Outgoing(session, rules)
