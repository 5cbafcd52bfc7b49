"""Bodies and etags, to the byte."""

import gzip
import json
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.contracts.environments import Policy
from common.contracts.features import RolloutStrategy, StrategyAttribute
from common.evaluation.context import EMPTY, EvaluationContext
from edge.answers import Answers, View, answer_poll, cache_control, render, unknown
from edge.codings import Packed
from edge.recent import Recent
from tests.support.sources import ENVIRONMENT, environment, feature, text_value

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC).timestamp()
ALL = Policy(extended=False, filters=None)
CLIENT = View.of(ALL, client_evaluated=True, context=EMPTY)
PERU = EvaluationContext.parse(["country=peru,userkey=fred"])
TRUE = msgspec.Raw(b"true")

CART = feature(
    "NEW_CART",
    value=False,
    version=7,
    feature_id="6f1f7c2e-4b0a-4f63-9d6c-0d1d9d3b7a11",
    strategies=(
        RolloutStrategy(id="k3Pq", percentage=250_000, percentage_attributes=("company",), value=TRUE),
        RolloutStrategy(
            id="z81x",
            value=TRUE,
            attributes=(
                StrategyAttribute(
                    conditional="EQUALS", field_name="country", values=("turkey", "peru"), type="STRING"
                ),
            ),
        ),
    ),
)
ITEMS = feature(
    "MAX_ITEMS",
    value=12.5,
    version=2,
    feature_type="NUMBER",
    feature_id="0b6c9a54-7d0e-4c9b-8f4e-2a1b3c4d5e6f",
    locked=True,
)
SHOP = environment(CART, ITEMS)

CART_FOR_CLIENTS = (
    b'{"id":"6f1f7c2e-4b0a-4f63-9d6c-0d1d9d3b7a11","key":"NEW_CART","l":false,"version":7,"type":"BOOLEAN",'
    b'"value":false,"strategies":[{"id":"k3Pq","percentage":250000,"percentageAttributes":["company"],'
    b'"value":true,"attributes":[]},{"id":"z81x","value":true,"attributes":[{"conditional":"EQUALS",'
    b'"fieldName":"country","values":["turkey","peru"],"type":"STRING"}]}]}'
)
CART_IN_PERU = (
    b'{"id":"6f1f7c2e-4b0a-4f63-9d6c-0d1d9d3b7a11","key":"NEW_CART","l":false,"version":7,"type":"BOOLEAN",'
    b'"value":true,"v":"z81x"}'
)
ITEMS_FOR_CLIENTS = (
    b'{"id":"0b6c9a54-7d0e-4c9b-8f4e-2a1b3c4d5e6f","key":"MAX_ITEMS","l":true,"version":2,"type":"NUMBER",'
    b'"value":12.5,"strategies":[]}'
)
ITEMS_EVALUATED = ITEMS_FOR_CLIENTS.replace(b',"strategies":[]', b"")


def evaluated(context: EvaluationContext = EMPTY, policy: Policy = ALL) -> View:
    return View.of(policy, client_evaluated=False, context=context)


def test_a_client_evaluated_environment_is_the_contracts_example_by_key():
    body = render(SHOP, CLIENT, NOW).body
    expected = b"[%s,%s]" % (ITEMS_FOR_CLIENTS, CART_FOR_CLIENTS)
    assert body == b'{"id":"%s","features":%s}' % (ENVIRONMENT.encode(), expected)


def test_a_server_evaluated_environment_is_the_contracts_example_by_key():
    answer = render(SHOP, evaluated(PERU), NOW)
    assert answer.features == b"[%s,%s]" % (ITEMS_EVALUATED, CART_IN_PERU)


def test_a_feature_without_a_value_has_neither_value_nor_strategies_in_both_modes():
    bare = environment(feature("BARE", version=0, strategies=None, feature_id=CART.id))
    expected = (
        b'[{"id":"6f1f7c2e-4b0a-4f63-9d6c-0d1d9d3b7a11","key":"BARE","l":false,"version":0,"type":"BOOLEAN"}]'
    )
    assert render(bare, CLIENT, NOW).features == expected
    assert render(bare, evaluated(PERU), NOW).features == expected


def test_null_members_are_absent():
    states = environment(
        feature(
            "A",
            feature_type="STRING",
            strategies=(RolloutStrategy(id="s", value=msgspec.Raw(b"null")), RolloutStrategy(id="t")),
        )
    )
    for view in (CLIENT, evaluated(PERU)):
        assert b"null" not in render(states, view, NOW).body


def test_json_values_stay_text_and_everything_is_ascii():
    states = environment(
        feature("J", '{"grün":1}', feature_type="JSON"), feature("S", "naïve ☃ 😀", feature_type="STRING")
    )
    body = render(states, CLIENT, NOW).body
    assert body.isascii()
    [text, snow] = json.loads(body)["features"]
    assert text["value"] == '{"grün":1}'
    assert snow["value"] == "naïve ☃ 😀"


