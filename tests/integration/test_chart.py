"""The chart, rendered by Helm itself and held against Kubernetes' schemas.

Reads what would be installed: what a cluster does with it is not tried here.
"""

from __future__ import annotations

import base64
import json
import re
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import referencing
import yaml

from burgee.settings import PROCESSES, every_name
from tests.support import chart

helm = pytest.importorskip("helm_python", reason="the chart's tests need `make charts`")
pytest.importorskip("kubernetes_validate", reason="the chart's tests need `make charts`")

from kubernetes_validate.utils import all_versions, schema_contents  # noqa: E402 - after it is known to be here

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
# The oldest that the chart allows, and two newer ones.
VERSIONS = ("1.29", "1.33", "1.36")
# Of resources that Kubernetes itself does not know, we keep the schema of what the chart uses.
OURS = {path.stem: json.loads(path.read_text()) for path in (ROOT / "tests" / "schemas").glob("*.json")}
EVALUATION: Json = {"postgresql": {"enabled": True}, "nats": {"evaluation": {"enabled": True}}}
OUTSIDE: Json = {"database": {"existingSecret": "pg"}, "nats": {"urls": ["nats://nats.messaging:4222"]}}
PARTY: Json = {"topology": "party"}
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
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
    "metrics": {each: {"enabled": True} for each in ("serviceMonitor", "prometheusRule", "dashboards")},
    "tracing": {"endpoint": "http://collector:4318"},
    "networkPolicy": {
        "clients": [{"namespaceSelector": {}}],
        "monitoring": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}],
    },
    "trustedProxies": ["10.0.0.0/8"],
    "commonEnv": {"OTEL_TRACES_SAMPLER": "parentbased_always_on"},
    "migrations": {
        "extraEnv": [{"name": "PGSSLROOTCERT", "value": "/etc/postgresql-ca/ca.crt"}],
        "extraVolumes": [{"name": "ca", "configMap": {"name": "postgresql-ca"}}],
        "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/postgresql-ca"}],
        "podAnnotations": {"a": "b"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
    },
    "commonLabels": {"team": "flags"},
    "commonAnnotations": {"owner": "flags"},
}
# What "restricted" allows as volumes, of those that the chart has use for.
UNSUSPICIOUS = {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}
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
    "split, all by themselves autoscaled": {
        **OUTSIDE,
        **{each: {"autoscaling": {"enabled": True}} for each in ("mr", "dacha", "edge", "edgeRest")},
        "networkPolicy": {"enabled": False},
        "serviceAccount": {"create": False},
        "migrations": {"enabled": False},
    },
    "MR and Edge-REST on a replica, without a bus": {
        "database": {"existingSecret": "pg"},
        "dacha": {"enabled": False},
        "edge": {"enabled": False},
        "edgeRest": {"enabled": True, "replicaSecret": "replica"},
    },
    "a region whose MR is elsewhere": {
        "mr": {"enabled": False},
        "mrUrl": "https://mr.example.com:8086",
        "nats": {"urls": ["nats://leaf:4222"], "passwordsSecret": "nats"},
        "secrets": {"existingSecret": "shared", "acceptedTokens": True},
        "ingress": {"enabled": True, "hosts": ["flags.example.com"]},
        "gateway": {"enabled": True, "parentRefs": [{"name": "public"}]},
    },
    "party on a file": PARTY,
    "party on PostgreSQL": {**PARTY, "database": {"existingSecret": "pg"}, "party": {"replicas": 2}},
    "party on NATS": {**PARTY, **OUTSIDE},
    "party on a file and NATS, to try it": {**PARTY, "nats": {"evaluation": {"enabled": True}}},
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


@pytest.fixture(scope="module")
def matrix(loaded: Any) -> Callable[[str], list[Json]]:
    """The objects of one of the matrix, rendered once. Whoever asks changes nothing in them."""
    held: dict[str, list[Json]] = {}

    def found(name: str) -> list[Json]:
        if name not in held:
            held[name] = objects(loaded, MATRIX[name])
        return held[name]

    return found


