"""The pure rules about people, groups and applications, as tables."""

from uuid import uuid4

import pytest

from mr.auth.permissions import (
    ADMIN_APPLICATION_ROLES,
    APPLICATION_ROLES,
    Grants,
    Place,
    Standing,
    application_roles_in_order,
)
from mr.environments.promotion import loops

ME, OURS, THEIRS, APPLICATION = uuid4(), uuid4(), uuid4(), uuid4()
PLACE = Place(OURS, APPLICATION)

SUPERUSER = Grants(ME, superuser=True)
ADMIN = Grants(ME, administers=frozenset({OURS}), member_of=frozenset({OURS}))
MEMBER = Grants(ME, member_of=frozenset({OURS}))
STRANGER = Grants(ME)
CREATOR = Grants(
    ME, member_of=frozenset({OURS}), application_roles={APPLICATION: frozenset({"FEATURE_CREATE"})}
)
READER = Grants(ME, member_of=frozenset({OURS}), environment_applications=frozenset({APPLICATION}))


@pytest.mark.parametrize(
    ("grants", "standing", "may"),
    [
        (SUPERUSER, Standing(superuser=True, portfolios=frozenset({THEIRS})), True),
        (ADMIN, Standing(), True),
        (ADMIN, Standing(portfolios=frozenset({OURS})), True),
        (ADMIN, Standing(portfolios=frozenset({OURS, THEIRS})), False),
        (ADMIN, Standing(superuser=True), False),
        (MEMBER, Standing(), False),
        (STRANGER, Standing(), False),
    ],
)
def test_only_those_within_reach_are_managed(grants, standing, may):
    assert grants.may_manage_person(standing) is may


@pytest.mark.parametrize(
    ("grants", "portfolio", "member", "sees", "manages"),
    [
        (SUPERUSER, OURS, False, True, True),
        (SUPERUSER, None, True, True, True),
        (ADMIN, OURS, False, True, True),
        (ADMIN, THEIRS, False, False, False),
        (ADMIN, None, False, False, False),
        (MEMBER, OURS, True, True, False),
        (MEMBER, OURS, False, False, False),
        (STRANGER, OURS, False, False, False),
    ],
)
def test_who_sees_and_manages_a_group(grants, portfolio, member, sees, manages):
    assert grants.may_see_group(portfolio, member=member) is sees
    assert grants.may_manage_group(portfolio) is manages


@pytest.mark.parametrize(
    ("grants", "roles", "environment_role"),
    [
        (SUPERUSER, set(ADMIN_APPLICATION_ROLES), True),
        (ADMIN, set(ADMIN_APPLICATION_ROLES), True),
        (CREATOR, {"FEATURE_CREATE"}, False),
        (READER, set(), True),
        (MEMBER, set(), False),
    ],
)
def test_what_is_held_in_an_application(grants, roles, environment_role):
    assert grants.application_roles_in(PLACE) == roles
    assert grants.has_environment_role(PLACE) is environment_role


@pytest.mark.parametrize(
    ("grants", "any_admin"), [(SUPERUSER, True), (ADMIN, True), (MEMBER, False), (STRANGER, False)]
)
def test_any_administrator_counts_as_one(grants, any_admin):
    assert grants.administers_any is any_admin


def test_roles_are_shown_in_one_order_and_administrators_lack_the_oldest():
    assert application_roles_in_order(reversed(APPLICATION_ROLES)) == list(APPLICATION_ROLES)
    assert "FEATURE_EDIT" not in ADMIN_APPLICATION_ROLES


def test_a_loop_is_seen_wherever_it_is():
    a, b, c = uuid4(), uuid4(), uuid4()
    assert not loops({})
    assert not loops({a: None, b: a, c: b})
    assert not loops({a: None, b: a, c: a})
    assert loops({a: a})
    assert loops({a: None, b: c, c: b})
    assert loops({a: c, b: a, c: b})
