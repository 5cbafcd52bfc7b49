"""Every setting of Edge-REST."""

from typing import ClassVar

from pydantic import Field

from common.settings import InternalCallerSettings, Port, ServingSettings, WritingSettings
from edge.settings import PollSettings


class EdgeRestSettings(ServingSettings, WritingSettings, InternalCallerSettings, PollSettings):
    """Edge-REST: polls and PUTs straight on the database."""

    process: ClassVar[str] = "edge-rest"

    port: Port = Field(8553, description="The main port. 0 takes a free one and logs it.")
