import pytest

from mr.strategies.schemas import RolloutStrategy, RolloutStrategyInstance
from mr.strategies.validation import InvalidStrategies, RepeatedStrategyUse, require_valid, validate


def attribute(**members):
    return {"fieldName": "f", "conditional": "EQUALS", "type": "STRING", "values": ["x"]} | members


def strategy(**members):
    return RolloutStrategy.model_validate({"name": "n", "value": True} | members)


def violations(**members):
    found = validate("STRING", [strategy(**members)], []).customStategyViolations
    return [each.violation for each in found[0].violations] if found else []


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({"percentage": 1}, []),
        ({"percentage": 0}, []),
        ({"attributes": [attribute()]}, []),
        ({}, ["empty_match_criteria"]),
        ({"percentage": 1, "name": " "}, ["no_name"]),
        ({"percentage": 1, "name": "n" * 201}, ["name_too_long"]),
        ({"percentage": -1}, ["negative_percentage"]),
        ({"percentage": 1_000_001}, ["percentage_over_100_percent"]),
        ({"attributes": [attribute(values=[])]}, ["array_attribute_no_values"]),
        ({"attributes": [attribute(values=[None])]}, ["attr_missing_value"]),
        ({"attributes": [attribute(conditional=None)]}, ["attr_missing_conditional"]),
        ({"attributes": [attribute(fieldName=" ")]}, ["attr_missing_field_name"]),
        ({"attributes": [attribute(type=None)]}, ["attr_missing_field_type"]),
    ],
)
def test_a_strategy_is_checked(members, found):
    expected = ["percentage_adds_over_100_percent"] if members.get("percentage") == 1_000_001 else []
    assert violations(**members) == found
    assert validate("STRING", [strategy(**members)], []).violations == expected


@pytest.mark.parametrize(
    ("kind", "good", "bad", "violation"),
    [
        (
            "SEMANTIC_VERSION",
            ["1.2.3", "1.2.3-beta.1+7", "2"],
            ["v1.2", "", "1..", "1" + "a" * 90 + "!"],
            "attr_val_not_semantic_version",
        ),
        ("NUMBER", [5, "1.5", " 7 ", "1e3"], ["x", "NaN", ""], "attr_val_not_number"),
        ("DATE", ["2026-11-22"], ["2026-13-01", "22.11.2026", "20261122"], "attr_val_not_date"),
        (
            "DATETIME",
            ["2026-11-22T10:00:00Z", "2026-11-22T10:00:00+02:00"],
            ["2026-11-22T10:00:00", "2026-11-22"],
            "attr_val_not_date_time",
        ),
        (
            "IP_ADDRESS",
            ["10.0.0.1", "10.0.0.5/8", "::1", "fe80::/10"],
            ["10.0.0", "host.example", "10.0.0.1/40"],
            "attr_val_not_cidr",
        ),
    ],
)
def test_rule_values_are_checked_by_type(kind, good, bad, violation):
    for value in good:
        assert violations(attributes=[attribute(type=kind, values=[value])]) == []
    for value in bad:
        assert violations(attributes=[attribute(type=kind, values=[value])]) == [violation], value


def test_a_boolean_needs_a_value_in_every_strategy():
    nothing = strategy(percentage=1, value=None)
    assert validate("BOOLEAN", [nothing], []).violations == ["boolean_has_no_value"]
    assert validate(None, [nothing], []).violations == []
    use = RolloutStrategyInstance(strategyId="6f1f7c2e-4b0a-4f63-9d6c-0d1d9d3b7a11")
    assert validate("BOOLEAN", [], [use]).sharedStrategyViolations[0].violation[0].violation


def test_shares_of_strategies_without_attributes_add_up():
    plain = strategy(percentage=600_000)
    narrowed = strategy(percentage=600_000, attributes=[attribute()])
    assert validate("STRING", [plain, narrowed], []).violations == []
    assert validate("STRING", [plain, plain], []).violations == ["percentage_adds_over_100_percent"]


def test_writes_are_refused():
    with pytest.raises(InvalidStrategies):
        require_valid("STRING", [strategy()], [])
    use = RolloutStrategyInstance(strategyId="6f1f7c2e-4b0a-4f63-9d6c-0d1d9d3b7a11", value=True)
    with pytest.raises(RepeatedStrategyUse):
        require_valid("STRING", [], [use, use])