def test_properties_are_for_accounts_with_extended_data():
    states = environment(feature("A", value=True, properties={"team": "checkout"}))
    extended = Policy(extended=True, filters=None)
    for client_evaluated in (True, False):
        plain = View.of(ALL, client_evaluated=client_evaluated, context=EMPTY)
        rich = View.of(extended, client_evaluated=client_evaluated, context=EMPTY)
        assert b'"fp"' not in render(states, plain, NOW).body
        assert b'"fp":{"team":"checkout"}' in render(states, rich, NOW).body
        assert render(states, plain, NOW).tag != render(states, rich, NOW).tag


def test_retired_and_filtered_features_are_absent():
    states = environment(
        feature("GONE", value=True, retired=True),
        feature("MINE", value=True, filters=["f1", "f2"]),
        feature("OPEN", value=True),
    )
    mine = View.of(Policy(False, ("f2",)), client_evaluated=True, context=EMPTY)
    nothing = View.of(Policy(False, ()), client_evaluated=True, context=EMPTY)
    assert [each["key"] for each in json.loads(render(states, CLIENT, NOW).features)] == ["MINE", "OPEN"]
    assert [each["key"] for each in json.loads(render(states, mine, NOW).features)] == ["MINE"]
    assert render(states, nothing, NOW).body == unknown(ENVIRONMENT).body


def test_an_environment_without_features_still_says_so():
    assert unknown(ENVIRONMENT).body == b'{"id":"%s","features":[]}' % ENVIRONMENT.encode()
    assert render(environment(), CLIENT, NOW) == unknown(ENVIRONMENT)


def test_an_unchanged_poll_is_304_with_the_etag_as_it_was_sent():
    first = answer_poll([render(SHOP, evaluated(PERU), NOW)], PERU, None)
    assert first.body is not None
    again = answer_poll([render(SHOP, evaluated(PERU), NOW)], PERU, first.etag)
    assert again == (first.etag, None, "")


def test_several_unchanged_keys_are_304_as_well_and_one_change_brings_all():
    other = environment(ITEMS, environment_id="00000000-0000-4000-8000-000000000001")
    both = [render(SHOP, CLIENT, NOW), render(other, CLIENT, NOW)]
    first = answer_poll(both, EMPTY, None)
    assert first.body == b"[%s,%s]" % (both[0].body, both[1].body)
    assert answer_poll(both, EMPTY, first.etag).body is None
    assert answer_poll(both[::-1], EMPTY, first.etag).body is not None
    assert answer_poll(both[:1], EMPTY, first.etag).body is not None
    changed = [both[0], render(environment(CART, environment_id=other.id), CLIENT, NOW)]
    assert answer_poll(changed, EMPTY, first.etag).body == b"[%s,%s]" % (both[0].body, changed[1].body)


def test_an_etag_is_quoted_and_names_the_context():
    answer = render(SHOP, evaluated(PERU), NOW)
    etag = answer_poll([answer], PERU, None).etag
    assert etag == f'"{answer.tag}//{PERU.tag}"'
    assert len(answer.tag) == 22
    assert answer_poll([answer], EMPTY, None).etag == f'"{answer.tag}"'


def test_another_context_is_never_304_even_if_nothing_else_changed():
    states = environment(ITEMS)
    mary = EvaluationContext.parse(["userkey=mary"])
    fred = answer_poll([render(states, evaluated(PERU), NOW)], PERU, None)
    assert answer_poll([render(states, evaluated(mary), NOW)], mary, fred.etag).body == fred.body


@pytest.mark.parametrize("mangle", ["{}x", "x{}", "  ", '""', '"*"', "W/", "{},", '"x" {}', "w/{}", "*,{}"])
def test_what_is_not_exactly_the_etag_does_not_match(mangle):
    answers = [render(SHOP, CLIENT, NOW)]
    etag = answer_poll(answers, EMPTY, None).etag
    assert answer_poll(answers, EMPTY, mangle.format(etag)).body is not None
    assert answer_poll(answers, EMPTY, etag.strip('"')).body is not None


@pytest.mark.parametrize("held", ["{}", "W/{}", "*", " {} ", '"x", {}', '"x" ,W/{},"y"'])
def test_the_etag_matches_in_a_list_in_weak_form_and_under_a_star(held):
    answers = [render(SHOP, CLIENT, NOW)]
    etag = answer_poll(answers, EMPTY, None).etag
    assert answer_poll(answers, EMPTY, held.format(etag)) == (etag, None, "")


