"""How passwords are kept: either scheme opens what the other kept, and the older one is replaced."""

import asyncio

import pytest

from alpr_console.proofs import Passwords

PASSWORD = "four wheels and a plate"


@pytest.mark.parametrize("scheme", ["argon2id", "pbkdf2_sha256"])
def test_a_password_opens_its_own_hash_and_no_other(scheme):
    async def story():
        keeper = Passwords(scheme, iterations=1000)
        hashed, again = await keeper.hash(PASSWORD), await keeper.hash(PASSWORD)
        assert hashed != again  # a salt of its own each time
        assert PASSWORD not in hashed
        assert await keeper.check(hashed, PASSWORD)
        assert not await keeper.check(hashed, PASSWORD + " ")
        assert not await keeper.check("", PASSWORD)
        assert not await keeper.check("", "nobody has this password")
        assert not keeper.outdated(hashed)

    asyncio.run(story())


def test_a_change_of_scheme_keeps_everybody_in_and_asks_for_a_new_hash():
    async def story():
        argon, fips = Passwords("argon2id"), Passwords("pbkdf2_sha256", iterations=1000)
        old, new = await argon.hash(PASSWORD), await fips.hash(PASSWORD)
        assert old.startswith("$argon2id$")
        assert new.startswith("$pbkdf2-sha256$i=1000$")
        assert await fips.check(old, PASSWORD)
        assert await argon.check(new, PASSWORD)
        assert fips.outdated(old)
        assert argon.outdated(new)
        assert Passwords("pbkdf2_sha256", iterations=2000).outdated(new)

    asyncio.run(story())


def test_a_long_password_is_not_cut_off():
    async def story():
        keeper = Passwords("pbkdf2_sha256", iterations=1000)
        assert not await keeper.check(await keeper.hash("x" * 200 + "a"), "x" * 200 + "b")

    asyncio.run(story())
