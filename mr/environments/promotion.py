"""The promotion order of an application's environments: a list linked through each one's predecessor.

Pure. Two environments may name the same predecessor, and loops may be asked for; the order is always one
line that holds every environment once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

Links = Mapping[UUID, UUID | None]
"""Predecessors by environment, in order of creation."""


def ordered(links: Links) -> list[UUID]:
    """Return all environments, each behind its predecessor; those that share one as they were created."""
    followers: defaultdict[UUID | None, list[UUID]] = defaultdict(list)
    for environment, prior in links.items():
        followers[prior if prior in links else None].append(environment)
    line: list[UUID] = []
    seen: set[UUID] = set()

    def walk(first: UUID) -> None:
        waiting = [first]
        while waiting:
            environment = waiting.pop()
            if environment not in seen:
                seen.add(environment)
                line.append(environment)
                waiting.extend(reversed(followers[environment]))

    for head in followers[None]:
        walk(head)
    for environment in links:  # a loop has no head
        walk(environment)
    return line


def relinked(links: Links, environment: UUID, prior: UUID | None) -> dict[UUID, UUID | None]:
    """Return the links that change when `environment` gets `prior` as its predecessor.

    When that closes a loop, the one behind `environment` on the way to `prior` takes over its old place.
    """
    changes: dict[UUID, UUID | None] = {environment: prior}
    step = prior
    for _ in links:
        if step is None:
            break
        before = links.get(step)
        if before == environment:
            changes[step] = links.get(environment)
            break
        step = before
    return {each: link for each, link in changes.items() if links.get(each) != link}


def closed_gap(links: Links, environment: UUID) -> dict[UUID, UUID | None]:
    """Return the links that change when `environment` goes: its followers get its predecessor."""
    return {each: links.get(environment) for each, prior in links.items() if prior == environment}


def loops(links: Links) -> bool:
    """True when following predecessors from some environment never ends."""
    for start in links:
        step: UUID | None = start
        for _ in links:
            step = None if step is None else links.get(step)
        if step is not None:
            return True
    return False


def last(links: Links) -> UUID | None:
    """Return the end of the line, behind which a new environment stands."""
    line: Sequence[UUID] = ordered(links)
    return line[-1] if line else None
