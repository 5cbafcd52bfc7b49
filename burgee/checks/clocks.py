"""Whether two clocks agree well enough; who is too far off is not believed on the bus."""

from typing import Final

from burgee.checks.findings import Finding, fail, ok, warn
from common.messaging.freshness import SKEW_SECONDS

NOTICED_SECONDS: Final = 2.0


def compare(whose: str, ahead: float) -> Finding:
    """``ahead``: by how much that clock is ahead of this machine's."""
    told = f"clock: {whose} is {_apart(ahead)} this machine"
    todo = "run a time service (chrony, systemd-timesyncd) on both"
    if abs(ahead) >= SKEW_SECONDS:
        return fail(told, f"{todo}: heartbeats that are {SKEW_SECONDS:.0f} s off are not believed")
    if abs(ahead) >= NOTICED_SECONDS:
        return warn(told, todo)
    return ok(told)


def _apart(ahead: float) -> str:
    if abs(ahead) < 0.001:
        return "within 1 ms of"
    amount = f"{abs(ahead) * 1000:.0f} ms" if abs(ahead) < 1 else f"{abs(ahead):.1f} s"
    return f"{amount} {'ahead of' if ahead > 0 else 'behind'}"
