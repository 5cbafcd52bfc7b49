"""Who may do what, as a table."""

from uuid import UUID

import pytest

from mr.auth.permissions import (
    APP_STRATEGY_CREATE,
    APP_STRATEGY_EDIT,
    APP_STRATEGY_EDIT_AND_DELETE,
    CHANGE_VALUE,
    ENVIRONMENT_ROLES,
    EXTENDED_DATA,
    FEATURE_CREATE,
    FEATURE_EDIT,
    FEATURE_EDIT_AND_DELETE,
    LOCK,
    READ,
    UNLOCK,
    Grants,
    Place,
    in_order,
    with_read,
)

ME, P, OTHER_P, A, OTHER_A, E, OTHER_E = (UUID(int=number) for number in range(7))
PLACE = Place(P, A)


def held(*roles, environment=E, application=A):
    return Grants(
        ME,
        member_of=frozenset({P}),
        environment_roles={environment: frozenset(roles)},
        environment_applications=frozenset({application}),
    )


def working(*roles, application=A):
    return Grants(ME, member_of=frozenset({P}), application_roles={application: frozenset(roles)})


STRANGER = Grants(ME)
MEMBER = Grants(ME, member_of=frozenset({P}))
ADMIN = Grants(ME, administers=frozenset({P}), member_of=frozenset({P}))
FOREIGN_ADMIN = Grants(ME, administers=frozenset({OTHER_P}), member_of=frozenset({OTHER_P}))
SUPERUSER = Grants(ME, superuser=True)


@pytest.mark.parametrize(
    ("who", "member", "admin", "reads", "creates", "edits"),
    [
        (STRANGER, False, False, False, False, False),
        (MEMBER, True, False, False, False, False),
        (FOREIGN_ADMIN, False, False, False, False, False),
        (ADMIN, True, True, True, True, True),
        (SUPERUSER, True, True, True, True, True),
        (held(READ), True, False, True, False, False),
        (held(READ, application=OTHER_A, environment=OTHER_E), True, False, False, False, False),
        (working(FEATURE_CREATE), True, False, True, True, False),
        (working(FEATURE_EDIT), True, False, True, True, True),
        (working(FEATURE_EDIT_AND_DELETE), True, False, True, True, True),
        (working("APP_STRATEGY_EDIT"), True, False, True, False, False),
        (working(FEATURE_EDIT_AND_DELETE, application=OTHER_A), True, False, False, False, False),
    ],
)
def test_what_somebody_may_do_with_an_application(who, member, admin, reads, creates, edits):
    assert who.is_member(P) is member
    assert who.is_admin(P) is admin
    assert who.may_read_application(PLACE) is reads
    assert who.may_create_features(PLACE) is creates
    assert who.may_edit_features(PLACE) is edits


@pytest.mark.parametrize(
    ("who", "shown"),
    [
        (STRANGER, set()),
        (MEMBER, set()),
        (ADMIN, set(ENVIRONMENT_ROLES)),
        (SUPERUSER, set(ENVIRONMENT_ROLES)),
        (FOREIGN_ADMIN, set()),
        (held(LOCK), {READ, LOCK}),
        (held(EXTENDED_DATA), {READ, EXTENDED_DATA}),
        (held(CHANGE_VALUE, environment=OTHER_E), set()),
        (held(), set()),
    ],
)
def test_the_roles_that_somebody_has_in_an_environment(who, shown):
    assert who.roles_in(PLACE, E) == shown
    assert who.writing_roles_in(PLACE, E) == shown


@pytest.mark.parametrize(
    ("role", "adds"),
    [
        (FEATURE_EDIT, {LOCK, UNLOCK}),
        (FEATURE_CREATE, {LOCK, UNLOCK}),
        (FEATURE_EDIT_AND_DELETE, set()),
    ],
)
def test_the_oldest_feature_roles_also_lock_and_unlock(role, adds):
    who = working(role)
    assert who.roles_in(PLACE, E) == set()
    assert who.writing_roles_in(PLACE, E) == adds


def test_roles_are_shown_in_one_order_and_imply_reading():
    assert in_order(with_read([CHANGE_VALUE, LOCK])) == [READ, LOCK, CHANGE_VALUE]
    assert with_read([]) == set()


@pytest.mark.parametrize(
    ("who", "creates", "edits", "deletes"),
    [
        (MEMBER, False, False, False),
        (working(FEATURE_EDIT_AND_DELETE), False, False, False),
        (working(APP_STRATEGY_CREATE), True, False, False),
        (working(APP_STRATEGY_EDIT), False, True, False),
        (working(APP_STRATEGY_EDIT_AND_DELETE), True, True, True),
        (working(APP_STRATEGY_EDIT_AND_DELETE, application=OTHER_A), False, False, False),
        (FOREIGN_ADMIN, False, False, False),
        (ADMIN, True, True, True),
        (SUPERUSER, True, True, True),
    ],
)
def test_what_somebody_may_do_with_strategies_of_an_application(who, creates, edits, deletes):
    assert who.may_create_strategies(PLACE) is creates
    assert who.may_edit_strategies(PLACE) is edits
    assert who.may_delete_strategies(PLACE) is deletes


@pytest.mark.parametrize(
    ("who", "changes"),
    [
        (held(READ, LOCK, UNLOCK), False),
        (held(CHANGE_VALUE), True),
        (held(CHANGE_VALUE, environment=OTHER_E), False),
        (working(FEATURE_EDIT), False),
        (FOREIGN_ADMIN, False),
        (ADMIN, True),
    ],
)
def test_feature_groups_of_an_environment_are_for_those_who_change_values_there(who, changes):
    assert who.may_change_values(PLACE, E) is changes
