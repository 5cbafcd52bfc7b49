import asyncio

import pytest
from argon2 import PasswordHasher

from common.errors import Unavailable
from mr.auth.passwords import Passwords
from mr.auth.throttle import Throttle

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


async def test_a_password_matches_its_own_hash_alone():
    passwords = Passwords(QUICK)
    stored = await passwords.hash("right")
    assert "right" not in stored
    assert await passwords.verify("right", stored)
    assert not await passwords.verify("wrong", stored)
    assert not await passwords.verify("right", None)
    assert not await passwords.verify("right", "not a hash")


async def test_hashes_of_other_parameters_are_outdated():
    stored = await Passwords(QUICK).hash("right")
    assert Passwords().outdated(stored)
    assert not Passwords(QUICK).outdated(stored)


async def test_more_sign_ins_than_can_wait_are_refused():
    passwords = Passwords(QUICK)
    answers = await asyncio.gather(*(passwords.hash("x") for _ in range(200)), return_exceptions=True)
    refused = [each for each in answers if isinstance(each, Unavailable)]
    assert 0 < len(refused) < 200
    assert await passwords.hash("x")


def test_a_name_is_locked_after_some_failures_and_longer_each_time():
    now = [0.0]
    throttle = Throttle(clock=lambda: now[0])
    for _ in range(4):
        throttle.failed("ada")
    assert not throttle.locked("ada")
    throttle.failed("ada")
    assert throttle.locked("ada")
    now[0] += 16
    assert not throttle.locked("ada")
    throttle.failed("ada")
    now[0] += 16
    assert throttle.locked("ada")
    assert not throttle.locked("bob")
    throttle.succeeded("ada")
    assert not throttle.locked("ada")


def test_failures_are_forgotten_after_an_hour_and_memory_is_bounded():
    now = [0.0]
    throttle = Throttle(clock=lambda: now[0], capacity=100)
    for number in range(1000):
        throttle.failed(str(number))
    assert len(throttle._records) == 100
    for _ in range(5):
        throttle.failed("ada")
    now[0] += 4000
    throttle.failed("ada")
    assert not throttle.locked("ada")


@pytest.mark.parametrize("word", ["", "x" * 100])
async def test_odd_passwords_are_just_passwords(word):
    passwords = Passwords(QUICK)
    assert await passwords.verify(word, await passwords.hash(word))
