import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from common.contracts.features import FeatureState
from common.evaluation.context import EvaluationContext
from common.evaluation.evaluate import Reason, decide, evaluate
from common.evaluation.percentage import bucket

VECTORS: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "strategy-vectors.json").read_text(encoding="utf-8")
)
# The file says that its "now" cases were run then.
THEN = datetime(2026, 11, 20, tzinfo=UTC)


def wanted(vector: dict[str, Any]) -> Any:
    return vector.get("suggest", vector["expect"])


def test_the_file_holds_every_vector_it_announces() -> None:
    counts = VECTORS["about"]["counts"]  # type: ignore[call-overload]
    assert counts == {name: len(VECTORS[name]) for name in counts}
    assert counts == {"percentage": 25, "contextHeader": 11, "strategies": 43, "matchers": 144}


@pytest.mark.parametrize("vector", VECTORS["percentage"], ids=lambda vector: vector["text"][:20])
def test_a_caller_has_the_number_that_sdks_compute(vector: dict[str, Any]) -> None:
    assert bucket(vector["text"], vector["featureId"]) == wanted(vector)


@pytest.mark.parametrize("vector", VECTORS["contextHeader"], ids=lambda vector: str(vector["headers"])[:40])
def test_a_header_is_read_as_the_reference_reads_it(vector: dict[str, Any]) -> None:
    context = EvaluationContext.parse(vector["headers"])
    assert {name: list(values) for name, values in context.attributes.items()} == vector["decoded"]


@pytest.mark.parametrize(
    "vector", VECTORS["strategies"] + VECTORS["matchers"], ids=lambda vector: vector["name"]
)
def test_the_wanted_strategy_decides(vector: dict[str, Any]) -> None:
    state = FeatureState(
        id=vector["featureId"],
        key="FEATURE",
        type="STRING",
        locked=False,
        version=1,
        value=b'"default"',
        strategies=json.dumps(vector["strategies"]).encode(),
    )
    context = EvaluationContext(vector["context"])

    evaluation = evaluate(state, context, THEN)

    strategy_id = wanted(vector)
    assert evaluation.strategy_id == strategy_id
    assert evaluation.value == json.dumps(strategy_id or "default").encode()
    assert (evaluation.reason is Reason.DEFAULT) == (strategy_id is None)
    decision = decide(state, context, THEN)
    assert (decision.value, decision.strategy_id) == (evaluation.value, evaluation.strategy_id)
