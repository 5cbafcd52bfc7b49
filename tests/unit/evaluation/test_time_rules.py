from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.evaluation.context import EMPTY, EvaluationContext
from common.evaluation.evaluate import decide, evaluate
from tests.unit.evaluation.builders import NOW, Json, attribute, feature, rule

MICROSECOND = timedelta(microseconds=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def now_rule(conditional: str, field_type: str, *values: str, field: str = "now") -> Json:
    return rule("a", attribute(field, conditional, field_type, *values))


@pytest.mark.parametrize(
    ("conditional", "field_type", "value", "matches", "changes"),
    [
        ("GREATER_EQUALS", "DATETIME", "2026-11-20T12:30:16Z", False, "2026-11-20T12:30:16Z"),
        ("GREATER", "DATETIME", "2026-11-20T12:30:16Z", False, "2026-11-20T12:30:16.000001Z"),
        ("LESS", "DATETIME", "2026-11-20T12:30:16Z", True, "2026-11-20T12:30:16Z"),
        ("LESS", "DATETIME", "2026-11-20T13:30:16+01:00", True, "2026-11-20T12:30:16Z"),
        ("LESS", "DATETIME", "2026-11-20T12:30:15Z", False, None),
        ("GREATER", "DATETIME", "2026-11-20T12:30:15Z", True, None),
        ("EQUALS", "DATETIME", "2026-11-20T12:30:15.250Z", True, "2026-11-20T12:30:15.250001Z"),
        ("REGEX", "DATETIME", "2026-11-20T12:30:15Z", True, "2026-11-20T12:30:16Z"),
        ("EQUALS", "DATE", "2026-11-20", True, "2026-11-21T00:00:00Z"),
        ("NOT_EQUALS", "DATE", "2026-11-22", True, "2026-11-22T00:00:00Z"),
        ("LESS_EQUALS", "DATE", "2026-11-22", True, "2026-11-23T00:00:00Z"),
        ("GREATER", "DATE", "2026-11-20", False, "2026-11-21T00:00:00Z"),
        ("GREATER", "DATE", "2026-11-19", True, None),
        ("STARTS_WITH", "DATE", "2026-11", True, "2026-11-21T00:00:00Z"),
    ],
)
def test_a_rule_on_the_present_tells_when_it_turns(
    conditional: str, field_type: str, value: str, matches: bool, changes: str | None
) -> None:
    evaluation = evaluate(feature(now_rule(conditional, field_type, value)), EMPTY, NOW)

    assert (evaluation.strategy_id == "a") == matches
    assert evaluation.changes_at == (None if changes is None else at(changes).timestamp())


def test_the_present_is_that_of_utc_wherever_the_caller_is() -> None:
    state = feature(now_rule("EQUALS", "DATE", "2026-11-21"))
    sydney = datetime.fromisoformat("2026-11-21T08:00:00+10:00")
    assert decide(state, EMPTY, sydney) == (b'"default"', None, at("2026-11-21T00:00:00Z").timestamp())


def test_a_present_that_the_caller_sends_wins_and_never_changes() -> None:
    state = feature(now_rule("LESS", "DATE", "2026-11-22"))
    assert decide(state, EvaluationContext({"now": ["2030-01-01"]}), NOW) == (b'"default"', None, None)


def test_only_dates_and_times_know_the_present() -> None:
    state = feature(
        now_rule("NOT_EQUALS", "STRING", "x"), now_rule("LESS", "DATE", "2027-01-01", field="today")
    )
    assert decide(state, EMPTY, NOW) == (b'"default"', None, None)


def test_a_missing_list_of_values_is_never_satisfied_by_the_present() -> None:
    strategy = rule("a", {"fieldName": "now", "conditional": "EQUALS", "type": "DATE"})
    assert decide(feature(strategy), EMPTY, NOW) == (b'"default"', None, None)


def test_a_rule_that_fails_for_another_reason_does_not_wait_for_the_time() -> None:
    in_turkey = attribute("country", "EQUALS", "STRING", "turkey")
    later = attribute("now", "GREATER", "DATE", "2026-11-22")
    for strategy in (
        rule("a", later, in_turkey),
        rule("a", later, percentage=1),
        rule("a", later, percentage=1),
    ):
        context = EvaluationContext({"userkey": ["fred"], "country": ["peru"]})
        assert decide(feature(strategy), context, NOW).changes_at is None


def test_a_rule_behind_the_one_that_decides_does_not_matter() -> None:
    always = rule("always", attribute("userkey", "EQUALS", "STRING", "fred"))
    state = feature(always, now_rule("GREATER", "DATE", "2026-11-22"))
    assert decide(state, EvaluationContext({"userkey": ["fred"]}), NOW).changes_at is None


def test_a_window_opens_at_its_beginning_and_closes_at_its_end() -> None:
    window = rule(
        "a",
        attribute("now", "GREATER_EQUALS", "DATETIME", "2026-11-20T13:00:00Z"),
        attribute("now", "LESS", "DATETIME", "2026-11-20T14:00:00Z"),
    )
    state = feature(window)
    opens, closes = at("2026-11-20T13:00:00Z"), at("2026-11-20T14:00:00Z")

    assert decide(state, EMPTY, NOW) == (b'"default"', None, opens.timestamp())
    assert decide(state, EMPTY, opens) == (b'"a"', "a", closes.timestamp())
    assert decide(state, EMPTY, closes) == (b'"default"', None, None)


def test_a_window_that_never_opens_is_not_waited_for() -> None:
    state = feature(
        rule(
            "a",
            attribute("now", "GREATER", "DATE", "2026-12-24"),
            attribute("now", "LESS", "DATE", "2026-11-01"),
        )
    )
    assert decide(state, EMPTY, NOW).changes_at is None


near = st.datetimes(datetime(2026, 11, 18), datetime(2026, 11, 23)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)
comparing = st.sampled_from(
    ["EQUALS", "NOT_EQUALS", "GREATER", "GREATER_EQUALS", "LESS", "LESS_EQUALS", "INCLUDES", "EXCLUDES"]
)
moments = st.one_of(
    st.tuples(comparing, st.just("DATETIME"), st.lists(near.map(datetime.isoformat), min_size=1, max_size=2)),
    st.tuples(
        comparing,
        st.just("DATE"),
        st.lists(near.map(lambda each: each.date().isoformat()), min_size=1, max_size=2),
    ),
    st.tuples(
        st.sampled_from(["REGEX", "STARTS_WITH"]),
        st.sampled_from(["DATE", "DATETIME"]),
        st.just(["2026-11-2"]),
    ),
)
others = st.just(("EQUALS", "STRING", ["turkey"]))
time_rules = st.builds(
    lambda parts, country, percentage: {
        **rule("r", *(attribute("now", *part[:2], *part[2]) for part in parts)),
        **({"percentage": percentage} if percentage else {}),
        **({} if country is None else {"id": country}),
    },
    st.lists(moments, min_size=1, max_size=3),
    st.sampled_from([None, "b", "c"]),
    st.sampled_from([None, None, 1, 1_000_000]),
)


def step_back(instant: float) -> datetime:
    return datetime.fromtimestamp(instant, UTC) - MICROSECOND


@given(st.lists(time_rules, min_size=1, max_size=3), near, st.lists(st.floats(0, 1), max_size=5))
def test_an_answer_stays_until_the_instant_it_names(
    rules: list[Json], now: datetime, shares: list[float]
) -> None:
    state, context = feature(*rules), EvaluationContext({"userkey": ["fred"]})
    answer = evaluate(state, context, now)
    until = answer.changes_at
    last = now + timedelta(days=20) if until is None else step_back(until)
    assert until is None or until > now.timestamp()

    # Every instant that a rule names is a likely place for a mistake, beside any other.
    named = [
        datetime.fromisoformat(value).replace(tzinfo=UTC) + offset
        for each in rules
        for part in each["attributes"]
        if part["conditional"] not in {"REGEX", "STARTS_WITH"}
        for value in part["values"]
        for offset in (-MICROSECOND, timedelta(), MICROSECOND, timedelta(days=1))
    ]
    for moment in [now, last, *named, *(now + (last - now) * share for share in shares)]:
        if now <= moment <= last:
            then = evaluate(state, context, moment)
            assert then[:3] == answer[:3]


@given(st.lists(time_rules, min_size=1, max_size=3), near)
def test_following_the_instants_finds_every_change(rules: list[Json], now: datetime) -> None:
    comparing_only = [
        each
        for each in rules
        if all(part["conditional"] not in {"REGEX", "STARTS_WITH"} for part in each["attributes"])
    ]
    state, context = feature(*comparing_only), EvaluationContext({"userkey": ["fred"]})
    steps = 0
    while (until := decide(state, context, now).changes_at) is not None:
        now = datetime.fromtimestamp(until, UTC)
        steps += 1
        assert steps <= 40
    answer = decide(state, context, now)
    assert decide(state, context, now + timedelta(days=3650)) == answer
