"""The documentation's pictures of the interface, taken from what the browser tests saw.

`python -m tests.support.pictures` copies the newest of build/screenshots to docs/images, after
`pytest tests/e2e/ui` has made them. Knows names of files alone.
"""

import shutil
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SEEN: Final = ROOT / "build" / "screenshots"
SHOWN: Final = ROOT / "docs" / "images"
# Everybody who clones has them.
MOST_BYTES: Final = 150_000

PICTURES: Final = {
    "account-permissions": "app-settings-accounts-light",
    "application-strategies": "application-strategies-light",
    "applications": "applications-light",
    "audit": "audit-search",
    "command-palette": "palette",
    "conflict": "conflict-light",
    "dashboard": "feature-dashboard-light",
    "editor": "strategies-light",
    "feature-groups": "feature-group-light",
    "group-permissions": "group-permissions-light",
    "groups": "groups-light",
    "history": "history-light",
    "invitation": "invitation-light",
    "keys": "api-keys-light",
    "login": "login-light",
    "people": "users-light",
    "production-review": "review-light",
    "service-accounts": "service-accounts-light",
    "setup": "setup-light",
    "sign-in-providers": "sign-in-providers-light",
    "snippet": "snippet-light",
    "system-configuration": "system-config-light",
    "usage": "usage-charts",
    "webhooks": "webhook-light",
    "why": "why",
}


def main() -> int:
    """Copy them all, or none: answer 1 and say which are missing or too big."""
    faults = [fault for seen in PICTURES.values() if (fault := _fault(SEEN / f"{seen}.png"))]
    if faults:
        sys.stderr.write("\n".join(faults) + "\n")
        return 1
    SHOWN.mkdir(parents=True, exist_ok=True)
    for name, seen in PICTURES.items():
        shutil.copyfile(SEEN / f"{seen}.png", SHOWN / f"{name}.png")
    return 0


def _fault(picture: Path) -> str | None:
    if not picture.exists():
        return f"{picture.name} is not there: run pytest tests/e2e/ui first."
    if (size := picture.stat().st_size) > MOST_BYTES:
        return f"{picture.name} has {size} bytes; {MOST_BYTES} may be."
    return None


if __name__ == "__main__":
    sys.exit(main())
