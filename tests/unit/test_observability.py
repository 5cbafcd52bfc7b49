import io
import json
import logging

import pytest
import structlog

from common.observability import scrub, scrub_text, set_up_logs

KEY = "6f1f7c2e-4b0a-4f63-9d6c-0d1d9d3b7a11/kd8Fq2mPz0sLx7WvY3nT*b1"


@pytest.fixture
def logged():
    stream = io.StringIO()
    before = logging.getLogger().handlers[:]
    set_up_logs(stream=stream)
    yield stream
    logging.getLogger().handlers[:] = before
    structlog.reset_defaults()


def test_sdk_keys_are_masked_wherever_they_stand():
    assert KEY not in scrub_text(f"GET /features/{KEY} and {KEY.replace('/', '%2F')}")
    assert "kd8Fq2mPz0sLx7WvY3nT" not in scrub_text(f"apiKey={KEY.replace('/', '%2F').replace('*', '%2A')}")


def test_values_are_masked_by_their_names_at_any_depth():
    shown = scrub(None, "", {"outer": {"apiKey": "abc", "list": [{"password": "abc"}]}, "count": 3})
    assert "abc" not in json.dumps(shown)
    assert shown["count"] == 3


def test_passwords_in_addresses_are_masked():
    assert "hunter2" not in scrub_text("cannot reach postgresql://root:hunter2@db/burgee")


def test_a_traceback_shows_neither_keys_nor_local_variables(logged):
    def fail():
        local_secret = "lemon-tree"
        raise ValueError(f"no such key: {KEY} {len(local_secret)}")

    try:
        fail()
    except ValueError:
        structlog.stdlib.get_logger("test").exception("it.failed", token="abc-token")
    line = json.loads(logged.getvalue())
    assert line["event"] == "it.failed"
    for hidden in (KEY, "lemon-tree", "abc-token"):
        assert hidden not in logged.getvalue()


def test_libraries_log_through_the_same_steps(logged):
    logging.getLogger("some.library").warning("key %s", KEY)
    line = json.loads(logged.getvalue())
    assert line["level"] == "warning"
    assert KEY not in line["event"]
