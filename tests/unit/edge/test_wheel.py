"""One timer for very many: nobody is called early, twice, or never."""

import asyncio
import time

from edge.wheel import TICK_SECONDS, Wheel
from tests.support.waiting import eventually


class Due:
    """Notes when it was called."""

    def __init__(self) -> None:
        self.tick = 0
        self.called: list[float] = []

    def on_due(self) -> None:
        self.called.append(time.monotonic())


async def test_everybody_is_called_once_and_not_before_the_moment() -> None:
    wheel = Wheel(asyncio.get_running_loop())
    began = time.monotonic()
    moments = [began + 0.003 * number for number in range(100)]
    everybody = [Due() for _ in moments]
    for due, moment in zip(everybody, reversed(moments), strict=True):
        wheel.call(due, moment)
    await eventually(lambda: all(due.called for due in everybody))
    for due, moment in zip(everybody, reversed(moments), strict=True):
        [called] = due.called
        assert called >= moment


async def test_an_earlier_moment_wins_and_a_later_one_is_not_needed() -> None:
    wheel = Wheel(asyncio.get_running_loop())
    due = Due()
    began = time.monotonic()
    between = Due()
    wheel.call(due, began + 60)
    wheel.call(due, began + 0.05)
    wheel.call(due, began + 0.2)
    wheel.call(between, began + 0.1)
    await eventually(lambda: due.called and between.called)
    # Whoever is held up calls both at once, and still in their order.
    assert due.called[0] <= between.called[0]
    wheel.call(due, began + 0.2)
    await eventually(lambda: len(due.called) == 2)
    assert due.called[1] >= began + 0.2
    await asyncio.sleep(3 * TICK_SECONDS)
    assert len(due.called) == 2
    wheel.close()


async def test_whoever_is_called_may_ask_to_be_called_again_at_once() -> None:
    wheel = Wheel(asyncio.get_running_loop())

    class Again(Due):
        def on_due(self) -> None:
            super().on_due()
            if len(self.called) < 5:
                wheel.call(self, time.monotonic())

    again = Again()
    wheel.call(again, 0.0)
    await eventually(lambda: len(again.called) == 5)


async def test_never_is_never_and_a_closed_wheel_calls_nobody() -> None:
    wheel = Wheel(asyncio.get_running_loop())
    never, soon = Due(), Due()
    wheel.call(never, float("inf"))
    wheel.call(soon, time.monotonic() + 0.03)
    wheel.close()
    await asyncio.sleep(0.06)
    assert not never.called
    assert not soon.called
    assert never.tick == 0
