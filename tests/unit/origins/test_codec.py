"""Questions and answers of look-ups come back from their bytes as what they were."""

import msgspec
import pytest

from common.contracts.environments import EnvironmentSnapshot, states_digest
from common.contracts.events import CounterId
from common.contracts.features import Tombstone
from common.contracts.lookups import (
    AccountAnswer,
    AtLeast,
    Changes,
    CounterState,
    EnvironmentAnswer,
    Listing,
    SdkUpdate,
    State,
    decode_environment_answer,
    decode_update,
    encode_environment_answer,
    encode_update,
)
from common.contracts.questions import AskEnvironment, AskState, decode_question, encode_question
from common.errors import BadRequest, Unavailable
from common.origins.remote import LISTING_LIMIT, REVISIONS_LIMIT, RemoteOrigin, answer
from tests.support.sources import ENVIRONMENT, account, environment, feature

ENVIRONMENT_COUNTER = CounterId("environment", ENVIRONMENT)
AT_LEAST = AtLeast("epoch", 7, 12)


class Shelf:
    """An origin that holds one answer of each kind, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.environment = EnvironmentAnswer(snapshot=None, revision=3, epoch="e", position=9)
        self.account = AccountAnswer(record=account(), epoch="e", position=9, behind=True)

    async def load_environment(self, environment_id: str, at_least: AtLeast = AT_LEAST, /):
        self.asked.append((environment_id, at_least))
        return self.environment

    async def load_account(self, key_hash: str, at_least: AtLeast = AT_LEAST, /):
        self.asked.append((key_hash, at_least))
        return self.account

    async def changes(self, after: int) -> Changes:
        self.asked.append(after)
        return Changes(epoch="e", term=2, position=5, counters=((ENVIRONMENT_COUNTER, 4),), complete=False)

    async def revisions(self, counters) -> list[CounterState]:
        self.asked.append(tuple(counters))
        return [CounterState(counter=each, revision=4, digest=(1 << 64) - 1) for each in counters]

    async def state(self) -> State:
        return State(epoch="e", term=2, position=5)

    async def listing(self, after: str | None, limit: int) -> Listing:
        self.asked.append((after, limit))
        if after == "nonsense":
            raise BadRequest("No page has that name.")
        return Listing(ids=(ENVIRONMENT,), hashes=("a" * 64,), next="e1")


def remote(shelf: Shelf) -> RemoteOrigin:
    async def ask(question: bytes, _seconds: float) -> bytes:
        return await answer(shelf, question)

    return RemoteOrigin(ask)


def same(one: EnvironmentSnapshot, other: EnvironmentSnapshot) -> bool:
    forms = [
        (each.id, each.revision, each.digest, each.info, each.tombstones, each.organization_id)
        for each in (one, other)
    ]
    states = [[(each.fingerprint, each.version) for each in item.ordered] for item in (one, other)]
    return forms[0] == forms[1] and states[0] == states[1]


async def test_an_environment_comes_through_with_every_state_and_its_digest():
    shelf = Shelf()
    states = [feature("A", value=True, version=4), feature("B", value="ü😀", feature_type="STRING")]
    snapshot = environment(*states, revision=7, info={"cacheControl": "x"}, tombstones=[grave()])
    shelf.environment = EnvironmentAnswer(snapshot=snapshot, revision=7, epoch="e", position=9, behind=True)
    got = await remote(shelf).load_environment(ENVIRONMENT, AT_LEAST)
    assert same(got.snapshot, snapshot)
    assert got.snapshot.digest == states_digest(got.snapshot.features.values(), got.snapshot.info)
    assert (got.revision, got.epoch, got.position, got.behind) == (7, "e", 9, True)
    assert shelf.asked == [(ENVIRONMENT, AT_LEAST)]


def grave() -> Tombstone:
    return Tombstone(key="Z", feature_id="f", type="STRING", filters=("x",), until=77)


async def test_a_number_keeps_the_text_it_was_written_with():
    state = msgspec.structs.replace(
        feature("N", value=1, feature_type="NUMBER"), value=b"12345678901234567890.10"
    )
    data = encode_environment_answer(
        EnvironmentAnswer(snapshot=environment(state), revision=1, epoch="e", position=1)
    )
    assert data.isascii()
    (got,) = decode_environment_answer(data).snapshot.ordered
    assert got.value == b"12345678901234567890.10"
    assert got.fingerprint == state.fingerprint


async def test_an_environment_that_is_gone_is_none_with_its_revision():
    got = await remote(Shelf()).load_environment(ENVIRONMENT)
    assert (got.snapshot, got.revision, got.behind) == (None, 3, False)


async def test_every_other_answer_comes_through_as_it_was():
    shelf = Shelf()
    origin = remote(shelf)
    assert await origin.load_account("a" * 64, AT_LEAST) == shelf.account
    assert await origin.changes(3) == await shelf.changes(3)
    counters = [ENVIRONMENT_COUNTER, CounterId("account", "b")]
    assert await origin.revisions(counters) == await shelf.revisions(counters)
    assert await origin.state() == await shelf.state()
    assert await origin.listing(None, 10) == await shelf.listing(None, 10)
    assert ("a" * 64, AT_LEAST) in shelf.asked


async def test_no_account_is_an_answer():
    shelf = Shelf()
    shelf.account = AccountAnswer(record=None, epoch="e", position=9)
    assert await remote(shelf).load_account("b" * 64) == shelf.account


async def test_a_question_of_another_release_is_unavailable():
    for question in (b'{"ask":"weather"}', b"{}", b"nonsense", b"\xff"):
        with pytest.raises(Unavailable):
            await answer(Shelf(), question)


async def test_an_answer_that_is_not_understood_is_unavailable_and_never_absent():
    for data in (b"", b"null", b"{}", b'{"snapshot":null}', b'{"record":null,"epoch":"e"}', b"\xff"):

        async def ask(_question: bytes, _seconds: float, data: bytes = data) -> bytes:
            return data

        origin = RemoteOrigin(ask)
        for question in (origin.load_environment, origin.load_account):
            with pytest.raises(Unavailable):
                await question("x")


async def test_a_snapshot_with_a_digest_that_is_no_number_is_unavailable():
    data = encode_environment_answer(
        EnvironmentAnswer(snapshot=environment(feature("A")), revision=1, epoch="e", position=1)
    )
    torn = data.replace(b'"digest":"', b'"digest":"no')

    async def ask(_question: bytes, _seconds: float) -> bytes:
        return torn

    with pytest.raises(Unavailable):
        await RemoteOrigin(ask).load_environment(ENVIRONMENT)


async def test_who_asks_for_too_much_gets_a_page_or_a_refusal():
    shelf = Shelf()
    origin = remote(shelf)
    await origin.listing("x", 1_000_000)
    assert shelf.asked == [("x", LISTING_LIMIT)]
    with pytest.raises(Unavailable):
        await origin.revisions([ENVIRONMENT_COUNTER] * (REVISIONS_LIMIT + 1))
    with pytest.raises(Unavailable):
        await origin.listing("nonsense", 1)


@pytest.mark.parametrize("value", [None, b"true", b"1.10", b'"\\u00fc"'])
def test_an_update_keeps_the_token_of_its_value(value):
    update = SdkUpdate(
        request_id="r",
        environment_id=ENVIRONMENT,
        key_hash="h",
        feature_key="ä",
        value=value,
        lock=False,
        deadline=1.5,
    )
    assert decode_update(encode_update(update)) == update


@pytest.mark.parametrize("value", [b"{]", b"1 2", b""])
def test_an_update_with_a_value_that_is_no_json_is_refused(value):
    text = b'{"requestId":"r","environmentId":"e","keyHash":"h","featureKey":"k","deadline":1,"value":%s}'
    with pytest.raises(msgspec.MsgspecError):
        decode_update(text % value)


def test_questions_name_themselves():
    assert encode_question(AskState()) == b'{"ask":"state"}'
    asked = AskEnvironment(ENVIRONMENT, AT_LEAST)
    assert decode_question(encode_question(asked)) == asked
    assert decode_question(b'{"ask":"environment","id":"x"}') == AskEnvironment("x")
