"""A process that changes things until it is killed: `python -m tests.support.scribbler URL SEED`."""

import asyncio
import random
import sys

from mr.db.session import open_database
from mr.relay import open_relay
from tests.support.histories import Shop


async def scribble(url: str, seed: int) -> None:
    """Open a shop, say so on standard output, and change it at random for ever, with a relay running."""
    numbers = random.Random(seed)
    async with open_database(url) as database, open_relay(database, holder="scribbler"):
        shop = Shop(database)
        await shop.open()
        print("open", flush=True)
        while True:
            await shop.take(
                (
                    numbers.choice(Shop.STEPS),
                    numbers.randrange(31),
                    numbers.randrange(31),
                    numbers.randrange(31),
                )
            )


if __name__ == "__main__":
    asyncio.run(scribble(sys.argv[1], int(sys.argv[2])))
