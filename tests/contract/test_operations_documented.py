from pathlib import Path
from typing import Final

from burgee.api_reference import objects_reference, operations_reference
from mr.api.words import Who, words_of
from tests.support import personas

DOCS: Final = Path(__file__).parents[2] / "docs"

# Who stands in the documents, and which personas the permission matrix lets in.
PERSONAS: Final = {
    Who.ANYBODY: personas.EVERYBODY,
    Who.SIGNED_IN: personas.SIGNED_IN,
    Who.PEOPLE: personas.SIGNED_IN - {"admin account"},
    Who.REPLACING: personas.NOBODY,
    Who.MEMBERS: personas.IN_PORTFOLIO,
    Who.IN_APPLICATION: personas.IN_APPLICATION,
    Who.IN_ENVIRONMENT: personas.IN_ENVIRONMENT,
    Who.VALUE_EDITORS: personas.WRITERS,
    Who.FEATURE_MAKERS: personas.MAKERS,
    Who.FEATURE_EDITORS: personas.ADMINS | {"editor"},
    Who.STRATEGY_EDITORS: personas.ADMINS | {"strategist"},
    Who.ADMINS: personas.ADMINS,
    Who.ADMINS_ANYWHERE: personas.ADMINS_ANYWHERE,
    Who.SUPERUSERS: personas.SUPERUSER,
}


async def test_the_reference_of_operations_is_current():
    assert (DOCS / "operations.md").read_text() == await operations_reference(), "run: make docs"


async def test_the_reference_of_objects_is_current():
    assert (DOCS / "objects.md").read_text() == await objects_reference(), "run: make docs"


def test_every_operation_says_who_may_call_it():
    wrong = [name for name, rule in personas.RULE_OF.items() if PERSONAS[words_of(name).who] != rule]
    assert not wrong


def test_every_operation_says_in_a_sentence_what_it_does():
    summaries = [words_of(name).summary for name in personas.RULE_OF]
    assert [each for each in summaries if not (each[0].isupper() and each.endswith("."))] == []
