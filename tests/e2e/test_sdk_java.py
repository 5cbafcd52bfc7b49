"""The published SDK for Java: `java-client-jersey`, which streams, decides, and sets features.

Only with `BURGEE_TEST_SDKS=all` (`make sdks`), and skipped with a reason where Java or Maven is missing.
"""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.contracts.features import FeatureState
from tests.e2e.test_sdk_evaluation import CASES, bucket, offer
from tests.e2e.test_sdk_snippets import EVERYTHING, programs
from tests.support.admin import attribute, strategy
from tests.support.edges import CLIENT, running_edge
from tests.support.fleet import JAVA_STREAM, Fleet, open_fleet
from tests.support.judge import agree
from tests.support.party import PartyProcess, running_party
from tests.support.sdk import ROOT, Attributes, Sdk, SdkFailed, java_class_path, open_sdk
from tests.support.snippets import FEATURE, TRUE, filled, run_until
from tests.support.sources import MemorySource, account, environment, identity
from tests.support.waiting import eventually
from tests.support.world import World, open_world

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not EVERYTHING, reason="set BURGEE_TEST_SDKS=all to run the SDK for Java"),
]

EVALUATIONS = pytest.mark.parametrize("evaluation", ["client", "server"])
JAVA = [JAVA_STREAM]
SILENCE_SECONDS = 12
STREAM_SECONDS = 2
THROWS = "(throws)"
# Faults of this SDK: what it finds, where Burgee's server and most other SDKs find something else.
DECIDED_OTHERWISE = {
    "NUMBER EQUALS [5] vs '5.0'": "default",
    "NUMBER EQUALS [\"5\"] vs '5'": "default",
    "NUMBER GREATER [\"4\"] vs '5'": "default",
    "NUMBER REGEX [\"^1.*\"] vs '123'": "default",
    "NUMBER EQUALS [3000000000] vs '3000000000'": "default",
    "BOOLEAN EQUALS [\"true\"] vs 'true'": THROWS,
    "BOOLEAN EQUALS [] vs 'true'": THROWS,
    "DATETIME EQUALS [\"2019-02-01T01:01:01Z\"] vs '2019-02-01T02:01:01+01:00'": "default",
    "null values + absent attribute + EQUALS is satisfied": "default",
    "now DATETIME greater than past": "default",
    "invalid regex must not break": THROWS,
}
VECTORS: dict[str, Any] = json.loads((ROOT / "tests/unit/evaluation/strategy-vectors.json").read_text())


@pytest.fixture(scope="module", autouse=True)
def java() -> str:
    """The class path of the SDK, from Maven Central."""
    for tool, package in (("java", "openjdk-17-jdk-headless"), ("mvn", "maven")):
        if shutil.which(tool) is None:
            pytest.skip(f"there is no {tool}; on Debian or Ubuntu: apt-get install -y {package}")
    try:
        return java_class_path()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"the SDK could not be had: {error.stdout[-300:]}")


@EVALUATIONS
async def test_java_follows_a_feature_from_creation_to_re_creation(
    world: World, party: PartyProcess, evaluation: str
) -> None:
    admin, environment_id = world.admin, world.environment_id
    values = {
        "truth": ("BOOLEAN", True),
        "text": ("STRING", 'Grüße, 世界 🚩 "quoted" \\ and\nnew lines'),
        "number": ("NUMBER", 12.5),
        "document": ("JSON", '{"colours":["red","grün"]}'),
    }
    async with open_fleet(world.port, [world.key(evaluation)], kinds=JAVA) as fleet:
        await world.create("flag")
        await fleet.hold("flag", False)
        for key, (kind, value) in values.items():
            await world.create(key, kind)
            await admin.set(environment_id, key, value)
            await fleet.hold(key, value)
            assert await only(fleet).evaluate(key, {}) == value
        await admin.set(environment_id, "flag", True)
        await fleet.hold("flag", True)
        await admin.set(environment_id, "flag", locked=True)
        await fleet.see(lambda now: now.feature("flag").locked, what="the lock")
        await admin.set(environment_id, "flag", retired=True)
        await fleet.lack("flag")
        await admin.set(environment_id, "flag", retired=False)
        await fleet.hold("flag", True)
        await admin.delete_feature(world.application.id, "text")
        await fleet.lack("text")
        await world.create("text", "STRING")
        await admin.set(environment_id, "text", "back again")
        await fleet.hold("text", "back again")
        await agree(fleet, party.database_url, environment_id)
        fleet.assert_no_errors()


