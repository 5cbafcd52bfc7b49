"""Wire types of the playground: a context, and why it gets what it gets."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from common.contracts.features import FeatureType
from mr.api.models import WireModel

Reason = Literal["DEFAULT", "TARGETING_MATCH", "SPLIT", "DISABLED", "ERROR"]
Outcome = Literal[
    "MATCHED",
    "NO_PERCENTAGE_KEY",
    "OVER_PERCENTAGE",
    "ATTRIBUTE_MISMATCH",
    "NOTHING_TO_MATCH",
    "ERROR",
    "NOT_REACHED",
    "DISABLED",
]
RuleKind = Literal["custom", "application", "group", "unknown"]
Text = Annotated[str, Field(max_length=4_000)]


class EvaluationRequest(WireModel):
    """Who asks. `attributes` add to what `header` (the text of `x-featurehub`) says, and take precedence.

    `ampersand`: pairs in the header are separated by `&` as well, as the SDKs for Python and Ruby send them.
    `at`: the moment to look at, for rules on time; now if it is not given.
    """

    environmentId: UUID
    attributes: dict[Text, list[Text]] = {}
    header: str | None = Field(None, max_length=16_000)
    ampersand: bool = False
    userKey: Text | None = None
    at: datetime | None = None
    featureKeys: list[Text] = []


class EvaluatedCondition(WireModel):
    """One condition: what it asks, what was given (absent = nothing), and whether it holds.

    `present`: the present stood in for what was not given. Without `holds` nobody can say, for `fault`.
    """

    fieldName: str
    conditional: str
    type: str
    values: list[Any] = []
    given: list[str] | None = None
    present: bool
    holds: bool | None = None
    fault: str | None = None


class EvaluatedShare(WireModel):
    """The share of a rule, of 1,000,000: callers whose number is above `floor`, up to `end`.

    `number` is this caller's, made of `text` and the feature's id; absent when nobody can say.
    """

    percentage: int
    attributes: list[str] = []
    text: str | None = None
    number: int | None = None
    floor: int
    end: int


class EvaluatedRule(WireModel):
    """What became of one rule. `ownerId`: the application strategy or feature group that it belongs to."""

    id: str
    kind: RuleKind
    name: str | None = None
    ownerId: UUID | None = None
    ownerName: str | None = None
    outcome: Outcome
    field: str | None = None
    fault: str | None = None
    value: Any = None
    share: EvaluatedShare | None = None
    conditions: list[EvaluatedCondition] = []


class EvaluatedFeature(WireModel):
    """What a feature is for this context, and the rule that decided; no rule = the default value.

    `changesAt`: when the answer changes by itself, if it does.
    """

    id: UUID
    key: str
    name: str
    type: FeatureType
    version: int
    locked: bool
    retired: bool
    value: Any = None
    defaultValue: Any = None
    reason: Reason
    ruleId: str | None = None
    changesAt: datetime | None = None
    rules: list[EvaluatedRule] = []


class EvaluationAnswer(WireModel):
    """What each feature is for a context; `attributes` are those that were understood."""

    environmentId: UUID
    at: datetime
    attributes: dict[str, list[str]]
    features: list[EvaluatedFeature] = []
