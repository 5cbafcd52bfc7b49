"""Every setting of Edge-REST."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from common.settings import (
    Contradiction,
    DatabaseAddress,
    InternalCallerSettings,
    Port,
    ServingSettings,
    WritingSettings,
)
from edge.settings import PollSettings


class EdgeRestSettings(ServingSettings, WritingSettings, InternalCallerSettings, PollSettings):
    """Edge-REST: polls and PUTs straight on the database."""

    process: ClassVar[str] = "edge-rest"

    port: Port = Field(8553, description="The main port. 0 takes a free one and logs it.")
    database_replica_url: DatabaseAddress | None = Field(
        None,
        description="A PostgreSQL read replica of the database, from which polls are answered; updates, what"
        " was just updated here, and whatever the replica does not know are asked of the database itself.",
    )
    database_read_only: bool = Field(
        False,
        description="The database is a read replica itself: nothing in it is changed, and updates go to MR"
        " (BURGEE_MR_URL) or are answered 503.",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        if self.database_read_only and self.database_replica_url is not None:
            yield Contradiction(
                ("database_read_only", "database_replica_url"),
                "cannot be used together with BURGEE_DATABASE_REPLICA_URL",
            )
        for name in ("database_replica_url", *(["database_url"] if self.database_read_only else [])):
            address = self.database_url if name == "database_url" else self.database_replica_url
            given = "" if address is None else address.get_secret_value()
            if (given and not given.startswith("postgresql:")) or (not given and name == "database_url"):
                yield Contradiction((name,), "should name a PostgreSQL read replica")
