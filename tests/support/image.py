"""Builds the container image without a container engine, and looks into it.

`buildah` builds; a base is pulled where a registry can be reached, and else made by debootstrap and given
the name that the Dockerfile asks for: it proves the Dockerfile's steps, not that public image.
`make image` brings the base (python -m tests.support.image); tests/integration/test_image.py builds on it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
STORE: Final = ROOT / "build" / "image"
NAME: Final = "localhost/burgee:local"
MEGABYTE: Final = 1_000_000
_SUITE: Final = "bookworm"
_PARTS: Final = "ca-certificates,python3,python3-venv"
# What the stand-in lacks of what the public image has: `python`, and pip where it can be taken away.
_LIKE_THE_PUBLIC_ONE: Final = """
ln -s /usr/bin/python3 /usr/local/bin/python
rm -f /usr/lib/python3.*/EXTERNALLY-MANAGED
set -- /usr/share/python-wheels/pip-*.whl
python3 "$1/pip" install --quiet --root-user-action ignore --no-index \
    --find-links /usr/share/python-wheels pip setuptools
rm -rf /var/lib/apt/lists/* /var/cache/apt/*
"""
# In a mount namespace of its own: what debootstrap mounts ends with it.
_BOOTSTRAP: Final = """
trap 'rm -rf --one-file-system "$1"' EXIT
debootstrap --variant=minbase --include="$3" "$2" "$1" >&2
chroot "$1" sh -euc "$4"
tar --create --one-file-system --directory "$1" .
"""


class Missing(Exception):
    """What is needed to build the image is not here; the text says what."""


@dataclass(frozen=True)
class Builder:
    """A store of images in a folder of its own, and the tool that fills it."""

    store: Path = STORE

    def buildah(self, *words: str) -> str:
        """Run buildah to its end; answer what it said."""
        return self._run(words, capture=True)

    def has(self, name: str) -> bool:
        """Whether there is an image of this name."""
        return bool(self._try("images", "--quiet", name))

    def base(self) -> str:
        """The name of the base as the Dockerfile asks for it."""
        text = (ROOT / "Dockerfile").read_text()
        (version,) = re.findall(r"^ARG PYTHON=(\S+)$", text, re.MULTILINE)
        (base,) = set(re.findall(r"^FROM (\S+)", text, re.MULTILINE))
        return str(base).replace("${PYTHON}", version)

    def bring_base(self) -> str:
        """Have the base here: the public one where it can be reached, else one of our own making."""
        if self.has(self.base()):
            return "the one that is here"
        if self._try("pull", "--quiet", self.base()):
            return "the public one"
        self._make_base()
        return f"a stand-in made from Debian {_SUITE}"

    def build(self, *, version: str, revision: str) -> None:
        """Build the Dockerfile as it stands in this tree."""
        # What a build that was interrupted, or the one before, has left: nobody else has this store.
        self.buildah("rm", "--all")
        self.buildah("rmi", "--prune")
        with tempfile.TemporaryDirectory() as folder:
            self._run(
                (
                    *("bud", "--isolation", "chroot", "--pull-never", "--format", "docker"),
                    *_ways_to_the_registries(Path(folder)),
                    *("--build-arg", f"VERSION={version}", "--build-arg", f"REVISION={revision}"),
                    *("--file", str(ROOT / "Dockerfile"), "--tag", NAME, str(ROOT)),
                ),
                capture=False,
            )

    def described(self, name: str = NAME) -> dict[str, Any]:
        """What the image says of itself, as Docker has it."""
        found: dict[str, Any] = json.loads(self.buildah("inspect", "--type", "image", name))
        return found

    def layers(self, name: str = NAME) -> list[int]:
        """The bytes of each layer, the lowest first, as they lie on a disk before compression."""
        with tempfile.TemporaryDirectory(dir=self.store) as folder:
            self.buildah("push", "--quiet", "--disable-compression", "--format", "oci", name, f"dir:{folder}")
            manifest = json.loads((Path(folder) / "manifest.json").read_text())
            return [int(layer["size"]) for layer in manifest["layers"]]

    @contextmanager
    def root(self, name: str = NAME) -> Iterator[Path]:
        """The files of the image, as a container of it would begin with."""
        container = self.buildah("from", "--pull-never", name).strip()
        try:
            yield Path(self.buildah("mount", container).strip())
        finally:
            self.buildah("umount", container)
            self.buildah("rm", container)

    def _make_base(self) -> None:
        if shutil.which("debootstrap") is None:
            raise Missing(f"{self.base()} cannot be pulled, and debootstrap is not here to make one")
        packed, log = self.store / "base.tar", self.store / "base.log"
        words = ["bash", "-euc", _BOOTSTRAP, "bash", str(self.store / "base"), _SUITE, _PARTS]
        with packed.open("wb") as tar, log.open("wb") as told:
            subprocess.run(
                ["unshare", "--mount", *words, _LIKE_THE_PUBLIC_ONE],
                check=True,
                stdout=tar,
                stderr=told,
                env={"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"},
            )
        container = self.buildah("from", "scratch").strip()
        self.buildah("add", "--quiet", container, str(packed), "/")
        self.buildah("commit", "--quiet", "--rm", container, self.base())
        packed.unlink()

    def _try(self, *words: str) -> str:
        try:
            return self.buildah(*words).strip()
        except subprocess.CalledProcessError:
            return ""

    def _run(self, words: Sequence[str], *, capture: bool) -> str:
        self.store.mkdir(parents=True, exist_ok=True)
        places = ("--root", str(self.store / "storage"), "--runroot", str(self.store / "run"))
        ended = subprocess.run(
            ["buildah", *places, "--storage-driver", "vfs", *words],
            check=True,
            text=True,
            stdout=subprocess.PIPE if capture else None,
            stderr=subprocess.PIPE if capture else None,
        )
        return ended.stdout or ""


def needs() -> str:
    """What is missing for building here, in words; nothing when all is there."""
    if shutil.which("buildah") is None:
        return "buildah is not here (Debian: apt-get install buildah debootstrap)"
    if os.geteuid() != 0:
        return "building without an engine needs root"
    return ""


def _ways_to_the_registries(folder: Path) -> list[str]:
    """Lend the build this machine's certificates and its settings of pip and npm; none stays in the image."""
    lent: dict[Path, str] = {}
    certificates = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
    npm = [Path(os.environ.get("NPM_CONFIG_USERCONFIG", Path.home() / ".npmrc"))]
    settings = [each.read_text() for each in npm if each.exists()]
    if certificates.exists():
        lent[certificates] = "/etc/ssl/certs/ca-certificates.crt"
        settings.append("cafile=/etc/ssl/certs/ca-certificates.crt\n")
    (folder / "npmrc").write_text("".join(settings))
    lent[folder / "npmrc"] = "/root/.npmrc"
    for pip in (Path("/etc/pip.conf"), Path.home() / ".config" / "pip" / "pip.conf"):
        if pip.exists():
            lent[pip] = "/etc/pip.conf"
    return [word for here, there in lent.items() for word in ("--volume", f"{here}:{there}:ro")]


def revision() -> str:
    """The commit that the tree is at; empty outside of one."""
    command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def main() -> int:
    """Have a base here to build on, and say which."""
    if missing := needs():
        print(missing, file=sys.stderr)
        return 1
    builder = Builder()
    print(f"{builder.base()}: {builder.bring_base()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