def test_a_gzipped_poll_has_a_tag_of_its_own_and_either_form_matches():
    answers = [render(environment(*(feature(f"F{n}", True) for n in range(40))), CLIENT, NOW)]
    plain = answer_poll(answers, EMPTY, None)
    coded = answer_poll(answers, EMPTY, None, Packed())
    assert plain.body is not None
    assert coded.body is not None
    assert (plain.coding, coded.coding) == ("", "gzip")
    assert gzip.decompress(coded.body) == plain.body
    assert coded.etag == plain.etag[:-1] + '-gzip"'
    for etag in (plain.etag, coded.etag):
        for packed in (None, Packed()):
            assert answer_poll(answers, EMPTY, etag, packed) == (etag, None, "")


states = st.builds(
    feature,
    st.sampled_from(["A", "B"]),
    st.none() | st.sampled_from(["x", "y"]),
    version=st.integers(0, 2),
    feature_type=st.just("STRING"),
    locked=st.booleans(),
    retired=st.booleans(),
    filters=st.sets(st.sampled_from(["f", "g"])),
    properties=st.none() | st.just({"p": "1"}),
    strategies=st.none()
    | st.just(())
    | st.just((RolloutStrategy(id="s", percentage=500_000, value=text_value("z")),)),
)
views = st.builds(
    View.of,
    st.builds(Policy, st.booleans(), st.none() | st.sets(st.sampled_from(["f", "g"])).map(sorted).map(tuple)),
    client_evaluated=st.booleans(),
    context=st.sampled_from([EMPTY, PERU, EvaluationContext.parse(["userkey=mary"])]),
)


@given(st.lists(states, max_size=3), st.lists(states, max_size=3), views, views)
def test_equal_tags_are_equal_bodies(some, others, view, other_view):
    """G20: on every node, and whatever the way there."""
    one = render(environment(*some), view, NOW)
    two = render(environment(*others, revision=9), other_view, NOW)
    assert (one.tag == two.tag) == (one.body == two.body)


@given(st.lists(states, max_size=3), views)
def test_the_cache_changes_no_byte(some, view):
    cache = Answers(max_bytes=3000)
    snapshot = environment(*some)
    assert cache.get(snapshot, view, NOW) == cache.get(snapshot, view, NOW) == render(snapshot, view, NOW)


def test_a_swapped_snapshot_is_answered_at_once():
    cache = Answers()
    assert cache.get(environment(CART), CLIENT, NOW).features == b"[%s]" % CART_FOR_CLIENTS
    assert cache.get(environment(ITEMS), CLIENT, NOW).features == b"[%s]" % ITEMS_FOR_CLIENTS


SALE = datetime(2026, 11, 22, 12, 0, tzinfo=UTC).timestamp()
SALE_BEGINS = feature(
    "SALE",
    value=False,
    strategies=(
        RolloutStrategy(
            id="late",
            value=TRUE,
            attributes=(
                StrategyAttribute(
                    conditional="GREATER_EQUALS",
                    field_name="now",
                    values=("2026-11-22T12:00:00Z",),
                    type="DATETIME",
                ),
            ),
        ),
    ),
)


def test_a_time_rule_ends_the_cached_answer_when_it_crosses_its_moment():
    """G29: no edit, and yet no false 304."""
    cache = Answers()
    snapshot = environment(SALE_BEGINS, CART)
    before = cache.get(snapshot, evaluated(PERU), NOW)
    assert b'"key":"SALE","l":false,"version":1,"type":"BOOLEAN","value":false' in before.body
    assert before.changes_at is not None
    assert NOW < before.changes_at <= SALE
    assert cache.get(snapshot, evaluated(PERU), SALE - 0.001) == before
    after = cache.get(snapshot, evaluated(PERU), SALE + 0.001)
    assert b'"value":true,"v":"late"' in after.body
    etag = answer_poll([before], PERU, None).etag
    assert answer_poll([after], PERU, etag).body is not None


def test_cache_control_is_taken_from_the_first_that_has_a_say():
    default = "no-store, max-age=0"
    wished = environment(info={"cacheControl": "max-age=60"})
    managed = environment(info={"mgmt.cacheControl": "max-age=5", "cacheControl": "max-age=60"})
    broken = environment(info={"mgmt.cacheControl": "max-age=5\r\nset-cookie: a=b"})
    assert cache_control([environment()], default) == default
    assert cache_control([wished], default) == "max-age=60"
    assert cache_control([wished], "max-age=30") == "max-age=30"
    assert cache_control([wished, managed], "max-age=30") == "max-age=5"
    assert cache_control([broken], default) == default


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 40)), max_size=60))
def test_what_is_held_never_outweighs_the_budget(puts):
    recent: Recent[int, int] = Recent(budget=100)
    for key, weight in puts:
        recent.put(key, weight, weight=weight)
        assert recent.spent <= 100
    assert recent.spent == sum(recent.find(key) or 0 for key in range(10))
