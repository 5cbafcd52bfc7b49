"""Who may do what: pure rules over the roles a person holds.

Does no I/O: `Grants` are loaded by `mr.auth.grants` inside the transaction that acts on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

READ: Final = "READ"
LOCK: Final = "LOCK"
UNLOCK: Final = "UNLOCK"
CHANGE_VALUE: Final = "CHANGE_VALUE"
EXTENDED_DATA: Final = "EXTENDED_DATA"
ENVIRONMENT_ROLES: Final = (READ, LOCK, UNLOCK, CHANGE_VALUE, EXTENDED_DATA)

FEATURE_CREATE: Final = "FEATURE_CREATE"
FEATURE_EDIT: Final = "FEATURE_EDIT"  # from before there were separate roles; still granted
FEATURE_EDIT_AND_DELETE: Final = "FEATURE_EDIT_AND_DELETE"
FEATURE_ROLES: Final = frozenset({FEATURE_CREATE, FEATURE_EDIT, FEATURE_EDIT_AND_DELETE})

APP_STRATEGY_CREATE: Final = "APP_STRATEGY_CREATE"
APP_STRATEGY_EDIT: Final = "APP_STRATEGY_EDIT"
APP_STRATEGY_EDIT_AND_DELETE: Final = "APP_STRATEGY_EDIT_AND_DELETE"
APPLICATION_ROLES: Final = (
    FEATURE_EDIT,
    FEATURE_CREATE,
    FEATURE_EDIT_AND_DELETE,
    APP_STRATEGY_EDIT,
    APP_STRATEGY_CREATE,
    APP_STRATEGY_EDIT_AND_DELETE,
)
# What administrators are shown to hold; the oldest role says nothing that the others do not.
ADMIN_APPLICATION_ROLES: Final = tuple(role for role in APPLICATION_ROLES if role != FEATURE_EDIT)

WRITING_ROLES: Final = frozenset({LOCK, UNLOCK, CHANGE_VALUE})

_NOTHING: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True)
class Place:
    """An application and where it hangs: every rule below a portfolio needs both."""

    portfolio_id: UUID
    application_id: UUID


@dataclass(frozen=True)
class Standing:
    """How far another person's rights reach: the portfolios of the groups they are in."""

    superuser: bool = False
    portfolios: frozenset[UUID] = frozenset()


