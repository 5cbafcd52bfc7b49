"""Streams end with what is true, whatever happened, however slowly they read (G8, G9, G28 in small)."""

import json
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from common.contracts.environments import SdkKey
from common.contracts.features import RolloutStrategy, StrategyAttribute, Tombstone
from common.evaluation.context import EMPTY, EvaluationContext
from edge.access import Access
from edge.answers import Answers, View, render
from edge.hub import Hub, Stream
from edge.limits import ColdLookups
from tests.support.replicas import FOREVER, JavaLike, JsLike, PythonLike, World, events_of
from tests.support.sources import (
    CLIENT_KEY,
    ENVIRONMENT,
    SERVER_KEY,
    MemorySource,
    account,
    environment,
    feature,
    identity,
    text_value,
)

NOW = 1_800_000_000.0
CLIENT = SdkKey.parse(f"{ENVIRONMENT}/{CLIENT_KEY}")
SERVER = SdkKey.parse(f"default/{ENVIRONMENT}/{SERVER_KEY}")
FRED = EvaluationContext.parse(["userkey=fred"])


@dataclass
class Open:
    """One open stream, and whether it was woken."""

    hub: Hub
    stream: Stream
    woken: list[bool]

    def heard(self, now: float = NOW) -> list[tuple[str, object]]:
        self.woken.clear()
        step = self.stream.take(now)
        return [] if step is None else events_of(step.data)


@dataclass
class Desk:
    """A hub on a source in memory."""

    source: MemorySource = field(default_factory=MemorySource)

    def __post_init__(self) -> None:
        self.hub = Hub(Access(self.source, ColdLookups()), Answers())
        self.source.watch(self.hub)

    def open(self, key: SdkKey | None = CLIENT, context: EvaluationContext = EMPTY) -> Open:
        woken: list[bool] = []
        assert key is not None
        stream = self.hub.join(key, context, lambda: woken.append(True))
        assert stream is not None
        return Open(self.hub, stream, woken)


def desk(*states, **members) -> Desk:
    made = Desk()
    made.source.put(environment(*states, **members), account())
    return made


def names(events) -> list[tuple[str, object]]:
    return [
        (name, [each["key"] for each in data] if name == "features" else data["key"]) for name, data in events
    ]


def test_a_stream_begins_with_features_and_goes_on_with_what_changed():
    place = desk(feature("A", True), feature("B", True))
    stream = place.open()
    assert names(stream.heard()) == [("features", ["A", "B"])]
    assert stream.heard() == []
    place.source.put(environment(feature("A", False, version=2), feature("B", True), revision=2))
    assert stream.woken
    [(name, data)] = stream.heard()
    assert (name, data["key"], data["version"], data["value"]) == ("feature", "A", 2, False)


def test_the_id_of_features_is_the_tag_of_a_poll_without_quotes():
    place = desk(feature("A", True))
    stream = place.open(SERVER, FRED)
    step = stream.stream.take(NOW)
    assert step is not None
    snapshot = place.source.peek_environment(ENVIRONMENT)
    assert snapshot is not None
    record = place.source.peek_account(SERVER.key_hash)
    view = View.of(record.policy(ENVIRONMENT), client_evaluated=False, context=FRED)
    answer = render(snapshot, view, NOW)
    assert step.data == b"event: features\nid: %s//%s\ndata: %s\n\n" % (
        answer.tag.encode(),
        FRED.tag.encode(),
        answer.features,
    )


def test_deletions_have_the_last_version_of_their_key_so_that_no_sdk_ignores_them():
    """What this stream was sent may be older than what another Edge has told the same SDK."""
    place = desk(feature("A", True, version=9), feature("B", True, version=3), feature("C", True, version=5))
    stream = place.open()
    stream.heard()
    tombstone = Tombstone(key="A", feature_id=identity("A"), type="BOOLEAN", until=FOREVER, version=11)
    retired = feature("B", True, version=4, retired=True)
    place.source.put(environment(retired, revision=2, tombstones=[tombstone]))
    assert [(name, data["key"], data["version"]) for name, data in stream.heard()] == [
        ("delete_feature", "A", 11),
        ("delete_feature", "B", 4),
        ("delete_feature", "C", 0),
    ]
    later = place.open()
    assert [(data["key"], data["version"]) for _, data in later.heard()[1:]] == [("A", 11), ("B", 4)]


