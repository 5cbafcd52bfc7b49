"""How the garbage collector is set up in a process that serves: seldom, and over what changes.

With its defaults a full collection walks everything again and again while thousands of connections are
being accepted, and holds up all of them, for a second at 10,000 streams.
"""

import gc
from typing import Final

# What cycles there are is short-lived (tasks, requests): nothing is gained by looking every 700 objects.
# Full collections still come: the collector itself asks for a quarter of new objects before one.
THRESHOLDS: Final = (50_000, 20, 10)


def spare_the_collector() -> None:
    """Set up the collector of this process; call it once, when everything was imported and started."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