def objects(loaded: Any, values: Json) -> list[Json]:
    rendered = loaded.render(values, name="flags", namespace="flags")
    texts = (text for path, text in rendered.items() if path.endswith(".yaml"))
    return [each for text in texts for each in yaml.load_all(text, Loader=LOADER) if each]


def of_kind(found: list[Json], kind: str) -> list[Json]:
    return [each for each in found if each["kind"] == kind]


def pods(found: list[Json]) -> Iterator[tuple[str, Json]]:
    for each in found:
        if each["kind"] in {"Deployment", "StatefulSet", "Job"}:
            yield each["metadata"]["name"], each["spec"]["template"]["spec"]
        elif each["kind"] == "Pod":
            yield each["metadata"]["name"], each["spec"]


@cache
def schema(api_version: str, kind: str, version: str) -> jsonschema.Draft202012Validator:
    """What this version of Kubernetes takes: members that it does not know are refused as well.

    As `kubernetes_validate.validate` has it, which reads a megabyte anew for each object.
    """
    held, registry = definitions(version)
    group, _, name = api_version.rpartition("/")
    file = "-".join(part for part in (kind.lower(), group.partition(".")[0], name) if part)
    return jsonschema.Draft202012Validator(schema_contents(f"{held}/{file}.json", version), registry=registry)


@cache
def definitions(version: str) -> tuple[str, referencing.Registry]:
    exact = next(each for each in all_versions() if each.startswith(f"{version}."))
    folder = f"kubernetes-json-schema/v{exact}-local-strict"
    shared = referencing.Resource.from_contents(schema_contents(f"{folder}/_definitions.json", version))
    return folder, shared @ referencing.Registry()


def taken(found: list[Json], *versions: str) -> None:
    """Kubernetes of these versions takes all of it, and so do the schemas of other resources."""
    assert len({(each["kind"], each["metadata"]["name"]) for each in found}) == len(found)
    for each in found:
        if each["kind"] in OURS:
            jsonschema.validate(each, OURS[each["kind"]])
            continue
        for version in versions:
            schema(each["apiVersion"], each["kind"], version).validate(each)


@pytest.mark.parametrize("name", MATRIX)
def test_kubernetes_takes_what_is_rendered(matrix: Callable[[str], list[Json]], name: str) -> None:
    taken(matrix(name), *VERSIONS)


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_refuses_what_it_does_not_know(loaded: Any, version: str) -> None:
    first = of_kind(objects(loaded, PARTY), "Deployment")[0]
    first["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(jsonschema.ValidationError):
        taken([first], version)


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("HTTPRoute", lambda spec: spec["rules"][0]["timeouts"].update(request="forever")),
        ("HTTPRoute", lambda spec: spec["rules"][0].update(timeout="0s")),
        ("HTTPRoute", lambda spec: spec["rules"][0]["backendRefs"][0].update(port="http")),
        ("ServiceMonitor", lambda spec: spec["endpoints"][0].update(interval="15 seconds")),
        ("ServiceMonitor", lambda spec: spec.pop("selector")),
        ("PrometheusRule", lambda spec: spec["groups"][0]["rules"][0].pop("expr")),
        ("PrometheusRule", lambda spec: spec["groups"][0]["rules"][0]["labels"].update(severity=1)),
    ],
)
def test_our_schemas_refuse_what_a_cluster_would(
    loaded: Any, kind: str, spoil: Callable[[Json], object]
) -> None:
    (resource,) = of_kind(objects(loaded, EVERYTHING), kind)
    spoil(resource["spec"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(resource, OURS[kind])


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
        ({**OUTSIDE, "mr": {"enabled": False}}, ["needs mrUrl"]),
        ({**OUTSIDE, "mrUrl": "http://mr:8086"}, ["mr.enabled=false", "needs secrets.existingSecret"]),
        ({each: {"enabled": False} for each in ("mr", "dacha", "edge")}, ["nothing would run"]),
        (
            {**OUTSIDE, "edge": {"env": {"BURGEE_PORT": "1"}}, "commonEnv": {"BURGEE_FILL": "eager"}},
            ["edge.env (or commonEnv) has BURGEE_PORT", "dacha.env (or commonEnv) has BURGEE_FILL"],
        ),
    ],
)
def test_values_that_cannot_work_are_told_all_at_once(loaded: Any, values: Json, said: list[str]) -> None:
    with pytest.raises(Exception, match=r".") as refused:
        objects(loaded, values)
    for each in said:
        assert each in str(refused.value)


