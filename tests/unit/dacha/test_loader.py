"""Parts of loading that are easier to see alone."""

from common.caching.capacity import memory_bytes
from common.caching.loader import TokenBucket, pause


def test_a_bucket_gives_a_burst_and_then_a_rate():
    now = [0.0]
    bucket = TokenBucket(2.0, 5, lambda: now[0])
    assert [bucket.take() for _ in range(6)] == [True] * 5 + [False]
    now[0] += 1.0
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    now[0] += 1_000.0
    assert [bucket.take() for _ in range(6)] == [True] * 5 + [False]


def test_pauses_grow_and_are_bounded():
    assert 0.025 <= pause(0) <= 0.05
    assert 0.2 <= pause(3) <= 0.4
    assert all(7.5 <= pause(failures) <= 15.0 for failures in (10, 100, 10_000))


def test_the_memory_of_the_container_counts_before_that_of_the_machine(tmp_path):
    machine = memory_bytes(())
    limit = tmp_path / "memory.max"
    assert memory_bytes([limit]) == machine
    limit.write_text("max\n")
    assert memory_bytes([limit]) == machine
    limit.write_text("1048576\n")
    assert memory_bytes([tmp_path / "nowhere", limit]) == 1_048_576
    limit.write_text(str(1 << 62))
    assert memory_bytes([limit]) == machine
