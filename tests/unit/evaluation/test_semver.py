import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.evaluation.semver import parse_version

ORDERED = [
    "1-alpha",
    "1-alpha-1",
    "1-beta",
    "1-milestone",
    "1-rc",
    "1-rc2",
    "1-rc10",
    "1-snapshot",
    "1",
    "1-sp",
    "1-abc",
    "1-whatever",
    "1-1",
    "1-2",
    "1.1",
    "1.2",
    "1.9.0",
    "1.10.0-rc1",
    "1.10.0",
    "2.0.0-1",
    "2.0.1",
    "10",
    "99999999999999999999999999",
]


@pytest.mark.parametrize(("lower", "higher"), list(itertools.pairwise(ORDERED)))
def test_versions_are_in_mavens_order(lower: str, higher: str) -> None:
    assert parse_version(lower) < parse_version(higher)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "1.0.0"),
        ("1", "1-ga"),
        ("1.0", "1-FINAL"),
        ("1", "1.0.release"),
        ("1a1", "1-alpha-1"),
        ("1b2", "1-beta-2"),
        ("1m3", "1-milestone-3"),
        ("1.0-RC1", "1-cr1"),
        ("1.0.0-foo.0.0", "1-foo"),
        ("1.0.0-0.0.0", "1"),
        ("01.002", "1.2"),
        ("", "0"),
        ("1.", "1"),
    ],
)
def test_some_spellings_are_one_version(one: str, other: str) -> None:
    assert parse_version(one) == parse_version(other)


def test_a_leading_v_is_not_part_of_a_number() -> None:
    assert parse_version("v1.2.3") != parse_version("1.2.3")


@given(st.text(alphabet="019.-abrcgx", max_size=10), st.sampled_from([".0", ".0.0", "-0", "-ga", ".final"]))
def test_a_trailing_nothing_changes_nothing(version: str, tail: str) -> None:
    if version and version[-1] not in ".-":
        assert parse_version(version) == parse_version(version + tail)


@pytest.mark.parametrize("piece", ["1-", "1.", "a1", "0", "0."])
def test_a_long_version_costs_no_more_than_its_length(piece: str) -> None:
    text = piece * 20_000
    started = time.process_time()
    assert parse_version(text) == parse_version(text)
    assert time.process_time() - started < 2
