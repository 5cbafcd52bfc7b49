"""What is wrong with rollout strategies, by the contract's names.

The same rules answer the validation endpoint (a list, status 200) and refuse writes (the list, status 422).
Pure.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from common.contracts.features import FeatureType
from common.errors import AppError, BadRequest, FieldFault, Precondition
from mr.api.json_body import token_of
from mr.strategies.schemas import (
    CollectionViolation,
    CustomRolloutStrategyViolation,
    RolloutStrategy,
    RolloutStrategyAttribute,
    RolloutStrategyInstance,
    RolloutStrategyValidationResponse,
    RolloutStrategyViolation,
    SharedRolloutStrategyViolation,
    Violation,
)

EVERYBODY: Final = 1_000_000
MAX_NAME: Final = 200


class InvalidStrategies(AppError):
    """Strategies break the contract's rules; the answer lists how, in the contract's form."""

    status = 422
    code = "invalid-strategies"

    def __init__(self, found: RolloutStrategyValidationResponse) -> None:
        super().__init__()
        self.found = found


class UnusableStrategy(BadRequest):
    """Strategies of an application or of a feature group are refused with 400: clients know no 422 there."""

    code = "unusable-strategy"


class RepeatedStrategyUse(Precondition):
    code = "repeated-application-strategy"


def validate(
    feature_type: FeatureType | None,
    custom: Sequence[RolloutStrategy],
    shared: Sequence[RolloutStrategyInstance],
) -> RolloutStrategyValidationResponse:
    """List what is wrong; an unknown feature type leaves values unchecked."""
    customs = [
        CustomRolloutStrategyViolation(strategy=strategy, violations=found)
        for strategy in custom
        if (found := list(_of_strategy(strategy)))
    ]
    empty = [use for use in shared if feature_type == "BOOLEAN" and use.value is None]
    return RolloutStrategyValidationResponse(
        customStategyViolations=customs,
        sharedStrategyViolations=[
            SharedRolloutStrategyViolation(
                strategy=use,
                violation=[RolloutStrategyViolation(id=str(use.strategyId), violation="attr_missing_value")],
            )
            for use in empty
        ],
        violations=list(_of_collection(feature_type, custom)),
    )


def require_valid(
    feature_type: FeatureType,
    custom: Sequence[RolloutStrategy],
    shared: Sequence[RolloutStrategyInstance],
) -> None:
    """Raise `InvalidStrategies`, or `RepeatedStrategyUse` when one strategy is used twice."""
    uses = [use.strategyId for use in shared]
    if len(set(uses)) != len(uses):
        raise RepeatedStrategyUse
    found = validate(feature_type, custom, shared)
    if found.customStategyViolations or found.sharedStrategyViolations or found.violations:
        raise InvalidStrategies(found)


def require_usable(strategies: Sequence[RolloutStrategy], *, path: str = "") -> None:
    """Hold strategies that carry no value of their own to the same rules. Raises `UnusableStrategy`.

    ``path`` is where they stand in the request.
    """
    faults = [
        FieldFault(f"{path}.{place}" if path else "strategy", found.violation)
        for place, strategy in enumerate(strategies)
        for found in _of_strategy(strategy)
    ]
    if any(_of_collection(None, strategies)):
        faults.append(FieldFault(path or "strategy", "percentage_adds_over_100_percent"))
    if faults:
        raise UnusableStrategy(fields=faults)


def _of_collection(
    feature_type: FeatureType | None, custom: Sequence[RolloutStrategy]
) -> Iterator[CollectionViolation]:
    if feature_type == "BOOLEAN" and any(strategy.value is None for strategy in custom):
        yield "boolean_has_no_value"
    plain = (strategy.percentage or 0 for strategy in custom if not strategy.attributes)
    if sum(share for share in plain if share > 0) > EVERYBODY:
        yield "percentage_adds_over_100_percent"


def _of_strategy(strategy: RolloutStrategy) -> Iterator[RolloutStrategyViolation]:
    def violation(kind: Violation, of: str | None = strategy.id) -> RolloutStrategyViolation:
        return RolloutStrategyViolation(id=of, violation=kind)

    name = (strategy.name or "").strip()
    if not name:
        yield violation("no_name")
    if len(name) > MAX_NAME:
        yield violation("name_too_long")
    if strategy.percentage is None and not strategy.attributes:
        yield violation("empty_match_criteria")
    if (strategy.percentage or 0) < 0:
        yield violation("negative_percentage")
    if (strategy.percentage or 0) > EVERYBODY:
        yield violation("percentage_over_100_percent")
    for attribute in strategy.attributes:
        for kind in _of_attribute(attribute):
            yield violation(kind, attribute.id)


def _of_attribute(attribute: RolloutStrategyAttribute) -> Iterator[Violation]:
    if attribute.conditional is None:
        yield "attr_missing_conditional"
    if not (attribute.fieldName or "").strip():
        yield "attr_missing_field_name"
    if attribute.type is None:
        yield "attr_missing_field_type"
    if not attribute.values:
        yield "array_attribute_no_values"
    if any(value is None for value in attribute.values):
        yield "attr_missing_value"
    if attribute.type is None or attribute.conditional == "REGEX":
        return
    kind, fits = _RULE_VALUES.get(attribute.type, ("attr_unknown_failure", _anything))
    if not all(fits(_text(value)) for value in attribute.values if value is not None):
        yield kind


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else token_of(value).decode()


def _anything(_text: str) -> bool:
    return True


_SEMANTIC_VERSION = re.compile(r"\d+[0-9A-Za-z]*(?:[.+-]+[0-9A-Za-z]+)*")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def _semantic_version(text: str) -> bool:
    return len(text) <= 200 and _SEMANTIC_VERSION.fullmatch(text) is not None


def _number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def _date(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _moment(text: str) -> bool:
    if "T" not in text.upper():
        return False
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


_RULE_VALUES: Final[Mapping[str, tuple[Violation, Callable[[str], bool]]]] = {
    "SEMANTIC_VERSION": ("attr_val_not_semantic_version", _semantic_version),
    "NUMBER": ("attr_val_not_number", _number),
    "DATE": ("attr_val_not_date", _date),
    "DATETIME": ("attr_val_not_date_time", _moment),
    "IP_ADDRESS": ("attr_val_not_cidr", _network),
    "STRING": ("attr_unknown_failure", _anything),
    "BOOLEAN": ("attr_unknown_failure", _anything),
}
