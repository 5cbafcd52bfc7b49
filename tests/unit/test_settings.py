import pytest

from burgee.settings import PartySettings, every_name
from common.settings import Settings, SettingsInvalid, injected_by_kubernetes, load
from dacha.settings import DachaSettings
from edge.settings import EdgeSettings
from mr.settings import MrSettings

NEAR_MR = {"BURGEE_MR_URL": "http://mr:8086", "BURGEE_INTERNAL_TOKEN": "t" * 20}
ON_A_BUS = {"BURGEE_NATS_URLS": "nats://a:4222", "BURGEE_EVENT_KEY": "k" * 20}


def faults_of(kind: type[Settings], environment: dict[str, str]) -> dict[str, str]:
    with pytest.raises(SettingsInvalid) as caught:
        load(kind, environment, known=every_name())
    return {fault.name: fault.detail for fault in caught.value.faults}


def test_everything_has_a_default():
    settings = load(PartySettings, {}, known=every_name())
    assert settings.port == 8085
    assert settings.host == "127.0.0.1"
    assert settings.database_address() == "sqlite:///data/burgee.db"


def test_the_ports_follow_featurehub():
    assert load(MrSettings, {}).port == 8085
    assert load(DachaSettings, NEAR_MR).port == 8902
    assert load(EdgeSettings, ON_A_BUS).port == 8553


def test_all_faults_are_reported_at_once_each_by_its_name():
    faults = faults_of(
        PartySettings,
        {
            "BURGEE_PORT": "eighty",
            "BURGEE_LOG_LEVEL": "loud",
            "BURGEE_MAX_STALE": "3 weeks",
            "BURGEE_TRUSTED_PROXIES": "10.0.0.0/8, nonsense",
            "BURGEE_SESSION_IDLE_HOURS": "1000",
            "BURGEE_POTR": "1",
        },
    )
    assert set(faults) == {
        "BURGEE_PORT",
        "BURGEE_LOG_LEVEL",
        "BURGEE_MAX_STALE",
        "BURGEE_TRUSTED_PROXIES",
        "BURGEE_SESSION_IDLE_HOURS",
        "BURGEE_POTR",
    }
    assert "eighty" in faults["BURGEE_PORT"]


def test_an_unknown_name_is_a_fault_with_a_suggestion():
    assert (
        "BURGEE_MONITOR_PORT" in faults_of(PartySettings, {"BURGEE_MONITR_PORT": "9"})["BURGEE_MONITR_PORT"]
    )
    assert faults_of(PartySettings, {"BURGEE_ZZZZ": "9"}) == {"BURGEE_ZZZZ": "is not a setting"}


def test_a_name_of_another_process_is_no_fault():
    load(DachaSettings, NEAR_MR | {"BURGEE_STREAM_SECONDS": "60"}, known=every_name())


def test_an_empty_value_counts_as_unset():
    assert load(PartySettings, {"BURGEE_PORT": "", "BURGEE_DATABASE_URL": ""}).port == 8085


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BURGEE_DATABASE_URL", "mysql://root:hunter2hunter2@db/burgee"),
        ("BURGEE_DATABASE_URL", "postgresql://root:hunter2hunter2@db"),
        ("BURGEE_EDGE_TOKENS", "hunter2"),
        ("BURGEE_EVENT_KEY", "hunter2"),
        ("BURGEE_NATS_URLS", "nats://bus:hunter2@a:4222,http://bus:hunter2@b"),
        ("BURGEE_NATS_PASSWORD", "hunter2"),
    ],
)
def test_a_fault_never_shows_a_secret(name: str, value: str):
    assert not any("hunter2" in told for told in faults_of(PartySettings, {name: value}).values())


def test_a_fault_in_the_address_of_mr_shows_no_secret():
    assert (
        "hunter2" not in faults_of(EdgeSettings, {"BURGEE_MR_URL": "ftp://root:hunter2@mr"})["BURGEE_MR_URL"]
    )