@pytest.mark.parametrize("name", MATRIX)
def test_pods_are_as_restricted_as_they_can_be(matrix: Callable[[str], list[Json]], name: str) -> None:
    for pod, spec in pods(matrix(name)):
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), pod
        for volume in spec.get("volumes", []):
            assert set(volume) - {"name"} <= UNSUSPICIOUS, (pod, volume)
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
def test_deployments_start_live_and_leave_in_their_own_time(
    matrix: Callable[[str], list[Json]], name: str
) -> None:
    for each in of_kind(matrix(name), "Deployment"):
        spec = each["spec"]["template"]["spec"]
        container = spec["containers"][0]
        probes = [container[f"{which}Probe"] for which in ("startup", "liveness", "readiness")]
        assert len({json.dumps(probe, sort_keys=True) for probe in probes}) == 3
        up = probes[0]["periodSeconds"] * probes[0]["failureThreshold"]
        assert up >= 300, "a first migration and an eager fill take their time"
        assert probes[1]["periodSeconds"] * probes[1]["failureThreshold"] >= 60, "no restart for a hiccup"
        assert probes[2]["periodSeconds"] * probes[2]["failureThreshold"] <= 10, "and no traffic meanwhile"
        assert probes[1]["httpGet"]["path"] == "/health/liveness"
        assert probes[2]["httpGet"]["path"] == "/health/readiness"
        drain = next(one["value"] for one in container["env"] if one["name"] == "BURGEE_DRAIN_SECONDS")
        assert "preStop" in container["lifecycle"]
        assert spec["terminationGracePeriodSeconds"] >= int(drain) + 3 + 5


@pytest.mark.parametrize("name", MATRIX)
def test_every_setting_is_one_that_the_process_reads(matrix: Callable[[str], list[Json]], name: str) -> None:
    by_process = {process.process: process for process in PROCESSES}
    for each in of_kind(matrix(name), "Deployment"):
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


def test_a_way_to_the_internal_api_from_elsewhere_is_opened_by_name_alone(loaded: Any) -> None:
    """As docs/kubernetes.md has it for a region: its values, and the Ingress beside them."""
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    (values,) = re.findall(r'title="values.yaml: the release that has MR"\n(.*?)```', page, re.DOTALL)
    (manifest,) = re.findall(r'title="internal.yaml: beside it"\n(.*?)```', page, re.DOTALL)
    found = objects(loaded, yaml.safe_load(values))
    ingress = yaml.safe_load(manifest)
    taken([ingress], VERSIONS[0])
    (path,) = ingress["spec"]["rules"][0]["http"]["paths"]
    (service,) = [
        each
        for each in of_kind(found, "Service")
        if each["metadata"]["name"] == path["backend"]["service"]["name"]
    ]
    assert [port["name"] for port in service["spec"]["ports"]] == ["internal"]
    (policy,) = [
        each for each in of_kind(found, "NetworkPolicy") if each["metadata"]["name"].endswith("burgee-mr")
    ]
    internal = [each for each in policy["spec"]["ingress"] if each["ports"][0]["port"] == "internal"]
    named = [each for rule in internal for each in rule["from"] if "namespaceSelector" in each]
    assert named == yaml.safe_load(values)["networkPolicy"]["internal"]


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
    assert ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-next-upstream"] == "off", (
        "an update is not sent again"
    )
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


