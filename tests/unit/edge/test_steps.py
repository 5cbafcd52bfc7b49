"""Where streams stand and what leads them on: shared where it can be, and bounded where it cannot."""

from common.contracts.environments import Policy
from common.evaluation.context import EvaluationContext
from edge.answers import View
from edge.steps import STEP_BYTES_HELD, Room
from tests.support.sources import account, environment, feature

NOW = 1_800_000_000.0


def policy() -> Policy:
    record = account()
    found = record.policy(next(iter(record.permissions)))
    assert found is not None
    return found


def view(user: str) -> View:
    context = EvaluationContext.parse([f"userkey={user}"])
    return View.of(policy(), client_evaluated=False, context=context)


def test_steps_of_very_many_contexts_are_not_kept_beyond_a_bound_of_bytes() -> None:
    room: Room[object] = Room(environment(feature("A", "small", feature_type="STRING")), 1, 1)
    standings = [room.stand(view(f"user{number}"), NOW, None) for number in range(100)]
    huge = feature("A", "x" * 500_000, feature_type="STRING", version=2)
    room.swap(environment(huge, revision=2), 2, 2)
    for standing in standings:
        assert len(room.step_from(standing, standing.view, NOW).data) > 500_000
    known = [room.known_step(standing) for standing in standings]
    assert room.known_step(standings[-1]) is not None
    assert sum(2 * len(step.data) for step in known if step is not None) <= STEP_BYTES_HELD + 2_000_000


def test_streams_that_stand_at_one_place_take_the_same_step() -> None:
    room: Room[object] = Room(environment(feature("A", False)), 1, 1)
    before = room.stand(view("fred"), NOW, None)
    assert room.stand(view("fred"), NOW, None) is before
    room.swap(environment(feature("A", True, version=2), revision=2), 2, 2)
    assert room.step_from(before, view("fred"), NOW) is room.step_from(before, before.view, NOW)