def test_the_names_that_kubernetes_injects_are_ignored():
    injected = {
        "BURGEE_SERVICE_HOST": "10.1.2.3",
        "BURGEE_SERVICE_PORT": "8085",
        "BURGEE_SERVICE_PORT_HTTP": "8085",
        "BURGEE_PORT": "tcp://10.1.2.3:8085",
        "BURGEE_PORT_8085_TCP": "tcp://10.1.2.3:8085",
        "BURGEE_PORT_8085_TCP_PROTO": "tcp",
        "BURGEE_PORT_8085_TCP_PORT": "8085",
        "BURGEE_PORT_8085_TCP_ADDR": "10.1.2.3",
        "BURGEE_MONITOR_PORT": "tcp://10.1.2.3:9000",
        "BURGEE_EDGE_REST_SERVICE_HOST": "10.1.2.3",
        "BURGEE_EDGE_REST_PORT_8553_TCP_ADDR": "10.1.2.3",
    }
    assert all(injected_by_kubernetes(name, value) for name, value in injected.items())
    settings = load(PartySettings, injected)
    assert settings.port == 8085
    assert settings.monitor_port is None


def test_a_port_that_somebody_set_is_not_mistaken_for_an_injected_one():
    assert load(PartySettings, {"BURGEE_PORT": "9090"}).port == 9090


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("24h", 86_400), ("7d", 604_800)]
)
def test_times_take_units(text: str, seconds: float):
    assert load(PartySettings, {"BURGEE_MAX_STALE_KEYS": text}).max_stale_keys == seconds


def test_lists_are_split_at_commas():
    settings = load(PartySettings, {"BURGEE_CORS_HEADERS": "x-one, x-two,,"})
    assert settings.cors_headers == ("x-one", "x-two")


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"BURGEE_MONITOR_PORT": "8085"}, "BURGEE_MONITOR_PORT"),
        ({"BURGEE_INTERNAL_PORT": "8085", "BURGEE_EDGE_TOKENS": "a" * 20}, "BURGEE_INTERNAL_PORT"),
        ({"BURGEE_INTERNAL_PORT": "8086"}, "BURGEE_INTERNAL_PORT"),
        ({"BURGEE_NATS_URLS": "nats://a:4222"}, "BURGEE_EVENT_KEY"),
        ({"BURGEE_NATS_USER": "burgee"}, "BURGEE_NATS_USER"),
        ({"BURGEE_NATS_CERT_FILE": "/absent"}, "BURGEE_NATS_CERT_FILE"),
        (
            {
                "BURGEE_NATS_USER": "burgee",
                "BURGEE_NATS_PASSWORD": "secret",
                "BURGEE_NATS_NKEY_SEED_FILE": "/absent",
            },
            "BURGEE_NATS_NKEY_SEED_FILE",
        ),
        ({"BURGEE_HEARTBEAT_SECONDS": "20"}, "BURGEE_HEARTBEAT_SECONDS"),
        ({"BURGEE_FEATURE_PROPERTIES": "team"}, "BURGEE_FEATURE_PROPERTIES"),
    ],
)
def test_settings_that_contradict_each_other_are_faults(environment: dict[str, str], name: str):
    assert name in faults_of(PartySettings, environment)


@pytest.mark.parametrize(
    ("kind", "environment", "name"),
    [
        (DachaSettings, {}, "BURGEE_MR_URL"),
        (DachaSettings, {"BURGEE_MR_URL": "http://mr:8086"}, "BURGEE_INTERNAL_TOKEN"),
        (EdgeSettings, {}, "BURGEE_NATS_URLS"),
        (EdgeSettings, {"BURGEE_DACHA_URL": "http://dacha:8902"}, "BURGEE_INTERNAL_TOKEN"),
    ],
)
def test_processes_of_their_own_say_what_they_need(
    kind: type[Settings], environment: dict[str, str], name: str
):
    assert name in faults_of(kind, environment)


def test_settings_cannot_be_changed_after_they_were_read():
    settings = load(PartySettings, {})
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1
