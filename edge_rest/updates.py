"""Updates where nobody can be found who makes them (`edge.updates.UpdateSink`)."""

from http import HTTPStatus

from common.contracts.lookups import SdkUpdate, SdkUpdateOutcome


class NoSink:
    """Refuses every update at once: trying again within the deadline would change nothing."""

    async def update(self, _update: SdkUpdate) -> SdkUpdateOutcome:
        return SdkUpdateOutcome(
            status=HTTPStatus.SERVICE_UNAVAILABLE,
            detail="This server reads a copy of the database and has no way to MR (BURGEE_MR_URL).",
        )