@dataclass(frozen=True)
class Grants:
    """Everything one person was given, through all groups they are in."""

    person_id: UUID
    superuser: bool = False
    administers: frozenset[UUID] = frozenset()
    member_of: frozenset[UUID] = frozenset()
    application_roles: Mapping[UUID, frozenset[str]] = field(default_factory=dict)
    environment_roles: Mapping[UUID, frozenset[str]] = field(default_factory=dict)
    # The applications in which an environment role is held.
    environment_applications: frozenset[UUID] = frozenset()

    def is_admin(self, portfolio_id: UUID) -> bool:
        """A superuser, or an administrator of that portfolio."""
        return self.superuser or portfolio_id in self.administers

    @property
    def administers_any(self) -> bool:
        """A superuser, or an administrator of some portfolio: whoever may see and invite people."""
        return self.superuser or bool(self.administers)

    @property
    def may_see_audit(self) -> bool:
        """A superuser all of it, an administrator what happened in the portfolios that are theirs."""
        return self.administers_any

    def may_manage_person(self, person: Standing) -> bool:
        """Change who somebody is and how they sign in, which gives everything that they were given.

        So an administrator may do that only to those who hold nothing outside of what he administers.
        """
        return self.superuser or (
            self.administers_any and not person.superuser and person.portfolios <= self.administers
        )

    def may_see_group(self, portfolio_id: UUID | None, *, member: bool) -> bool:
        """Its members, and those who administer its portfolio; the superusers' group belongs to none."""
        return member or (self.superuser if portfolio_id is None else self.is_admin(portfolio_id))

    def may_manage_group(self, portfolio_id: UUID | None) -> bool:
        """Administrators of its portfolio; superusers alone manage their own group."""
        return self.superuser if portfolio_id is None else self.is_admin(portfolio_id)

    def is_member(self, portfolio_id: UUID) -> bool:
        """In any group of the portfolio, or above it."""
        return self.is_admin(portfolio_id) or portfolio_id in self.member_of

    def may_read_application(self, place: Place) -> bool:
        """Any role in the application or in one of its environments."""
        return (
            self.is_admin(place.portfolio_id)
            or bool(self.application_roles.get(place.application_id))
            or place.application_id in self.environment_applications
        )

    def has_environment_role(self, place: Place) -> bool:
        """Any role in any environment of the application."""
        return self.is_admin(place.portfolio_id) or place.application_id in self.environment_applications

    def application_roles_in(self, place: Place) -> frozenset[str]:
        """Roles in an application as they are shown; administrators hold all that mean something."""
        if self.is_admin(place.portfolio_id):
            return frozenset(ADMIN_APPLICATION_ROLES)
        return self.application_roles.get(place.application_id, _NOTHING)

    def may_create_features(self, place: Place) -> bool:
        return self.is_admin(place.portfolio_id) or bool(
            FEATURE_ROLES & self.application_roles.get(place.application_id, _NOTHING)
        )

    def may_edit_features(self, place: Place) -> bool:
        """Edit or delete definitions: creating them is not enough."""
        return self.is_admin(place.portfolio_id) or bool(
            {FEATURE_EDIT, FEATURE_EDIT_AND_DELETE}
            & self.application_roles.get(place.application_id, _NOTHING)
        )

    def may_create_strategies(self, place: Place) -> bool:
        """Add strategies of the application; whoever may delete them may also make them anew."""
        return self._may(place, APP_STRATEGY_CREATE, APP_STRATEGY_EDIT_AND_DELETE)

    def may_edit_strategies(self, place: Place) -> bool:
        return self._may(place, APP_STRATEGY_EDIT, APP_STRATEGY_EDIT_AND_DELETE)

    def may_delete_strategies(self, place: Place) -> bool:
        return self._may(place, APP_STRATEGY_EDIT_AND_DELETE)

    def _may(self, place: Place, *roles: str) -> bool:
        held = self.application_roles.get(place.application_id, _NOTHING)
        return self.is_admin(place.portfolio_id) or not held.isdisjoint(roles)

    def may_change_values(self, place: Place, environment_id: UUID) -> bool:
        """Set what is served in an environment, feature groups included."""
        return CHANGE_VALUE in self.roles_in(place, environment_id)

    def roles_in(self, place: Place, environment_id: UUID) -> frozenset[str]:
        """Roles in an environment as they are shown: any of them implies READ; admins hold all."""
        if self.is_admin(place.portfolio_id):
            return frozenset(ENVIRONMENT_ROLES)
        return with_read(self.environment_roles.get(environment_id, _NOTHING))

    def writing_roles_in(self, place: Place, environment_id: UUID) -> frozenset[str]:
        """Roles that count when a value is written: the two oldest feature roles also lock and unlock."""
        roles = self.roles_in(place, environment_id)
        if {FEATURE_EDIT, FEATURE_CREATE} & self.application_roles.get(place.application_id, _NOTHING):
            roles |= {LOCK, UNLOCK}
        return roles


def with_read(roles: Iterable[str]) -> frozenset[str]:
    """Any role implies READ; no role implies nothing."""
    held = frozenset(roles)
    return held | {READ} if held else held


def in_order(roles: Iterable[str]) -> list[str]:
    """Environment roles in the order in which they are always shown."""
    held = frozenset(roles)
    return [role for role in ENVIRONMENT_ROLES if role in held]


def application_roles_in_order(roles: Iterable[str]) -> list[str]:
    """Application roles in the order in which they are always shown."""
    held = frozenset(roles)
    return [role for role in APPLICATION_ROLES if role in held]
