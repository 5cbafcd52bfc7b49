"""Wire types that show values together with the environments and applications around them."""

from __future__ import annotations

from mr.api.models import WireModel
from mr.applications.schemas import Application
from mr.environments.schemas import Environment
from mr.features.schemas import Feature, FeatureValue
from mr.people.schemas import RoleType
from mr.service_accounts.schemas import ServiceAccount


class FeatureEnvironment(WireModel):
    environment: Environment
    roles: list[RoleType] = []
    featureValue: FeatureValue | None = None
    serviceAccounts: list[ServiceAccount] = []


class EnvironmentFeaturesResult(WireModel):
    featureValues: list[FeatureValue] = []
    environments: list[Environment] = []
    applications: list[Application] = []
    features: list[Feature] = []
