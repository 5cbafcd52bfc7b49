"""Who may hear of which change: the same as who may read the object."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from mr.auth.permissions import Grants
from mr.live.hearing import Change, may_hear
from mr.live.tail import Mark

ME, PORTFOLIO, OTHER, APPLICATION, ENVIRONMENT = (uuid4() for _ in range(5))

SUPERUSER = Grants(ME, superuser=True)
ADMIN = Grants(ME, administers=frozenset({PORTFOLIO}), member_of=frozenset({PORTFOLIO}))
MEMBER = Grants(ME, member_of=frozenset({PORTFOLIO}))
READER = Grants(
    ME,
    member_of=frozenset({PORTFOLIO}),
    environment_roles={ENVIRONMENT: frozenset({"READ"})},
    environment_applications=frozenset({APPLICATION}),
)
STRANGER = Grants(ME, member_of=frozenset({OTHER}))
EVERYBODY = {"superuser": SUPERUSER, "admin": ADMIN, "member": MEMBER, "reader": READER, "stranger": STRANGER}


def change(kind, *, id=None, portfolio=PORTFOLIO, application=None, environment=None):  # noqa: A002
    return Change(
        seq=1,
        position=None,
        at=datetime.now(UTC),
        actor_kind="person",
        actor_id=None,
        actor_name=None,
        action="update",
        object_kind=kind,
        object_id=str(id or uuid4()),
        object_name="name",
        portfolio_id=portfolio,
        application_id=application,
        environment_id=environment,
    )


@pytest.mark.parametrize(
    ("told", "who"),
    [
        (change("organization", portfolio=None), "superuser"),
        (change("system-config", portfolio=None), "superuser"),
        (change("group", portfolio=None), "superuser"),
        (change("person", portfolio=None), "superuser admin"),
        (change("person", id=ME, portfolio=None), "superuser admin member reader stranger"),
        (change("portfolio"), "superuser admin member reader"),
        (change("group"), "superuser admin"),
        (change("service-account"), "superuser admin member reader"),
        (change("feature-filter"), "superuser admin member reader"),
        (change("application", application=APPLICATION), "superuser admin reader"),
        (change("application", application=uuid4()), "superuser admin"),
        (change("feature", application=APPLICATION), "superuser admin reader"),
        (change("application-strategy", application=APPLICATION), "superuser admin reader"),
        (change("environment", application=APPLICATION, environment=ENVIRONMENT), "superuser admin reader"),
        (change("feature-value", application=APPLICATION, environment=ENVIRONMENT), "superuser admin reader"),
        (change("feature-value", application=APPLICATION, environment=uuid4()), "superuser admin"),
        (change("feature-group", application=APPLICATION, environment=uuid4()), "superuser admin"),
        (change("something-new"), "superuser admin"),
    ],
    ids=lambda value: value.object_kind if isinstance(value, Change) else value.replace(" ", "-"),
)
def test_only_who_may_read_an_object_hears_of_it(told, who):
    assert {name for name, grants in EVERYBODY.items() if may_hear(grants, told)} == set(who.split())


def test_a_mark_is_read_as_it_was_written():
    mark = Mark("e.p.och", 42)
    assert Mark.parse(str(mark)) == mark


@pytest.mark.parametrize("text", ["", ".", "1", "epoch.", ".1", "epoch.-1", "epoch.1x", "epoch." + "9" * 30])
def test_what_is_no_mark_is_none(text):
    assert Mark.parse(text) is None
