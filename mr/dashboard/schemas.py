"""Wire types of an application's table of features. Answers are encoded without them; see the service."""

from __future__ import annotations

from uuid import UUID

from mr.api.models import WireModel
from mr.features.schemas import Feature, FeatureValue
from mr.people.schemas import RoleType


class EnvironmentFeatureValues(WireModel):
    environmentId: UUID
    environmentName: str
    priorEnvironmentId: UUID | None = None
    features: list[FeatureValue] = []
    roles: list[RoleType] = []


class ApplicationFeatureValues(WireModel):
    applicationId: UUID
    features: list[Feature]
    environments: list[EnvironmentFeatureValues]
    maxFeatures: int