def test_retiring_is_a_deletion_and_the_reverse_is_a_feature():
    place = desk(feature("A", True))
    stream = place.open()
    stream.heard()
    place.source.put(environment(feature("A", True, version=2, retired=True), revision=2))
    assert names(stream.heard()) == [("delete_feature", "A")]
    place.source.put(environment(feature("A", True, version=3), revision=3))
    assert names(stream.heard()) == [("feature", "A")]


def test_a_rename_deletes_the_old_key_and_then_sends_the_new_one():
    place = desk(feature("OLD", True, feature_id=identity("x")))
    stream = place.open()
    stream.heard()
    place.source.put(environment(feature("NEW", True, feature_id=identity("x")), revision=2))
    assert names(stream.heard()) == [("delete_feature", "OLD"), ("feature", "NEW")]


def test_a_key_that_came_back_under_another_id_is_just_a_feature():
    place = desk(feature("A", True, feature_id=identity("first")))
    stream = place.open()
    stream.heard()
    place.source.put(environment(feature("A", True, version=2, feature_id=identity("second")), revision=2))
    assert names(stream.heard()) == [("feature", "A")]


def test_a_slow_stream_hears_the_last_state_and_not_the_history():
    place = desk(feature("A", True))
    slow = place.open()
    slow.heard()
    for version in range(2, 50):
        place.source.put(environment(feature("A", version % 2 == 0, version=version), revision=version))
    [(name, data)] = slow.heard()
    assert (name, data["version"]) == ("feature", 49)


def test_new_streams_hear_of_tombstones_and_retired_keys_that_their_policy_could_see():
    def tombstone(key: str, until: int = FOREVER, filters: tuple[str, ...] = ()) -> Tombstone:
        return Tombstone(key=key, feature_id=identity(key), type="STRING", filters=filters, until=until)

    snapshot = environment(
        feature("HERE", True, filters=["f"]),
        feature("RETIRED", True, retired=True, filters=["f"]),
        feature("RETIRED_ELSEWHERE", True, retired=True, filters=["g"]),
        tombstones=[
            tombstone("BURIED", filters=("f",)),
            tombstone("BURIED_ELSEWHERE", filters=("g",)),
            tombstone("EXPIRED", until=int(NOW) - 1, filters=("f",)),
            tombstone("HERE", filters=("f",)),
        ],
    )
    place = Desk()
    place.source.put(snapshot, account(filters=["f"]))
    heard = place.open().heard()
    assert names(heard) == [
        ("features", ["HERE"]),
        ("delete_feature", "BURIED"),
        ("delete_feature", "RETIRED"),
    ]


def test_a_filtered_account_hears_nothing_of_foreign_features():
    place = Desk()
    place.source.put(environment(feature("MINE", True, filters=["f"])), account(filters=["f"]))
    stream = place.open()
    stream.heard()
    place.source.put(
        environment(feature("MINE", True, filters=["f"]), feature("OTHER", True, filters=["g"]), revision=2)
    )
    assert stream.heard() == []


def test_losing_a_filter_takes_features_away_and_losing_all_takes_everything():
    place = Desk()
    place.source.put(
        environment(feature("F", True, filters=["f"]), feature("G", True, filters=["g"])),
        account(filters=["f", "g"]),
    )
    stream = place.open()
    stream.heard()
    place.source.put(account(filters=["f"], revision=2))
    assert stream.woken
    assert names(stream.heard()) == [("delete_feature", "G")]
    place.source.put(account(restricted=True, revision=3))
    assert names(stream.heard()) == [("delete_feature", "F")]


def test_extended_data_comes_and_goes_with_the_permission():
    place = desk(feature("A", True, properties={"team": "x"}), feature("B", True))
    stream = place.open()
    stream.heard()
    place.source.put(account(roles=("READ", "EXTENDED_DATA"), revision=2))
    [(name, data)] = stream.heard()
    assert (name, data["key"], data["fp"]) == ("feature", "A", {"team": "x"})
    place.source.put(account(roles=("READ",), revision=3))
    [(name, data)] = stream.heard()
    assert "fp" not in data


def test_a_reset_key_revokes_its_own_streams_at_once_and_no_others():
    place = desk(feature("A", True))
    client, server = place.open(CLIENT), place.open(SERVER)
    place.source.put(account(client_key="another*key-of-this-account", revision=2))
    assert client.stream.revoked
    assert client.woken
    assert client.heard() == []
    assert not server.stream.revoked
    assert place.hub.join(CLIENT, EMPTY, lambda: None) is None


