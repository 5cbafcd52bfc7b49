"""The tables of MR, by subject.

Import a model from its module; importing this package registers all of them, which migrations need.
"""

from mr.db.models import (
    audit,
    deliveries,
    delivery,
    features,
    people,
    portfolios,
    service_accounts,
    sign_in,
    system,
    usage,
    user_state,
)

__all__ = [
    "audit",
    "deliveries",
    "delivery",
    "features",
    "people",
    "portfolios",
    "service_accounts",
    "sign_in",
    "system",
    "usage",
    "user_state",
]
