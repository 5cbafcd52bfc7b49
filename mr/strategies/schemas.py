"""Wire types of rollout strategies and of the faults found in them."""

from __future__ import annotations

from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from common.contracts.features import Conditional, FieldType
from mr.api.models import WireModel

CollectionViolation = Literal["percentage_adds_over_100_percent", "boolean_has_no_value"]
Violation = Literal[
    "no_name",
    "name_too_long",
    "empty_match_criteria",
    "negative_percentage",
    "percentage_over_100_percent",
    "array_attribute_no_values",
    "attr_invalid_well_known_enum",
    "attr_missing_value",
    "attr_missing_conditional",
    "attr_missing_field_name",
    "attr_missing_field_type",
    "attr_val_not_semantic_version",
    "attr_val_not_number",
    "attr_val_not_date",
    "attr_val_not_date_time",
    "attr_val_not_cidr",
    "attr_unknown_failure",
]


class RolloutStrategyAttribute(WireModel):
    """One condition. What the contract requires may be missing here: that is a violation, not bad JSON."""

    id: str | None = None
    conditional: Conditional | None = None
    fieldName: str | None = None
    values: list[Any] = []
    type: FieldType | None = None


class RolloutStrategy(WireModel):
    nullable_members: ClassVar[frozenset[str]] = frozenset({"value"})

    id: str | None = None
    name: str | None = None
    percentage: int | None = None
    percentageAttributes: list[str] = []
    attributes: list[RolloutStrategyAttribute] = []
    value: Any = None
    colouring: int | None = None
    disabled: bool = False
    avatar: str | None = Field(None, max_length=200)


class RolloutStrategyInstance(WireModel):
    """The use of an application's strategy by one value, with the value it serves there."""

    nullable_members: ClassVar[frozenset[str]] = frozenset({"value"})

    name: str | None = None
    strategyId: UUID
    value: Any = None
    disabled: bool = False


class RolloutStrategyViolation(WireModel):
    id: str | None = None
    violation: Violation


class CustomRolloutStrategyViolation(WireModel):
    strategy: RolloutStrategy
    violations: list[RolloutStrategyViolation]


class SharedRolloutStrategyViolation(WireModel):
    strategy: RolloutStrategyInstance
    violation: list[RolloutStrategyViolation]


class RolloutStrategyValidationRequest(WireModel):
    customStrategies: list[RolloutStrategy] = []
    sharedStrategies: list[RolloutStrategyInstance] = []


class RolloutStrategyValidationResponse(WireModel):
    customStategyViolations: list[CustomRolloutStrategyViolation] = []
    sharedStrategyViolations: list[SharedRolloutStrategyViolation] = []
    violations: list[CollectionViolation] = []
