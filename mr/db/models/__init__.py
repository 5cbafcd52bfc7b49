"""The tables of MR, by subject.

Import a model from its module; importing this package registers all of them, which migrations need.
"""

from mr.db.models import delivery, features, people, portfolios, service_accounts, system, user_state

__all__ = ["delivery", "features", "people", "portfolios", "service_accounts", "system", "user_state"]
