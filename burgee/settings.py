"""Settings of the composed processes, and the list of every process that reads settings."""

from typing import ClassVar

from pydantic import Field

from common.settings import DatabaseSettings, Duration, Port, Settings, variable
from dacha.settings import DachaCacheSettings, DachaSettings
from edge.settings import EdgeSettings, PollSettings, StreamSettings
from edge_rest.settings import EdgeRestSettings
from mr.settings import MrSettings

PORT_DESCRIPTION = "The main port. 0 takes a free one and logs it."
DRAIN_DESCRIPTION = MrSettings.model_fields["drain_seconds"].description


class PartySettings(MrSettings, DachaCacheSettings, PollSettings, StreamSettings):
    """MR, Dacha2 and Edge in one process."""

    process: ClassVar[str] = "party"

    port: Port = Field(8085, description=PORT_DESCRIPTION)
    drain_seconds: Duration = Field(1, description=DRAIN_DESCRIPTION)


class PartyIshSettings(MrSettings, PollSettings):
    """MR and Edge-REST in one process."""

    process: ClassVar[str] = "party-ish"

    drain_seconds: Duration = Field(1, description=DRAIN_DESCRIPTION)


class MigrateSettings(DatabaseSettings):
    """The command that brings a database to the newest schema."""

    process: ClassVar[str] = "migrate"


PROCESSES: tuple[type[Settings], ...] = (
    PartySettings,
    PartyIshSettings,
    MrSettings,
    DachaSettings,
    EdgeSettings,
    EdgeRestSettings,
)


def every_name() -> frozenset[str]:
    """Answer every environment variable that some process reads."""
    return frozenset(variable(field) for process in PROCESSES for field in process.model_fields)
