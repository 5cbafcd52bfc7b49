import pytest

from common.addresses import AddressRules, Undeliverable, open_outgoing
from tests.support.listener import open_listener
from tests.support.ports import free_port


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"]
)
async def test_this_machine_is_not_asked_under_any_spelling(host):
    async with open_listener() as listener, open_outgoing(AddressRules()) as outgoing:
        port = listener.url.rsplit(":", 1)[1]
        with pytest.raises(Undeliverable):
            await outgoing.send("POST", f"http://{host}:{port}/", body=b"x")
        assert listener.heard == []


@pytest.mark.parametrize(
    "url", ["ftp://example.org/", "file:///etc/passwd", "http://", "nonsense", "http://a:x/"]
)
async def test_only_web_addresses_are_asked(url):
    async with open_outgoing(AddressRules(["0.0.0.0/0"])) as outgoing:
        with pytest.raises(Undeliverable):
            await outgoing.send("POST", url)


async def test_redirects_are_answers_and_a_proxy_of_the_environment_is_not_asked(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    async with open_listener() as listener, open_outgoing(AddressRules(["127.0.0.0/8"])) as outgoing:
        listener.answer = lambda _: (302, "x" * 5000)
        reply = await outgoing.send("POST", listener.url + "/here", body=b"{}", longest_answer=1000)
        assert (reply.status, reply.body) == (302, b"x" * 1000)
        assert [each.path for each in listener.heard] == ["/here"]


async def test_what_cannot_be_reached_or_takes_too_long_is_told_without_the_address():
    async with open_listener() as listener, open_outgoing(AddressRules(["127.0.0.0/8"])) as outgoing:
        listener.hold()
        with pytest.raises(Undeliverable, match=r"no answer within 0\.2 s"):
            await outgoing.send("POST", listener.url, deadline_seconds=0.2)
        with pytest.raises(Undeliverable) as told:
            await outgoing.send("POST", f"http://127.0.0.1:{free_port()}/secret-path")
        assert "secret-path" not in str(told.value)
        with pytest.raises(Undeliverable):
            await outgoing.send("POST", listener.url, headers={"x": "a\r\nb: c"})
