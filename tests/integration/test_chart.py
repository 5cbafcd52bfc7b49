"""The chart, rendered by Helm itself and held against Kubernetes' schemas.

Reads what would be installed: what a cluster does with it is not tried here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from burgee.settings import PROCESSES, every_name
from tests.support import chart

helm = pytest.importorskip("helm_python", reason="the chart's tests need `make charts`")
kubernetes_validate = pytest.importorskip(
    "kubernetes_validate", reason="the chart's tests need `make charts`"
)

Json = dict[str, Any]

VERSIONS = ("1.31", "1.33", "1.35")
EVALUATION: Json = {"postgresql": {"enabled": True}, "nats": {"evaluation": {"enabled": True}}}
OUTSIDE: Json = {"database": {"existingSecret": "pg"}, "nats": {"urls": ["nats://nats.messaging:4222"]}}
PARTY: Json = {"topology": "party"}
EVERYTHING: Json = {
    **OUTSIDE,
    "nats": {
        "urls": ["tls://a:4222", "tls://b:4222"],
        "credentialsSecret": "creds",
        "tlsSecret": "tls",
        "tlsClientCertificate": True,
    },
    "image": {"digest": "sha256:0", "pullSecrets": ["pull"]},
    "signIn": {"existingSecret": "sso", "local": False},
    "secrets": {"existingSecret": "burgee-secrets"},
    "mr": {
        "autoscaling": {"enabled": True},
        "env": {"BURGEE_SESSION_IDLE_HOURS": 8},
        "extraEnv": [{"name": "TZ", "value": "UTC"}],
        "podAnnotations": {"a": "b"},
        "tolerations": [{"operator": "Exists"}],
        "nodeSelector": {"kubernetes.io/arch": "arm64"},
        "extraVolumes": [{"name": "extra", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "extra", "mountPath": "/extra"}],
    },
    "edge": {"workers": 4, "autoscaling": {"targetStreams": 5000}, "priorityClassName": "high"},
    "edgeRest": {"enabled": True, "replicaSecret": "replica"},
    "ingress": {
        "enabled": True,
        "className": "nginx",
        "hosts": ["flags.example.com"],
        "tls": [{"hosts": ["flags.example.com"], "secretName": "cert"}],
    },
    "gateway": {"enabled": True, "parentRefs": [{"name": "public"}], "hostnames": ["flags.example.com"]},
    "metrics": {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}},
    "networkPolicy": {
        "clients": [{"namespaceSelector": {}}],
        "monitoring": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}],
    },
    "commonLabels": {"team": "flags"},
    "commonAnnotations": {"owner": "flags"},
}
MATRIX: dict[str, Json] = {
    "split, to try it": EVALUATION,
    "split with one server of NATS": {
        **EVALUATION,
        "nats": {"evaluation": {"enabled": True, "replicas": 1}},
    },
    "split, with what is there": OUTSIDE,
    "split, with everything": EVERYTHING,
    "split, database by address": {
        "database": {"url": "postgresql://u:p@h/d"},
        "nats": {"urls": ["nats://n:4222"]},
    },
    "party on a file": PARTY,
    "party on PostgreSQL": {**PARTY, "database": {"existingSecret": "pg"}, "party": {"replicas": 2}},
    "party on NATS": {**PARTY, **OUTSIDE},
    "party-ish": {"topology": "party-ish"},
    "party-ish with Edge-REST": {
        "topology": "party-ish",
        "database": {"existingSecret": "pg"},
        "partyIsh": {"replicas": 2},
        "edgeRest": {"enabled": True},
    },
}


@pytest.fixture(scope="module")
def loaded() -> Any:
    return helm.Chart.load(str(chart.CHART))


def objects(loaded: Any, values: Json) -> list[Json]:
    rendered = loaded.render(values, name="flags", namespace="flags")
    texts = (text for path, text in rendered.items() if path.endswith(".yaml"))
    return [each for text in texts for each in yaml.safe_load_all(text) if each]


def of_kind(found: list[Json], kind: str) -> list[Json]:
    return [each for each in found if each["kind"] == kind]


def pods(found: list[Json]) -> Iterator[tuple[str, Json]]:
    for each in found:
        if each["kind"] in {"Deployment", "StatefulSet", "Job"}:
            yield each["metadata"]["name"], each["spec"]["template"]["spec"]
        elif each["kind"] == "Pod":
            yield each["metadata"]["name"], each["spec"]


@pytest.mark.parametrize("name", MATRIX)
def test_kubernetes_takes_what_is_rendered(loaded: Any, name: str) -> None:
    found = objects(loaded, MATRIX[name])
    assert len({(each["kind"], each["metadata"]["name"]) for each in found}) == len(found)
    for each in found:
        if each["apiVersion"].partition("/")[0] in {"monitoring.coreos.com", "gateway.networking.k8s.io"}:
            continue
        for version in VERSIONS:
            kubernetes_validate.validate(each, version, strict=True)


def test_helm_finds_no_fault() -> None:
    told = helm.lint(str(chart.CHART))
    assert not told["errors"]
    assert not [each for each in told["messages"] if each["severity"] > 1]


def test_what_follows_from_the_values_is_current() -> None:
    for path, text in chart.files().items():
        assert path.read_text() == text, f"{path.name}: run `make charts`"


def test_every_value_is_explained() -> None:
    assert "|  |" not in chart.readme()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, ["needs PostgreSQL", "needs NATS"]),
        ({**EVALUATION, **OUTSIDE}, ["postgresql.enabled excludes"]),
        ({**PARTY, "party": {"replicas": 2}}, ["more than one pod needs PostgreSQL"]),
        ({"topology": "party-ish", "partyIsh": {"autoscaling": {"enabled": True}}}, ["partyIsh with more"]),
        ({**PARTY, "ingress": {"enabled": True}}, ["needs ingress.hosts"]),
        ({**PARTY, "shape": "party"}, ["shape"]),
        ({"topology": "cluster"}, ["topology"]),
        ({**PARTY, "party": {"drainSeconds": "long"}}, ["drainSeconds"]),
    ],
)
def test_values_that_cannot_work_are_told_all_at_once(loaded: Any, values: Json, said: list[str]) -> None:
    with pytest.raises(Exception, match=r".") as refused:
        objects(loaded, values)
    for each in said:
        assert each in str(refused.value)


@pytest.mark.parametrize("name", MATRIX)
def test_pods_are_as_restricted_as_they_can_be(loaded: Any, name: str) -> None:
    for pod, spec in pods(objects(loaded, MATRIX[name])):
        assert spec["automountServiceAccountToken"] is False, pod
        assert spec["enableServiceLinks"] is False, pod
        assert spec["securityContext"]["runAsNonRoot"] is True, pod
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, pod
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, pod
            assert context["readOnlyRootFilesystem"] is True, pod
            assert context["capabilities"] == {"drop": ["ALL"]}, pod
            assert "memory" in container["resources"]["limits"], pod


@pytest.mark.parametrize("name", MATRIX)
def test_deployments_start_live_and_leave_in_their_own_time(loaded: Any, name: str) -> None:
    for each in of_kind(objects(loaded, MATRIX[name]), "Deployment"):
        spec = each["spec"]["template"]["spec"]
        container = spec["containers"][0]
        probes = [container[f"{which}Probe"] for which in ("startup", "liveness", "readiness")]
        assert len({json.dumps(probe, sort_keys=True) for probe in probes}) == 3
        assert probes[1]["httpGet"]["path"] == "/health/liveness"
        assert probes[2]["httpGet"]["path"] == "/health/readiness"
        drain = next(one["value"] for one in container["env"] if one["name"] == "BURGEE_DRAIN_SECONDS")
        assert "preStop" in container["lifecycle"]
        assert spec["terminationGracePeriodSeconds"] >= int(drain) + 3 + 5


@pytest.mark.parametrize("name", MATRIX)
def test_every_setting_is_one_that_the_process_reads(loaded: Any, name: str) -> None:
    by_process = {process.process: process for process in PROCESSES}
    for each in of_kind(objects(loaded, MATRIX[name]), "Deployment"):
        container = each["spec"]["template"]["spec"]["containers"][0]
        (process,) = container["args"]
        fields = by_process[process].model_fields
        names = [one["name"] for one in container["env"]]
        assert len(set(names)) == len(names)
        for setting in names:
            if setting.startswith("BURGEE_"):
                assert setting in every_name()
                assert setting.removeprefix("BURGEE_").lower() in fields, f"{process} does not read {setting}"


def test_what_people_add_reaches_the_pods(loaded: Any) -> None:
    (mr,) = [
        each
        for each in of_kind(objects(loaded, EVERYTHING), "Deployment")
        if each["metadata"]["name"].endswith("-mr")
    ]
    assert "replicas" not in mr["spec"], "an autoscaler decides"
    spec = mr["spec"]["template"]["spec"]
    env = {one["name"]: one.get("value") for one in spec["containers"][0]["env"]}
    assert env["BURGEE_SESSION_IDLE_HOURS"] == "8"
    assert env["TZ"] == "UTC"
    assert env["BURGEE_NATS_CREDENTIALS_FILE"].endswith("/mr.creds")
    assert env["BURGEE_PUBLIC_URL"] == "https://flags.example.com"
    assert spec["imagePullSecrets"] == [{"name": "pull"}]
    assert spec["containers"][0]["image"].endswith("@sha256:0")
    assert mr["metadata"]["labels"]["team"] == "flags"


def test_the_internal_api_is_for_dacha_and_edge_alone(loaded: Any) -> None:
    found = objects(loaded, {**EVERYTHING, "networkPolicy": {"enabled": True}})
    (policy,) = [
        each for each in of_kind(found, "NetworkPolicy") if each["metadata"]["name"].endswith("burgee-mr")
    ]
    (rule,) = [each for each in policy["spec"]["ingress"] if each["ports"][0]["port"] == "internal"]
    peers = {
        each["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        for each in rule["from"]
        if "namespaceSelector" not in each
    }
    assert peers == {"dacha", "edge", "edge-rest"}
    assert len(rule["from"]) == len(peers)
    for each in of_kind(found, "Ingress"):
        assert "internal" not in json.dumps(each["spec"])
    for each in of_kind(found, "HTTPRoute"):
        assert "internal" not in json.dumps(each["spec"])


def test_streams_are_not_ended_in_between(loaded: Any) -> None:
    found = objects(loaded, EVERYTHING)
    (ingress,) = of_kind(found, "Ingress")
    assert ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-buffering"] == "off"
    assert int(ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-read-timeout"]) > 1_080
    paths = {
        each["path"]: each["backend"]["service"]["name"]
        for each in ingress["spec"]["rules"][0]["http"]["paths"]
    }
    assert paths == {"/features": "flags-burgee-edge", "/": "flags-burgee-mr"}
    (route,) = of_kind(found, "HTTPRoute")
    assert route["spec"]["rules"][0]["timeouts"] == {"request": "0s", "backendRequest": "0s"}


def test_the_schema_is_migrated_before_pods_are_replaced(loaded: Any) -> None:
    (job,) = of_kind(objects(loaded, OUTSIDE), "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["migrate"]
    assert not of_kind(objects(loaded, PARTY), "Job"), "on a file the one process does it itself"


def test_what_holds_a_file_is_never_run_twice_and_its_volume_stays(loaded: Any) -> None:
    found = objects(loaded, PARTY)
    (party,) = of_kind(found, "Deployment")
    assert party["spec"]["strategy"] == {"type": "Recreate"}
    (claim,) = of_kind(found, "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_no_generated_secret_stands_outside_a_secret(loaded: Any) -> None:
    found = objects(loaded, EVALUATION)
    held = {
        value
        for each in of_kind(found, "Secret")
        for name, value in each["data"].items()
        if "url" not in name
    }
    rest = json.dumps([each for each in found if each["kind"] != "Secret"])
    assert held
    assert not [each for each in held if each in rest]