def test_a_removed_account_a_lost_environment_and_a_deleted_one_revoke_streams():
    for end in (
        lambda source: source.put(account(removed=True, revision=2)),
        lambda source: source.put(account(identity("elsewhere"), revision=2)),
        lambda source: source.remove_environment(ENVIRONMENT),
    ):
        place = desk(feature("A", True))
        stream = place.open()
        stream.heard()
        end(place.source)
        assert stream.stream.revoked
        assert stream.woken


def test_nothing_can_be_joined_that_is_not_at_hand():
    place = desk(feature("A", True))
    place.source.forget()
    assert place.hub.join(CLIENT, EMPTY, lambda: None) is None
    assert len(place.hub) == 0


def test_differences_are_encoded_once_for_all_who_were_sent_the_same():
    place = desk(feature("A", True))
    streams = [place.open() for _ in range(3)]
    for stream in streams:
        stream.heard()
    place.source.put(environment(feature("A", False, version=2), revision=2))
    first, *others = [stream.stream.take(NOW).data for stream in streams]
    assert all(part is first for part in others)


def test_streams_that_came_at_different_times_share_bytes_again_after_a_change():
    place = desk(feature("A", 0))
    streams = []
    for version in range(2, 6):
        streams.append(place.open())
        for stream in streams:
            stream.heard()
        place.source.put(environment(feature("A", version, version=version), revision=version))
    steps = [stream.stream.take(NOW) for stream in streams]
    assert all(step is steps[0] for step in steps)
    assert len({stream.stream.standing for stream in streams}) == 1
    late = place.open()
    late.heard()
    assert late.stream.standing is streams[0].stream.standing


def test_openings_are_encoded_once_and_are_those_of_the_moment():
    place = desk(feature("A", 1))
    first, second = place.open(), place.open()
    assert first.stream.take(NOW) is second.stream.take(NOW)
    place.source.put(environment(feature("A", 2, version=2), revision=2))
    [(name, data)] = place.open().heard()
    assert (name, data[0]["version"]) == ("features", 2)


def test_contexts_that_see_the_same_change_are_evaluated_each_for_themselves():
    def states(version: int):
        return environment(
            feature("A", version, version=version),
            feature("B", "x", feature_type="STRING", strategies=for_fred("only fred", version)),
            revision=version,
        )

    def for_fred(text: str, version: int) -> tuple[RolloutStrategy, ...]:
        match = StrategyAttribute(conditional="EQUALS", field_name="userkey", values=("fred",), type="STRING")
        return (RolloutStrategy(id="s", value=text_value(f"{text} {version}"), attributes=(match,)),)

    place = Desk()
    place.source.put(states(1), account())
    fred, anybody = place.open(SERVER, FRED), place.open(SERVER)
    fred.heard()
    anybody.heard()
    place.source.put(states(2))
    heard = {data["key"]: data["value"] for _, data in fred.heard()}
    assert heard == {"A": 2, "B": "only fred 2"}
    assert {data["key"]: data["value"] for _, data in anybody.heard()}["A"] == 2


def test_a_hub_forgets_streams_that_left():
    place = desk(feature("A", True))
    streams = [place.open(key) for key in (CLIENT, SERVER, CLIENT)]
    assert len(place.hub) == 3
    for stream in streams:
        place.hub.leave(stream.stream)
    assert len(place.hub) == 0
    assert not place.hub._rooms
    assert not place.hub._accounts


def test_a_time_rule_changes_evaluated_streams_when_its_moment_comes():
    """G29: on open streams, without an edit."""
    rule = RolloutStrategy(
        id="late",
        value=text_value("after"),
        attributes=(
            StrategyAttribute(
                conditional="GREATER_EQUALS",
                field_name="now",
                values=("2027-01-15T08:10:00Z",),
                type="DATETIME",
            ),
        ),
    )
    timed = feature("T", "before", feature_type="STRING", strategies=(rule,))
    place = desk(timed, feature("U", True))
    stream = place.open(SERVER, FRED)
    [(_, states)] = stream.heard(NOW)
    assert [each["value"] for each in states] == ["before", True]
    moment = stream.stream.changes_at
    assert moment is not None
    assert stream.heard(moment - 0.01) == []
    # An edit of another feature meanwhile must not make the stream forget the moment.
    place.source.put(environment(timed, feature("U", False, version=2), revision=2))
    assert names(stream.heard(moment - 0.01)) == [("feature", "U")]
    assert stream.stream.changes_at == moment
    [(name, data)] = stream.heard(moment)
    assert (name, data["key"], data["value"], data["v"]) == ("feature", "T", "after", "late")
    assert stream.stream.changes_at is None


