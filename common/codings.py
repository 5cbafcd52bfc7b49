"""Which content codings a client takes, from what it says of itself. Must not know bodies."""


def takes_gzip(accept_encoding: bytes) -> bool:
    """Return whether gzip is accepted, and not less than the body as it is."""
    if b"gzip" not in accept_encoding.lower() and b"*" not in accept_encoding:
        return False
    wishes: dict[str, float] = {}
    for part in accept_encoding.decode("latin-1").lower().split(","):
        name, _, parameters = part.partition(";")
        wishes[name.strip()] = _quality(parameters)
    gzipped = wishes.get("gzip", wishes.get("x-gzip", wishes.get("*", 0.0)))
    return gzipped > 0 and gzipped >= wishes.get("identity", 0.0)


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if not name:
        return 1.0
    try:
        quality = float(value) if name.strip() == "q" else 0.0
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0
