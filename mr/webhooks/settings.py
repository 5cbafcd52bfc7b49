"""An environment's settings of its endpoints: a flat map of texts, some of them secret.

A secret is named by the list ``<prefix>.encrypt``; where there is a password, its place holds `ENCRYPTED` and
the sealed form lies beside it, which nobody is shown. The key that signs webhooks is secret without being
listed. Pure but for the vault; must not know the database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final
from uuid import UUID

from mr.auth.vault import ENCRYPTED, Sealed, Sealer, Vault

_SEALED: Final = ".encrypted"
_SALT: Final = ".salt"
_COMPANIONS: Final = (_SEALED, _SALT)
_REMOVED: Final = ".deleted"
_LIST: Final = ".encrypt"
SIGNING_KEY: Final = ".secret"
DISABLED: Final = ".disabled"
"""Says since when and why the server switched an endpoint off; gone when it is switched on again."""


def merged(
    stored: Mapping[str, str], given: Mapping[str, str], sealer: Sealer | None, environment_id: UUID
) -> dict[str, str]:
    """Return the stored settings with what was given in their place, secrets sealed."""
    result = dict(stored)
    for name, text in given.items():
        removed = name.removesuffix(_REMOVED)
        if removed != name:
            _drop(result, removed)
        elif not name.endswith((*_COMPANIONS, DISABLED)):
            _put(result, name, text)
    if sealer is not None:
        for name in list(_secrets(result)):
            plain = result.get(name)
            if plain and plain != ENCRYPTED:
                sealed = sealer.seal(plain, _place(environment_id, name))
                result |= {name: ENCRYPTED, name + _SEALED: sealed.text, name + _SALT: sealed.salt}
    return result


def _put(result: dict[str, str], name: str, text: str) -> None:
    if text == ENCRYPTED and (name + _SEALED in result or name in result):
        return
    _drop(result, name)
    if text != ENCRYPTED:
        result[name] = text
    if name.endswith(".enabled") and text.lower() == "true":
        result.pop(name.removesuffix(".enabled") + DISABLED, None)


def _drop(result: dict[str, str], name: str) -> None:
    for each in (name, *(name + companion for companion in _COMPANIONS)):
        result.pop(each, None)


def _secrets(settings: Mapping[str, str]) -> Iterator[str]:
    for name, text in settings.items():
        if name.endswith(_LIST):
            prefix = name.removesuffix(_LIST)
            for listed in filter(None, (each.strip() for each in text.split(","))):
                yield listed if listed.startswith(prefix) else f"{prefix}.{listed}"
        elif name.endswith(SIGNING_KEY):
            yield name


def secret_names(settings: Mapping[str, str]) -> frozenset[str]:
    """Which of the settings are never shown in records."""
    return frozenset(_secrets(settings))


def shown(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings as people see them: no sealed forms, and no key that signs."""
    return {
        name: ENCRYPTED if name.endswith(SIGNING_KEY) else text
        for name, text in settings.items()
        if not name.endswith(_COMPANIONS)
    }


async def opened(settings: Mapping[str, str], vault: Vault, environment_id: UUID) -> dict[str, str]:
    """Return the settings with every secret in the clear. Raises `mr.auth.vault.Undecipherable`."""
    result = {name: text for name, text in settings.items() if not name.endswith(_COMPANIONS)}
    for name, text in result.items():
        sealed = settings.get(name + _SEALED)
        if text == ENCRYPTED and sealed is not None:
            stored = Sealed(sealed, settings.get(name + _SALT, ""))
            result[name] = await vault.open(stored, _place(environment_id, name))
    return result


def _place(environment_id: UUID, name: str) -> str:
    return f"environment/{environment_id}/{name}"