async def test_rules_decide_in_java(world: World) -> None:
    await offer(world)
    async with open_fleet(world.port, [world.client_key], kinds=JAVA) as fleet:
        await fleet.hold("offer", "for everybody")
        for attributes, expected in CASES:
            assert await only(fleet).evaluate("offer", attributes) == expected, attributes
        saved = await world.admin.set(world.environment_id, "offer", strategies=[])
        await fleet.see(lambda now: now.feature("offer").version == saved["version"], what="new rules")
        assert await only(fleet).evaluate("offer", {"userkey": ["fred"]}) == "for everybody"
        fleet.assert_no_errors()


async def test_the_server_decides_for_java_and_follows_its_context(world: World) -> None:
    await offer(world)
    odd = 'Grüße 世界 & "quoted" = 100 % + #1?'
    first, expected = CASES[0]
    async with open_fleet(world.port, [world.server_key], kinds=JAVA, attributes=first) as fleet:
        await fleet.hold("offer", expected)
        for attributes, expected in CASES[1:]:
            await only(fleet).set_context(attributes)
            await fleet.hold("offer", expected)
        changed = [strategy("by plan", "odd", attribute("plan", "EQUALS", [odd]))]
        await world.admin.set(world.environment_id, "offer", strategies=changed)
        await fleet.hold("offer", "for everybody")
        await only(fleet).set_context({"plan": ["other", odd]})
        await fleet.hold("offer", "odd")


async def test_a_percentage_takes_other_users_in_java_unless_its_seed_is_mended(world: World) -> None:
    """A fault of the SDK up to core 3.3: its hash begins with a seed of its own. The guide mends it."""
    place = bucket("fred", await world.create("share", "STRING"))
    shares = [share for share in (place - 1, place) if share > 0]
    found: dict[str, list[str]] = {}
    for operation in ("start", "start mended"):
        found[operation] = []
        for share in shares:
            rules = [strategy("a share", "inside", percentage=share)]
            saved = await world.admin.set(world.environment_id, "share", "outside", strategies=rules)
            async with open_fleet(world.port, [world.client_key], kinds=JAVA) as fleet:
                sdk = only(fleet)
                if operation == "start mended":
                    await sdk.ask("mend", url=fleet.streams.url, keys=[world.client_key])
                await fleet.see(lambda now, saved=saved: now.feature("share").version == saved["version"])
                found[operation].append(await sdk.evaluate("share", {"userkey": ["fred"]}))
    assert found["start mended"] == ["outside", "inside"][-len(shares) :]
    assert len(set(found["start"])) == 1, "its bucket is another one, so that the two shares are alike"


async def test_java_decides_the_vectors_as_the_server_does_but_for_its_faults() -> None:
    source = MemorySource()
    wrong: dict[str, str] = {}
    async with running_edge(source) as edge:
        source.put(environment(), account())
        async with open_sdk("java", "stream", url=edge.url, keys=[CLIENT]) as sdk:
            await sdk.ask("mend", url=edge.url, keys=[CLIENT])
            revision = 1
            for batch in vector_batches():
                revision += 1
                source.put(environment(*(state for _, state in batch), revision=revision))
                keys = {state.key for _, state in batch}
                await sdk.eventually(lambda now, keys=keys: keys <= set(now.existing))
                for vector, state in batch:
                    wanted = vector.get("suggest", vector["expect"]) or "default"
                    found = await decided(sdk, state.key, vector["context"])
                    if found != wanted:
                        wrong[vector["name"]] = found
            assert sdk.errors == []
    assert wrong == DECIDED_OTHERWISE


async def decided(sdk: Sdk, key: str, attributes: Attributes) -> str:
    try:
        found: str = await sdk.evaluate(key, attributes)
    except SdkFailed:
        return THROWS
    return found


def vector_batches() -> Iterator[list[tuple[Any, FeatureState]]]:
    """Matchers do not look at the feature's id, so all of those go at once; the others one by one."""
    numbered = list(enumerate(VECTORS["matchers"] + VECTORS["strategies"]))
    matchers = len(VECTORS["matchers"])
    yield [(vector, served(vector, f"V{number}", "")) for number, vector in numbered[:matchers]]
    for number, vector in numbered[matchers:]:
        yield [(vector, served(vector, f"V{number}", vector["featureId"]))]


