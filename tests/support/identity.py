"""Real identity providers (panva's oidc-provider, samlify) in processes, and a browser that visits them.

Must not know the product: addresses, forms and cookies are all that passes.
"""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from tests.support.node import node_binary

IDENTITY = Path(__file__).resolve().parents[1] / "e2e" / "identity"
_REDIRECTS = frozenset({301, 302, 303, 307})


@dataclass(frozen=True)
class KeyPair:
    """A private key and a certificate that it signed itself, as PEM."""

    key: str
    certificate: str


def key_pair(name: str) -> KeyPair:
    """Make one."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return KeyPair(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
    )


@contextmanager
def identity_process(script: str, argument: Mapping[str, Any]) -> Iterator[None]:
    """Run one of the scripts beside the package until the block ends; it is ready inside."""
    process = subprocess.Popen(
        [str(node_binary()), str(IDENTITY / script), json.dumps(argument)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        if process.stdout is None or process.stdout.readline() != "ready\n":
            message = f"{script} did not start; is {IDENTITY} installed?"
            raise RuntimeError(message)
        yield
    finally:
        process.terminate()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


@dataclass(frozen=True)
class Page:
    """Where a browser ended up."""

    url: str
    status: int
    text: str

    def parameter(self, name: str) -> str | None:
        """Return a parameter of the query or of the fragment."""
        parts = urlsplit(self.url)
        return dict(parse_qsl(parts.query) + parse_qsl(parts.fragment)).get(name)


@dataclass
class Visitor:
    """A browser without scripts: follows redirects, keeps cookies per host and port, fills forms."""

    http: aiohttp.ClientSession
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)

    async def get(self, url: str, *, until: str = "") -> Page:
        """Follow redirects, but do not visit the first address that begins with ``until``."""
        return await self._visit("GET", url, None, until)

    async def post(
        self, url: str, form: Mapping[str, str], *, until: str = "", foreign: bool = False
    ) -> Page:
        """Send a form; one that a foreign page sends comes without cookies, as browsers do it."""
        return await self._visit("POST", url, form, until, foreign=foreign)

    async def submit(self, page: Page, *, until: str = "", **values: str) -> Page:
        """Fill in the page's form and send it."""
        action = re.search(r'<form[^>]*action="([^"]+)"', page.text)
        if action is None:
            message = f"no form at {page.url}: {page.text[:300]}"
            raise AssertionError(message)
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text))
        return await self.post(urljoin(page.url, unescape(action[1])), hidden | values, until=until)

    async def _visit(
        self, method: str, url: str, form: Mapping[str, str] | None, until: str, *, foreign: bool = False
    ) -> Page:
        for _ in range(20):
            if until and url.startswith(until):
                return Page(url, 0, "")
            jar = self.cookies.setdefault(urlsplit(url).netloc, {})
            headers = {} if foreign else {"cookie": "; ".join(f"{name}={jar[name]}" for name in jar)}
            async with self.http.request(
                method, url, data=form, headers=headers, allow_redirects=False
            ) as answer:
                for name, morsel in answer.cookies.items():
                    if morsel["max-age"] == "0" or not morsel.value:
                        jar.pop(name, None)
                    else:
                        jar[name] = morsel.value
                if answer.status not in _REDIRECTS:
                    return Page(url, answer.status, await answer.text())
                url = urljoin(url, answer.headers["location"])
            method, form, foreign = "GET", None, False
        message = f"too many redirects, the last to {url}"
        raise AssertionError(message)
