"""COMPOSITION ROOT of Edge-REST: Edge's polls and updates over the database, without streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.app import edge_for_polls
from edge_rest.database import DatabaseSource
from edge_rest.replica import FollowingReader, NotingSink

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from edge.app import Edge, PollOptions
    from edge.updates import UpdateSink
    from edge_rest.database import Reader


def edge_rest(
    settings: PollOptions,
    *,
    reader: Reader,
    sink: UpdateSink,
    primary: Reader | None = None,
    registry: CollectorRegistry | None = None,
) -> Edge:
    """Return an Edge that reads the database for every request; streams are answered 501.

    ``primary``: where the updates go, when ``reader`` is only a replica of it.
    """
    if primary is not None:
        following = FollowingReader(reader, primary)
        reader, sink = following, NotingSink(sink, following)
    return edge_for_polls(
        settings, source=DatabaseSource(reader, primary=primary), sink=sink, registry=registry
    )