# ------------------------------------------------------------------------ any history, any pace

KEYS = st.sampled_from(["A", "B", "C"])
FILTERS = st.sampled_from([(), ("f",), ("g",), ("f", "g")])
EDITS = st.one_of(
    st.tuples(st.just("create"), KEYS),
    st.tuples(st.just("create"), KEYS, FILTERS),
    st.tuples(st.sampled_from(["change", "same_value", "retire", "delete"]), KEYS),
    st.tuples(st.sampled_from(["rename", "swap"]), KEYS, KEYS),
)
STEPS = st.one_of(
    EDITS,
    EDITS,
    st.tuples(st.just("read"), st.integers(0, 5)),
    st.tuples(st.just("reconnect"), st.integers(0, 5)),
    st.tuples(st.just("away"), st.integers(0, 5)),
)


@dataclass
class Sdk:
    """An SDK with its memory, connected or not, and how it connects."""

    model: JsLike | PythonLike
    key: SdkKey
    context: EvaluationContext = EMPTY
    connection: Open | None = None

    def connect(self, place: Desk) -> None:
        self.leave()
        self.connection = place.open(self.key, self.context)

    def leave(self) -> None:
        if self.connection is not None:
            self.connection.hub.leave(self.connection.stream)
            self.connection = None

    def read(self) -> None:
        if self.connection is not None:
            for name, data in self.connection.heard():
                self.model.hear(name, data)


def sdks() -> list[Sdk]:
    return [
        Sdk(JsLike(), CLIENT),
        Sdk(PythonLike(), CLIENT),
        Sdk(JsLike(), SERVER, FRED),
        Sdk(PythonLike(), SERVER, FRED),
        Sdk(JavaLike(), CLIENT),
        Sdk(JavaLike(), SERVER, FRED),
    ]


def assert_converged(place: Desk, sdk: Sdk) -> None:
    record = place.source.peek_account(sdk.key.key_hash)
    snapshot = place.source.peek_environment(ENVIRONMENT)
    view = View.of(record.policy(ENVIRONMENT), client_evaluated=sdk.key.client_evaluated, context=sdk.context)
    expected = {each["key"]: each for each in json.loads(render(snapshot, view, NOW).features)}
    assert sdk.model.features == expected


@given(st.lists(STEPS, max_size=40))
@settings(max_examples=300, deadline=None)
def test_every_sdk_ends_with_exactly_what_is_visible(steps):
    """G28: keys that go and come back, while SDKs are connected, slow, and away."""
    world, place = World(), Desk()
    place.source.put(world.snapshot(), account())
    all_sdks = sdks()
    for sdk in all_sdks:
        sdk.connect(place)
    for name, *arguments in steps:
        if name in {"read", "reconnect", "away"}:
            sdk = all_sdks[arguments[0]]
            {"read": sdk.read, "reconnect": lambda sdk=sdk: sdk.connect(place), "away": sdk.leave}[name]()
        else:
            getattr(world, name)(*arguments)
            place.source.put(world.snapshot())
    for sdk in all_sdks:
        if sdk.connection is None:
            sdk.connect(place)
        sdk.read()
        assert_converged(place, sdk)


POLICIES = st.tuples(st.just("account"), st.sampled_from([("f",), ("g",), ("f", "g"), ()]), st.booleans())


@given(st.lists(st.one_of(EDITS, st.tuples(st.just("filter"), KEYS, FILTERS), POLICIES, STEPS), max_size=40))
@settings(max_examples=300, deadline=None)
def test_connected_sdks_follow_filters_and_policies_however_slowly_they_read(steps):
    """G9 and G8: what is filtered away is deleted, what is not visible is never heard of."""
    world, place = World(), Desk()
    revision = 1
    place.source.put(world.snapshot(), account())
    all_sdks = sdks()
    for sdk in all_sdks:
        sdk.connect(place)
    for name, *arguments in steps:
        if name == "account":
            revision += 1
            filters, restricted = arguments
            place.source.put(account(filters=filters, restricted=restricted, revision=revision))
        elif name == "read":
            all_sdks[arguments[0]].read()
        elif name not in {"reconnect", "away"}:
            getattr(world, name)(*arguments)
            place.source.put(world.snapshot())
    for sdk in all_sdks:
        sdk.read()
        assert_converged(place, sdk)
