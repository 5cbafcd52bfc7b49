"""What is remembered of polls: bounded, and never an answer that looking up again would not give."""

import asyncio

from prometheus_client import CollectorRegistry

from edge.access import Access
from edge.answers import Answers
from edge.codings import Packed
from edge.limits import ColdLookups
from edge.parts import Questions
from edge.polls import Polls, Question
from edge.requests import Asked, Said
from edge.usage import Usage
from tests.support.edges import CLIENT, NOBODY
from tests.support.sources import ENVIRONMENT, MemorySource, account, environment, feature, identity
from tests.support.waiting import eventually


def question(key: str = CLIENT, **said: bytes) -> Question:
    return Question(Asked(b"/features", f"apiKey={key}".encode(), Said(**said)))


def filled() -> MemorySource:
    source = MemorySource()
    source.put(environment(feature("A", True)), account())
    return source


def polls_over(source: MemorySource, clock=lambda: 1_000.0) -> Polls:
    return Polls(
        source=source,
        access=Access(source, ColdLookups()),
        answers=Answers(),
        usage=Usage(CollectorRegistry()),
        packed=Packed(),
        cache_control_setting="no-store, max-age=0",
        clock=clock,
    )


def test_an_answer_is_the_same_object_as_long_as_nothing_changed():
    polls, asked = polls_over(filled()), question()
    assert polls.at_hand(asked) is polls.at_hand(asked)


def test_a_change_of_the_environment_is_in_the_next_answer():
    source = filled()
    polls, asked = polls_over(source), question()
    before = polls.at_hand(asked)
    source.put(environment(feature("A", False, version=2), revision=2))
    after = polls.at_hand(asked)
    assert before is not None
    assert after is not None
    assert before.body != after.body


def test_a_key_that_was_taken_away_gets_nothing_though_its_answer_is_remembered():
    source = filled()
    polls, asked = polls_over(source), question()
    assert polls.at_hand(asked) is not None
    source.put(account(roles=(), revision=2))
    assert polls.at_hand(asked) is None
    source.put(account(revision=3))
    assert polls.at_hand(asked) is not None
    source.put(account(revision=4, removed=True))
    assert polls.at_hand(asked) is None


def test_what_is_not_at_hand_any_more_is_not_answered_from_memory():
    source = filled()
    polls, asked = polls_over(source), question()
    assert polls.at_hand(asked) is not None
    source.forget()
    assert polls.at_hand(asked) is None


def test_an_unknown_key_is_nothing_to_answer_at_once():
    polls = polls_over(filled())
    assert polls.at_hand(question(NOBODY)) is None
    assert polls.at_hand(question("nonsense")) is None


def test_questions_are_remembered_within_a_budget_those_asked_for_first():
    questions = Questions(max_bytes=40_000)
    favourite = question()
    questions.put(b"favourite", favourite)
    for number in range(1_000):
        questions.put(b"%d" % number, question())
        assert questions.find(b"favourite") is favourite
        assert len(questions) <= 20
    assert questions.find(b"0") is None
    assert questions.find(b"999") is not None


def test_a_huge_answer_is_not_what_all_others_are_forgotten_for_twice():
    source = filled()
    polls, questions = polls_over(source), Questions(max_bytes=10)
    asked = question()
    polls.at_hand(asked)
    questions.put(b"a", asked)
    assert questions.find(b"a") is asked
    assert len(questions) == 1


async def test_what_changes_while_another_key_is_looked_up_is_not_answered_as_it_was():
    source, elsewhere = MemorySource(), identity("elsewhere")
    here = environment(feature("A", False, version=2), revision=2)
    source.put(environment(feature("B", True), environment_id=elsewhere))
    source.forget()
    source.put(environment(feature("A", True)), account(ENVIRONMENT, elsewhere))
    source.delay_seconds = 0.05
    polls, keys = polls_over(source), f"{CLIENT}&apiKey={CLIENT.replace(ENVIRONMENT, elsewhere)}"
    async with asyncio.TaskGroup() as tasks:
        finding = tasks.create_task(polls.find(question(keys), "somebody"))
        await eventually(lambda: source.lookups[elsewhere] == 1)
        source.put(here)
    assert b'"version":2' in finding.result().body
    source.forget()
    source.put(here, account(ENVIRONMENT, elsewhere, revision=2))
    async with asyncio.TaskGroup() as tasks:
        finding = tasks.create_task(polls.find(question(keys), "somebody"))
        await eventually(lambda: source.lookups[elsewhere] == 2)
        source.put(account(elsewhere, revision=3))
    body = finding.result().body
    assert b'"key":"A"' not in body, "it was taken away before this was answered"
    assert b'"key":"B"' in body
