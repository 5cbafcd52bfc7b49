"""What of sign-in through providers needs no server: the browser's secret, and the file of providers."""

import pytest

from common.settings import SettingsInvalid, load
from mr.auth.external.asking import Remembered
from mr.auth.external.browser import SIGN_IN_SECONDS, Browser
from mr.auth.external.identity import UNREACHABLE, SignInRefused, vouched_address
from mr.auth.external.providers import ProvidersInvalid, read_providers
from mr.auth.passwords import Passwords, WeakPassword
from mr.settings import MrSettings

GROUP = "5f0c2d1e-8a55-4e55-9b9b-0123456789ab"


def test_a_flow_is_resumed_by_its_browser_alone_and_for_a_time():
    browser = Browser.new()
    flow = browser.begin("sso", now=1000)
    assert browser.resume(flow.state, now=1000 + SIGN_IN_SECONDS) == flow
    assert browser.resume(flow.state, now=1001 + SIGN_IN_SECONDS) is None
    assert browser.resume(flow.state, now=900) is None
    assert Browser.new().resume(flow.state, now=1000) is None
    assert browser.resume(flow.state.replace("sso", "oss"), now=1000) is None
    for junk in ("", "....", "sso.1.a.b", flow.state + "A", flow.state[1:], "ſ" * 80):
        assert browser.resume(junk, now=1000) is None
    other = browser.begin("sso", now=1000)
    assert len({flow.state, flow.nonce, flow.verifier, other.state, other.nonce, other.verifier}) == 6
    assert browser.secret not in flow.state + flow.nonce


def test_a_cookie_that_we_never_set_is_no_browser():
    assert Browser.known(None) is None
    assert Browser.known("short") is None
    secret = Browser.new().secret
    known = Browser.known(secret)
    assert known is not None
    assert known.proves("this", Browser(secret).proof("this"))
    assert not known.proves("that", Browser(secret).proof("this"))


def file_with(tmp_path, text):
    path = tmp_path / "providers.toml"
    path.write_text(text)
    return path


def test_ready_providers_need_little(tmp_path):
    (tmp_path / "secret").write_text("from a file\n")
    found = read_providers(
        file_with(
            tmp_path,
            f"""
            [google]
            kind = "google"
            client_id = "a"
            client_secret_file = "secret"
            allowed_domains = ["Acme.Example"]
            people = "automatic"
            [entra]
            kind = "microsoft"
            tenant = "{GROUP}"
            client_id = "a"
            [entra.groups]
            x = ["{GROUP}"]
            [kc]
            kind = "keycloak"
            server = "https://id.acme.example/"
            realm = "staff"
            client_id = "a"
            [github]
            kind = "github"
            client_id = "a"
            client_secret = "b"
            """,
        )
    )
    assert list(found) == ["google", "entra", "kc", "github"]
    google, entra, keycloak = found["google"], found["entra"], found["kc"]
    assert google.issuer == "https://accounts.google.com"
    assert google.client_secret.get_secret_value() == "from a file"
    assert google.allowed_domains == ("acme.example",)
    assert entra.issuer == f"https://login.microsoftonline.com/{GROUP}/v2.0"
    assert entra.trust_email
    assert keycloak.issuer == "https://id.acme.example/realms/staff"
    assert not keycloak.trust_email


def test_every_fault_of_the_file_is_told_at_once_and_no_secret(tmp_path):
    path = file_with(
        tmp_path,
        """
        [Bad_Name]
        kind = "oidc"
        [local]
        kind = "github"
        [a]
        kind = "oidc"
        issuer = "http://id.acme.example"
        client_secret = "do-not-show"
        surprise = 1
        [b]
        kind = "github"
        people = "automatic"
        client_id = "x"
        client_secret = "do-not-show"
        [c]
        kind = "saml"
        [d]
        kind = "microsoft"
        client_id = "x"
        [e]
        kind = "ldap"
        """,
    )
    with pytest.raises(ProvidersInvalid) as caught:
        read_providers(path)
    told = "\n".join(caught.value.faults)
    for part in (
        "[Bad_Name]:",
        "[local]:",
        "[a] issuer: should begin with https://",
        "[a] client_id: Field required",
        "[a] surprise:",
        '[b] people = "automatic" needs allowed_domains',
        "[c] needs one of metadata_file",
        "[d] tenant is missing",
        "[e] ",
    ):
        assert part in told, told
    assert "do-not-show" not in told

    environment = {"BURGEE_SIGN_IN_FILE": str(path), "BURGEE_PORT": "x"}
    with pytest.raises(SettingsInvalid) as invalid:
        load(MrSettings, environment)
    names = [fault.name for fault in invalid.value.faults]
    assert names.count("BURGEE_SIGN_IN_FILE") == len(caught.value.faults)
    assert {"BURGEE_PORT", "BURGEE_PUBLIC_URL"} <= set(names)


def test_the_key_of_a_saml_registration_must_fit_its_certificate(tmp_path):
    for name in ("key", "crt"):
        (tmp_path / name).write_text("nonsense")
    table = '[a]\nkind = "saml"\nmetadata = "x"\ncertificate_file = "crt"\n'
    for key, fault in (("key", "should be PEM"), ("absent", "not there")):
        with pytest.raises(ProvidersInvalid, match=fault):
            read_providers(file_with(tmp_path, f'{table}private_key_file = "{key}"\n'))


def test_a_server_without_any_way_in_is_a_fault(tmp_path):
    with pytest.raises(SettingsInvalid, match="BURGEE_SIGN_IN_FILE"):
        load(MrSettings, {"BURGEE_LOCAL_SIGN_IN": "false"})
    for text in ("", "[a", None):
        path = tmp_path / "absent.toml" if text is None else file_with(tmp_path, text)
        with pytest.raises(ProvidersInvalid):
            read_providers(path)


async def test_what_is_remembered_serves_on_while_a_new_one_cannot_be_had():
    now, fetched, broken = 0.0, 0, False

    async def fetch():
        nonlocal fetched
        fetched += 1
        if broken:
            raise SignInRefused(UNREACHABLE, "away")
        return [fetched]

    remembered = Remembered(fetch, keep_seconds=100, pause_seconds=10, clock=lambda: now)
    broken = True
    for _ in range(3):
        with pytest.raises(SignInRefused, match="away"):
            await remembered.get()
    assert fetched == 1
    broken, now = False, 3.0
    first = await remembered.get()
    assert first == [2]
    assert await remembered.newer(first) is first, "asked a moment ago"
    now = 20.0
    assert await remembered.newer(first) == [3]
    broken, now = True, 200.0
    assert await remembered.get() == [3]
    assert await remembered.get() == [3]
    assert fetched == 4


def test_addresses_that_only_look_like_ours_are_none():
    assert vouched_address(" Ada@Burgee.Example ") == "ada@burgee.example"
    assert vouched_address("józef@burgee.example") == "józef@burgee.example"
    for odd in ("\u212aim@burgee.example", "ada", "a@b@c.example", "a b@c.example", "", None, 7, ["a@b.c"]):
        assert vouched_address(odd) is None


def test_a_new_password_is_no_easy_guess():
    passwords = Passwords(min_length=7)
    for weak in ("short", "aaaaaaaa", "1212121212", "Ada@Burgee.Example"):
        with pytest.raises(WeakPassword):
            passwords.require_fit(weak, of="ada@burgee.example")
    passwords.require_fit("correct horse", of="ada@burgee.example")
