"""The judge of the guarantees must be able to say no: what the driver's history calls wrong, and lost."""

import pytest

from common.contracts.features import FeatureState
from tests.support.history import Book, Feature, History, Setting
from tests.support.judge import Delivered
from tests.support.ledger import ledger, open_ledger

HERE = "here"
THERE = "there"


def state(key: str, value: bytes, version: int = 1) -> FeatureState:
    return FeatureState(id=key, key=key, type="STRING", locked=False, version=version, value=value)


def book_with(key: str, value: str) -> Book:
    book = Book((HERE,))
    book.write({key: Feature("STRING", {HERE: Setting(value, locked=False)})})
    return book


def test_what_is_stored_must_be_what_was_acknowledged() -> None:
    book = book_with("flag", "new")
    assert not book.wrong({HERE: {"flag": state("flag", b'"new"')}})
    assert book.wrong({HERE: {"flag": state("flag", b'"old"')}})
    assert book.wrong({HERE: {}})
    assert book.wrong({HERE: {"flag": state("flag", b'"new"'), "ghost": state("ghost", b'"boo"')}})


@pytest.mark.parametrize(("stored", "happened"), [(b'"old"', False), (b'"new"', True)])
def test_an_edit_without_an_answer_happened_or_did_not(stored: bytes, happened: bool) -> None:
    book = book_with("flag", "old")
    book.doubt("set flag", {"flag": Feature("STRING", {HERE: Setting("new", locked=False)})})
    assert book.doubtful == {"flag"}
    found = {HERE: {"flag": state("flag", stored)}}
    assert book.settled(found) == [happened]
    book.settle(found)
    assert not book.doubtful
    assert not book.wrong(found)


def test_an_edit_without_an_answer_that_did_half_of_it_is_a_fault() -> None:
    book = book_with("flag", "old")
    book.doubt("rename flag banner", {"flag": None, "banner": book.features["flag"]})
    both = {HERE: {"flag": state("flag", b'"old"'), "banner": state("banner", b'"old"')}}
    with pytest.raises(AssertionError, match="neither done nor undone"):
        book.settle(both)


def test_one_version_is_one_content_for_everybody() -> None:
    history = History()
    history.note_sent(HERE, "one")
    history.note_sent(HERE, "two")
    history.note_seen(HERE, "flag", Delivered("STRING", "one", False, 4))
    history.note_seen(THERE, "flag", Delivered("STRING", "two", False, 4))
    assert not history.faults, "another environment has versions of its own"
    history.note_seen(HERE, "flag", Delivered("STRING", "two", False, 4))
    with pytest.raises(AssertionError, match="was seen as"):
        history.check()


def test_nobody_may_see_what_nobody_wrote_or_other_than_acknowledged() -> None:
    history = History()
    history.note_seen(HERE, "flag", Delivered("STRING", "from nowhere", False, 1))
    with pytest.raises(AssertionError, match="which nobody wrote"):
        history.check()
    history = History()
    for value in ("first", "second"):
        history.note_sent(HERE, value)
    history.note_acknowledged(HERE, "flag", 2, "second")
    history.note_seen(HERE, "flag", Delivered("STRING", "first", False, 2))
    with pytest.raises(AssertionError, match="acknowledged as"):
        history.check()


def test_what_is_stored_below_an_acknowledged_version_is_lost() -> None:
    history = History()
    history.note_acknowledged(HERE, "flag", 7, "new")
    assert not history.lost(HERE, {"flag": state("flag", b'"new"', 7)})
    assert history.lost(HERE, {"flag": state("flag", b'"new"', 6)})


def test_a_step_back_is_a_fault_and_goes_into_the_account() -> None:
    open_ledger()
    history = History()
    history.stepped_back("a stream", "flag fell from 3 to 2")
    assert (history.backward_steps, ledger().backward) == (1, 1)
    with pytest.raises(AssertionError, match="fell from 3 to 2"):
        history.check()
    open_ledger()