def served(vector: Any, key: str, feature_id: str) -> FeatureState:
    return FeatureState(
        id=feature_id or identity(key),
        key=key,
        type="STRING",
        locked=False,
        version=1,
        value=b'"default"',
        strategies=json.dumps(vector["strategies"]).encode(),
    )


async def test_java_sets_features_as_far_as_it_may(world: World) -> None:
    await world.create("flag")
    await world.admin.set(world.environment_id, "flag", False, locked=True)
    async with open_fleet(world.port, [world.client_key], kinds=JAVA) as fleet:
        await fleet.hold("flag", False)
        sdk = only(fleet)
        assert await sdk.update("flag", {"value": True, "updateValue": True}) is False, "locked"
        assert await sdk.update("flag", {"lock": False, "value": True, "updateValue": True}) is True
        await fleet.hold("flag", True)
        assert await sdk.update("nothing", {"lock": True}) is False
        fleet.assert_no_errors()


async def test_java_hears_of_an_environment_without_features_and_of_its_first(world: World) -> None:
    async with open_fleet(world.port, [world.client_key], kinds=JAVA) as fleet:
        await fleet.ready()
        assert (await only(fleet).snapshot()).existing == {}
        await world.create("first")
        await fleet.hold("first", False)
        fleet.assert_no_errors()


async def test_a_java_stream_lives_through_silence(world: World) -> None:
    await world.create("flag")
    async with open_fleet(world.port, [world.client_key], kinds=JAVA) as fleet:
        await fleet.hold("flag", False)
        await asyncio.sleep(SILENCE_SECONDS)  # nothing may happen meanwhile: there is nothing to wait for
        await world.admin.set(world.environment_id, "flag", True)
        await fleet.hold("flag", True)
        fleet.assert_no_errors()
        assert fleet.streams.asked() == 1, "one stream, through all of it"


async def test_an_unknown_key_makes_java_fail_without_a_loop(world: World) -> None:
    async with open_fleet(
        world.port, [f"{world.environment_id}/nobody-knows*this-client-key-00001"], kinds=JAVA
    ) as fleet:
        await fleet.see(lambda now: now.readiness == "Failed", what="the refusal")
        await asyncio.sleep(3)  # what is asserted is that nothing happens in this time
        assert fleet.streams.asked() == 1
        assert only(fleet).running


@pytest.fixture
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PartyProcess]:
    """A server whose streams end every two seconds."""
    settings = {"BURGEE_STREAM_SECONDS": str(STREAM_SECONDS)}
    with running_party(tmp_path_factory.mktemp("hasty"), settings=settings) as party:
        yield party


async def test_java_lives_on_over_ends_of_its_stream_a_restart_and_a_cut(hasty: PartyProcess) -> None:
    async with open_world(hasty.url, hasty.port, hasty.token) as world:
        await world.create("flag")
        async with open_fleet(world.port, [world.client_key], kinds=JAVA) as fleet:
            await fleet.hold("flag", False)
            await eventually(lambda: fleet.streams.asked() >= 3, what="two more streams")
            await world.admin.set(world.environment_id, "flag", True)
            await fleet.hold("flag", True)
            fleet.assert_no_errors()
            fleet.streams.hold()
            await asyncio.to_thread(hasty.stop)
            await asyncio.to_thread(hasty.start)
            await world.admin.set(world.environment_id, "flag", False)
            fleet.streams.release()
            await fleet.hold("flag", False)
            asked = fleet.streams.asked()
            fleet.streams.cut()
            await eventually(lambda: fleet.streams.asked() > asked, what="another stream")
            await world.admin.set(world.environment_id, "flag", True)
            await fleet.hold("flag", True)
            assert fleet.streams.asked() < 40, "coming back is no busy loop"


async def test_the_program_of_the_guide_works_and_its_percentages_are_everybodys(
    world: World, java: str, tmp_path: Path
) -> None:
    place = bucket("fred", await world.create(FEATURE))
    rules = [strategy("a share", True, percentage=max(place, 1))]
    await world.admin.set(world.environment_id, FEATURE, False, strategies=rules)
    (code,) = (each for each in programs("java", "java") if "PercentageMumurCalculator" in each)
    program = tmp_path / "Example.java"
    program.write_text(filled(code, world.url, world.client_key, world.server_key))
    await run_until(["java", "-cp", java, str(program)], TRUE, tmp_path)


def only(fleet: Fleet) -> Sdk:
    (sdk,) = fleet.sdks
    return sdk
