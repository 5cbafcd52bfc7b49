import pytest

from tests.support.sources import MemorySource, account, environment, feature


@pytest.fixture
def source() -> MemorySource:
    """One environment with two features, and an account that reads it."""
    made = MemorySource()
    made.put(
        environment(feature("CART", False, version=7), feature("ITEMS", 5, feature_type="NUMBER")), account()
    )
    return made
