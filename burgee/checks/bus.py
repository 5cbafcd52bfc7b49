"""The bus: there, one cluster, with the rights that a process needs, and neighbours who share our key."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from burgee.checks.clocks import compare
from burgee.checks.findings import Finding, fail, ok, warn
from common.contracts.lookups import SdkUpdate, encode_update
from common.contracts.questions import AskState, encode_question
from common.contracts.usage import UsageReport, encode_usage
from common.messaging.envelope import CHECK
from common.messaging.nats_probe import BusFacts, Needs, ServerFacts, probe_bus
from common.settings import BusSettings

LISTEN_SECONDS: Final = 2.6
"""Heartbeats and reports come every 2 s."""
SLOW_SECONDS: Final = 0.05
SMALL_PAYLOAD_BYTES: Final = 256 * 1024

_REPORT: Final = "r.<instance>"
_MR_HEARS: Final = ("sync", "q.update update", "q.usage usage", "r.*")
_DACHA_HEARS: Final = ("c.>", "q.dacha dacha", "q.dacha.<instance>")

NEEDS: Mapping[str, Needs] = MappingProxyType(
    {
        "mr": Needs(says=(f"c.{CHECK}",), hears=_MR_HEARS, hears_reports=True),
        "dacha": Needs(says=("sync", _REPORT), hears=_DACHA_HEARS, hears_changes=True),
        "edge": Needs(says=("sync", _REPORT), hears=("c.>", "r.*"), hears_changes=True, hears_reports=True),
        "party": Needs(
            says=(f"c.{CHECK}", "sync", _REPORT),
            hears=(*_MR_HEARS, *_DACHA_HEARS),
            hears_changes=True,
            hears_reports=True,
        ),
    }
)
"""By process. A party-ish server says what an MR says."""


async def check_bus(
    settings: BusSettings, process: str, *, release: str, listen_seconds: float = LISTEN_SECONDS
) -> list[Finding]:
    """Look at the bus as this process would use it."""
    kind = "mr" if process == "party-ish" else process
    needs = NEEDS[kind]
    if kind == "edge":
        needs = replace(needs, asks=_questions())
    facts = await probe_bus(settings, needs, listen_seconds=listen_seconds)
    findings = list(_servers(facts))
    if any(each.fault is None for each in facts.servers):
        findings += [*_rights(facts), *_key(facts), *_neighbours(settings, facts, needs, release)]
    return findings


def _questions() -> dict[str, bytes]:
    """What an Edge asks, so that it changes nothing: an update of no environment at all."""
    update = SdkUpdate(
        request_id="check", environment_id="none", key_hash="0" * 64, feature_key="none", deadline=0
    )
    return {
        "dacha": encode_question(AskState()),
        "update": encode_update(update),
        "usage": encode_usage(UsageReport(instance="check", counts=())),
    }


def _servers(facts: BusFacts) -> Iterator[Finding]:
    up = [each for each in facts.servers if each.fault is None]
    for each in facts.servers:
        if each.fault is None:
            yield _server(each)
        else:
            told = f"bus: {each.place} cannot be used: {each.fault}"
            yield (warn if up else fail)(told, _way_in(each.fault))
    different = {each.identity for each in up}
    clusters = {each.cluster for each in up}
    if len(different) > 1 and (len(clusters) > 1 or "" in clusters):
        yield fail(
            f"bus: the {len(different)} servers are not one cluster",
            "connect them by routes (cluster { name, routes }), or name servers of one cluster only",
        )
    elif len(facts.servers) > 1:
        yield ok(f"bus: {len(up)} of {len(facts.servers)} servers of the settings answer")


def _server(each: ServerFacts) -> Finding:
    told = (
        f"bus: {each.place} answers: NATS {each.version}, {each.round_trip * 1000:.1f} ms away,"
        f" payloads up to {each.max_payload // 1024} KB"
    )
    if each.max_payload < SMALL_PAYLOAD_BYTES:
        return warn(told, "raise max_payload (1MB is NATS's default): larger changes are loaded one by one")
    if each.round_trip > SLOW_SECONDS:
        return warn(told, "each change takes this way twice: run NATS near its clients, leaf nodes far away")
    return ok(told)


def _way_in(fault: str) -> str:
    lower = fault.lower()
    for words, todo in (
        ("authorization", "correct the user's name, password, NKey or credentials (BURGEE_NATS_*)"),
        ("does not speak tls", "give the server a certificate, or take BURGEE_NATS_CA_FILE and tls:// away"),
        ("certificate", "name what signed the server's certificate: BURGEE_NATS_CA_FILE"),
        ("tls", "name what signed the server's certificate (BURGEE_NATS_CA_FILE), or use tls:// addresses"),
    ):
        if words in lower:
            return todo
    return "is nats-server running there, is BURGEE_NATS_URLS right, is a firewall in between?"


def _rights(facts: BusFacts) -> Iterator[Finding]:
    if not facts.forbidden:
        yield ok("bus: this user may say and hear what it needs to")
    for detail in dict.fromkeys(facts.forbidden):
        yield fail(
            f"bus: {detail.removeprefix('nats: ')}",
            "give the user the rights of its role: compose/nats/permissions.conf has them",
        )


def _key(facts: BusFacts) -> Iterator[Finding]:
    if facts.forged:
        yield fail(
            "bus: others speak here whose messages are sealed with another key",
            "give all processes the same BURGEE_EVENT_KEY, and each installation a BURGEE_CLUSTER of its own",
        )


def _neighbours(settings: BusSettings, facts: BusFacts, needs: Needs, release: str) -> Iterator[Finding]:
    if needs.hears_changes:
        if facts.beats:
            yield ok(f"bus: hears the heartbeat of {', '.join(b.source for b in facts.beats.values())}")
        elif not facts.forged:
            yield warn(
                "bus: no heartbeat was heard",
                f"start MR; if it runs: is its BURGEE_CLUSTER {settings.cluster!r}, and on these servers?",
            )
        for beat in facts.beats.values():
            yield compare(f"{beat.source}'s", beat.clock_ahead)
    if needs.hears_reports:
        yield ok(f"bus: hears {_counted(facts)}")
    for word, why in facts.answers.items():
        yield _answer(word, why)
    releases = {beat.source: beat.release for beat in facts.beats.values() if beat.release}
    releases |= {name: report.release for name, report in facts.reports.items() if report.release}
    yield from compare_releases(releases, release)


def _counted(facts: BusFacts) -> str:
    roles = Counter[str](report.role for report in facts.reports.values())
    return f"{roles['dacha']} Dacha, {roles['edge']} Edge"


_ANSWERERS: Final = MappingProxyType(
    {
        "dacha": ("a Dacha", "start Dacha: without one, keys that are not held yet are answered 503"),
        "update": ("an MR for updates by SDKs", "start MR: until then PUTs are answered 503"),
        "usage": ("an MR for usage", "start MR: until then usage is not counted"),
    }
)


def _answer(word: str, why: str | None) -> Finding:
    who, todo = _ANSWERERS[word]
    if why is None:
        return ok(f"bus: {who} answers")
    return warn(f"bus: {who} does not answer: {why}", todo)


def compare_releases(others: Mapping[str, str], ours: str) -> Iterator[Finding]:
    """``others``: who is there, and of which release."""
    different = sorted({release for release in others.values() if release not in {ours, "unknown"}})
    if different:
        names = sorted(name for name, release in others.items() if release in different)
        shown = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
        yield warn(
            f"version: this is {ours}, others are {', '.join(different)} ({shown})",
            "right while upgrading; else end the upgrade, or the others",
        )
    elif others:
        yield ok(f"version: all {len(others)} others that can be heard are {ours} as well")
