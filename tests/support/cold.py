"""Make the caches of a split world cold, or wait until they are up to date."""

import asyncio
import shutil
from collections.abc import Callable, Sequence

import psycopg

from tests.support.processes import BurgeeProcess
from tests.support.split import Split
from tests.support.waiting import eventually


async def chill(split: Split, processes: Sequence[BurgeeProcess] | None = None) -> None:
    """Crash these processes (all Dachas and Edges), take their state folders away, and start them again."""
    chosen = [*split.dachas, *split.edges] if processes is None else processes

    def restart() -> None:
        for process in chosen:
            process.kill()
            shutil.rmtree(split.folder / process.name / "state", ignore_errors=True)
        for process in chosen:
            process.launch()
        for process in chosen:
            process.wait_until_ready(60)

    await asyncio.to_thread(restart)


async def crash_and_return(processes: Sequence[BurgeeProcess]) -> None:
    """Crash them all at once and start them again in place, with what their state folders hold."""

    def restart() -> None:
        for process in processes:
            process.kill()
        for process in processes:
            process.launch()
        for process in processes:
            process.wait_until_ready(60)

    await asyncio.to_thread(restart)


async def caught_up(split: Split, processes: Sequence[BurgeeProcess] | None = None) -> None:
    """Wait until all that was committed has been published and these caches (all) know everything."""
    chosen = [*split.dachas, *split.edges] if processes is None else processes

    def there() -> bool:
        newest = last_position(split.database_url)
        return newest is not None and all(
            each.metric(f"burgee_{each.kind}_position") >= newest for each in chosen
        )

    await _true(there, "caches to know everything")


async def heard(split: Split) -> None:
    """Wait until every Dacha has heard of the last thing that was committed, whatever it is still loading."""

    def told() -> bool:
        newest = last_position(split.database_url)
        return newest is not None and all(
            each.metric("burgee_dacha_position") + each.metric("burgee_dacha_position_lag") >= newest
            for each in split.dachas
        )

    await _true(told, "Dachas to hear of it")


def last_position(database_url: str) -> int | None:
    """Answer the position of the last committed row of the log; None while something is unpublished."""
    query = "SELECT max(position), count(*) FILTER (WHERE published IS NULL OR position IS NULL) FROM outbox"
    with psycopg.connect(database_url) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return None if row[1] else int(row[0] or 0)


async def _true(condition: Callable[[], bool], what: str) -> None:
    async def ask() -> bool:
        return await asyncio.to_thread(condition)

    known: bool = await eventually(ask, within_seconds=45, what=what)
    assert known
