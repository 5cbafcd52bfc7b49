import time

import pytest
from hypothesis import given

from common.evaluation.patterns import MAX_TEXT_BYTES, PatternFault, whole_text
from tests.unit.evaluation.builders import wild_texts


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|aa)+c", "(a*)*b", "(.*)*(.*)*(.*)*x", "(\\w+\\s?)*!"])
def test_a_pattern_that_backtracks_for_ever_elsewhere_is_quick_here(pattern: str) -> None:
    matches = whole_text(pattern)
    started = time.process_time()
    assert not matches("a" * MAX_TEXT_BYTES)
    assert time.process_time() - started < 1


@pytest.mark.parametrize("pattern", [".*a.{900}", "(a{100}){10}\\pL{200}", "x{1000}{1000}"])
def test_a_pattern_that_would_need_much_memory_is_faulty(pattern: str) -> None:
    with pytest.raises(PatternFault):
        whole_text(pattern)


@pytest.mark.parametrize("pattern", ["[", "(?=a)a", "(a)\\1", "a++", "(?>a)", "\ud800"])
def test_a_pattern_that_cannot_be_used_says_why(pattern: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(PatternFault) as caught:
        whole_text(pattern)
    assert str(caught.value)
    assert capfd.readouterr().err == ""


def test_the_whole_text_has_to_match() -> None:
    assert whole_text("gold|.*old")("fool's gold")
    assert not whole_text("gold")("fool's gold")
    assert not whole_text("gold")("gold\n")


def test_characters_are_matched_not_bytes() -> None:
    assert whole_text("Zo.")("Zoë")
    assert whole_text("\\p{Han}+")("日本")


def test_a_text_beyond_the_limit_matches_nothing() -> None:
    assert whole_text(".*")("a" * MAX_TEXT_BYTES)
    assert not whole_text(".*")("a" * (MAX_TEXT_BYTES + 1))


@given(wild_texts)
def test_any_text_is_a_pattern_or_a_fault(pattern: str) -> None:
    try:
        matches = whole_text(pattern)
    except PatternFault:
        return
    assert matches("turkey") in {True, False}