@pytest.mark.parametrize("name", MATRIX)
def test_services_policies_and_scalers_lead_to_what_is_there(
    matrix: Callable[[str], list[Json]], name: str
) -> None:
    found = matrix(name)
    workloads = {
        each["metadata"]["name"]: each for each in found if each["kind"] in {"Deployment", "StatefulSet"}
    }
    templates = [each["spec"]["template"] for each in workloads.values()]
    for service in of_kind(found, "Service"):
        leads_to = [pod for pod in templates if selects(service["spec"]["selector"], pod)]
        assert len(leads_to) == 1, service["metadata"]["name"]
        listens = {port["name"] for port in leads_to[0]["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= listens
    for kind in ("NetworkPolicy", "PodDisruptionBudget"):
        for each in of_kind(found, kind):
            selector = (each["spec"].get("podSelector") or each["spec"]["selector"])["matchLabels"]
            assert any(selects(selector, pod) for pod in templates), each["metadata"]["name"]
    for scaler in of_kind(found, "HorizontalPodAutoscaler"):
        scaled = workloads[scaler["spec"]["scaleTargetRef"]["name"]]
        assert "replicas" not in scaled["spec"]
        assert "cpu" in scaled["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]
        assert scaler["spec"]["minReplicas"] >= 2
    services = {each["metadata"]["name"]: each for each in of_kind(found, "Service")}
    for asked in re.findall(r'"name": "(flags-burgee-[a-z-]+)", "port"', json.dumps(found)):
        assert asked in services
    for address, port in re.findall(r"(?:http|nats)://(flags-burgee-[a-z-]+):(\d+)", json.dumps(found)):
        assert int(port) in {each["port"] for each in services[address]["spec"]["ports"]}


def selects(labels: Json, pod: Json) -> bool:
    return labels.items() <= pod["metadata"]["labels"].items()


@pytest.mark.parametrize("name", MATRIX)
def test_pods_that_are_several_are_spread_and_leave_one_at_a_time(
    matrix: Callable[[str], list[Json]], name: str
) -> None:
    found = matrix(name)
    kept = [each["spec"]["selector"]["matchLabels"] for each in of_kind(found, "PodDisruptionBudget")]
    for each in of_kind(found, "Deployment"):
        if each["spec"].get("replicas", 2) < 2:
            continue
        spec = each["spec"]["template"]["spec"]
        over = {one["topologyKey"] for one in spec["topologySpreadConstraints"]}
        assert over == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
        assert each["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        assert each["spec"]["selector"]["matchLabels"] in kept


def test_edge_scales_by_its_streams_where_that_metric_is_offered(loaded: Any) -> None:
    (scaler,) = of_kind(
        objects(loaded, {**OUTSIDE, "edge": {"autoscaling": {"targetStreams": 5000}}}),
        "HorizontalPodAutoscaler",
    )
    by = {each["type"]: each for each in scaler["spec"]["metrics"]}
    assert by["Pods"]["pods"]["metric"] == {"name": "burgee_edge_streams"}
    assert by["Pods"]["pods"]["target"] == {"type": "AverageValue", "averageValue": "5000"}
    assert set(by) == {"Resource", "Pods"}
    named = '"burgee_edge_streams"'
    assert any(named in path.read_text() for path in (ROOT / "edge").rglob("*.py")), "the metric exists"


def test_a_test_of_the_release_reaches_what_only_monitoring_may(loaded: Any) -> None:
    found = objects(loaded, EVERYTHING)
    (pod,) = of_kind(found, "Pod")
    for policy in of_kind(found, "NetworkPolicy"):
        (rule,) = [each for each in policy["spec"]["ingress"] if each["ports"][0]["port"] == "monitor"]
        assert any(
            selects(peer["podSelector"]["matchLabels"], pod)
            for peer in rule["from"]
            if "namespaceSelector" not in peer
        )


def test_settings_for_all_reach_all_and_a_kind_of_its_own_wins(loaded: Any) -> None:
    values = {
        **OUTSIDE,
        "commonEnv": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://all:4318", "BURGEE_MAX_BODY_BYTES": 1000},
        "trustedProxies": ["10.0.0.0/8", "192.168.0.0/16"],
        "edge": {"env": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://edge:4318"}},
    }
    for each in of_kind(objects(loaded, values), "Deployment"):
        (container,) = each["spec"]["template"]["spec"]["containers"]
        env = {one["name"]: one.get("value") for one in container["env"]}
        whose = "edge" if container["name"] == "edge" else "all"
        assert env["OTEL_EXPORTER_OTLP_ENDPOINT"] == f"http://{whose}:4318"
        assert env["BURGEE_MAX_BODY_BYTES"] == "1000"
        assert env["BURGEE_TRUSTED_PROXIES"] == "10.0.0.0/8,192.168.0.0/16"


def test_dashboards_come_along_as_they_are(loaded: Any) -> None:
    found = of_kind(objects(loaded, EVERYTHING), "ConfigMap")
    held = {name: text for each in found for name, text in each["data"].items()}
    boards = sorted((ROOT / "compose" / "observability").glob("burgee*.json"))
    assert boards
    for path in boards:
        assert json.loads(held[path.name]) == json.loads(path.read_text())


def test_tokens_are_changed_without_a_moment_of_refusal(loaded: Any) -> None:
    """What is accepted is another key than what is presented, while both are around."""

    def keys(accepted: bool) -> dict[str, str]:
        values = {**OUTSIDE, "secrets": {"existingSecret": "s", "acceptedTokens": accepted}}
        return {
            one["name"]: one["valueFrom"]["secretKeyRef"]["key"]
            for each in of_kind(objects(loaded, values), "Deployment")
            for one in each["spec"]["template"]["spec"]["containers"][0]["env"]
            if one.get("valueFrom", {}).get("secretKeyRef", {}).get("name") == "s"
        }

    assert keys(False)["BURGEE_DACHA_TOKENS"] == keys(False)["BURGEE_INTERNAL_TOKEN"] == "dacha-token"
    assert keys(True)["BURGEE_DACHA_TOKENS"] == "dacha-tokens"
    assert keys(True)["BURGEE_EDGE_TOKENS"] == "edge-tokens"
    assert keys(True)["BURGEE_INTERNAL_TOKEN"] == "dacha-token"


@pytest.mark.parametrize("name", MATRIX)
def test_helm_says_how_to_go_on(loaded: Any, name: str) -> None:
    rendered = loaded.render(MATRIX[name], name="flags", namespace="flags")
    notes = next(text for path, text in rendered.items() if path.endswith("NOTES.txt"))
    for each in of_kind(objects(loaded, MATRIX[name]), "Deployment"):
        assert f"rollout status deployment/{each['metadata']['name']}\n" in notes
    assert "helm -n flags test flags" in notes
    assert "SDKs connect to:\n   http" in notes
    assert ("port-forward" in notes) == ("mr" not in str(MATRIX[name].get("mrUrl")) and "https" not in notes)


# --------------------------------------------------------------------- every value does something

ON = {"enabled": True}
NOWHERE: Json = {"url": "", "existingSecret": ""}
# Values that exclude others are looked at in one of these; the files on volumes only where there are some.
VARIANTS: dict[str, Json] = {
    "to try it": {
        "postgresql": ON,
        "database": NOWHERE,
        "nats": {"evaluation": ON, "urls": [], "credentialsSecret": ""},
        "secrets": {"existingSecret": ""},
        "image": {"digest": ""},
        "serviceAccount": {"name": ""},
        "networkPolicy": ON,
        **dict.fromkeys(("fullnameOverride", "mrUrl", "publicUrl"), ""),
    },
    "by address, scaled, shown": {
        "database": {"existingSecret": ""},
        "nats": {"passwordsSecret": ""},
        "ingress": ON,
        "gateway": ON,
        "metrics": {"serviceMonitor": ON, "prometheusRule": ON, "dashboards": ON},
        **{each: {"autoscaling": ON} for each in chart.COMPONENTS},
        **dict.fromkeys(("nameOverride", "mrUrl"), ""),
    },
    "a region": {
        "database": {"url": ""},
        "nats": {"credentialsSecret": "", "tlsClientCertificate": True},
        "mr": {"enabled": False},
        "edge": {"autoscaling": {"enabled": False}},
    },
    "a file": {"database": {**NOWHERE, "volume": {"existingClaim": ""}}},
    "a file that is there": {"database": NOWHERE},
}
FILE: Json = {
    "nats": {"urls": [], "credentialsSecret": ""},
    "edgeRest": {"enabled": False},
    "party": {"replicas": 1},
    "partyIsh": {"replicas": 1},
    "mrUrl": "",
}


def marked(value: Any, path: str, marks: dict[str, str]) -> Any:
    """The values with a word or a number in every place that is found again in what is rendered."""
    if path in chart.CHOICES or isinstance(value, bool) or path == "nats.evaluation.replicas":
        return value
    if isinstance(value, dict) and value and not chart.OPEN.search(path):
        return {name: marked(each, f"{path}.{name}".lstrip("."), marks) for name, each in value.items()}
    number = 20_000 + len(marks)
    marks[path] = str(number)
    if isinstance(value, int):
        return number
    if isinstance(value, dict):
        return {f"mark-{number}": f"mark-{number}"}
    if isinstance(value, list):
        texts = path in chart.ITEMS_ARE_TEXT
        return [f"mark-{number}"] if texts else [{"name": f"mark-{number}"}]
    return f"mark-{number}"


def overlaid(below: Json, above: Json) -> Json:
    both = {
        name: overlaid(below.get(name, {}), each) if isinstance(each, dict) else each
        for name, each in above.items()
    }
    return {**below, **both}


def test_every_value_reaches_something(loaded: Any) -> None:
    """What the reference's chart gets wrong: values that nothing reads."""
    marks: dict[str, str] = {}
    everything = marked(chart.values(), "", marks)
    everything["edgeRest"]["enabled"] = True
    texts = ""
    for variant, overlay in VARIANTS.items():
        file = variant.startswith("a file")
        for topology in ("party", "party-ish") if file else ("split", "party", "party-ish"):
            values = overlaid(everything, {"topology": topology, **overlay})
            texts += rendered_in_clear(loaded, overlaid(values, FILE) if file else values)
    unread = {path for path, mark in marks.items() if not re.search(rf"(?<!\d){mark}(?!\d)", texts)}
    assert not unread


def test_every_switch_switches_something(loaded: Any) -> None:
    held = {"secrets": {"existingSecret": "held"}}  # what is generated would differ each time
    plain = (
        overlaid(EVERYTHING, held),
        {"topology": "party", "database": {"existingSecret": "pg"}, "party": {"replicas": 2}, **held},
        {"topology": "party-ish", "database": {"existingSecret": "pg"}, "partyIsh": {"replicas": 2}, **held},
    )
    as_it_is = [loaded.render(values, name="flags", namespace="flags") for values in plain]
    unread = []
    for path, default in switches(chart.values()):
        which = {"party": 1, "partyIsh": 2}.get(path[0], 0)
        turned = plain[which]
        turned = overlaid(turned, switch(path, not value_at(turned, path, default)))
        if rendered_or_refused(loaded, turned) == as_it_is[which]:
            unread.append(".".join(path))
    assert not unread


def switches(values: Json, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], bool]]:
    for name, each in values.items():
        if isinstance(each, bool):
            yield (*path, name), each
        elif isinstance(each, dict) and not chart.OPEN.search(name):
            yield from switches(each, (*path, name))


def switch(path: tuple[str, ...], value: bool) -> Json:
    return {path[0]: switch(path[1:], value) if path[1:] else value}


def value_at(values: Any, path: tuple[str, ...], default: bool) -> bool:
    for step in path:
        values = values.get(step) if isinstance(values, dict) else None
    return default if values is None else bool(values)


def rendered_or_refused(loaded: Any, values: Json) -> Any:
    try:
        return loaded.render(values, name="flags", namespace="flags")
    except helm.errors.HelmRenderError:
        return None


def rendered_in_clear(loaded: Any, values: Json) -> str:
    """Everything that is rendered; what Secrets hold decoded."""
    text = ""
    for each in objects(loaded, values):
        text += json.dumps(each)
        if each["kind"] == "Secret":
            text += " ".join(base64.b64decode(held).decode() for held in each["data"].values())
    return text


# -------------------------------------------------------------------------------- what docs/ says

DOCUMENTED = re.compile(r'```yaml title="([^"]*values[^"]*)"\n(.*?)```', re.DOTALL)


def documented() -> dict[str, str]:
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    found = DOCUMENTED.findall(page)
    # The page indents what stands in a list.
    return {name: textwrap.dedent(f"{text}") for name, text in found}


@pytest.mark.parametrize("name", documented())
def test_values_of_the_documentation_can_be_installed(loaded: Any, name: str) -> None:
    taken(objects(loaded, yaml.safe_load(documented()[name])), VERSIONS[0])
