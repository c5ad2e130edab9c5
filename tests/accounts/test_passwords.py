"""Which passwords are accepted, and that they are kept well."""

import asyncio

import pytest
from pwdlib.hashers.argon2 import Argon2Hasher

from app.accounts.passwords import PasswordHasher, normalised_password, password_weakness
from tests.accounts.people import PASSWORD, WatchedHasher, cheap_passwords

EMAIL = "grace.hopper@example.com"


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD,
        "Zwölf Boxkämpfer",
        "пароль из восьми слов",
        "🦉🦊🐸🐢🦔🐝🐞🦋🐌🐙🦀🐡",
        "a" * 64 + "b" * 64,
        "x7#kQ9!mZ2$w",
    ],
)
def test_any_characters_make_a_password(password: str) -> None:
    assert password_weakness(password, email=EMAIL) is None


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("elevenchars", "12 to 128"),
        ("x7#kQ9!mZ2$w" * 11, "12 to 128"),
        ("nine quiet\x00 owls", "control characters"),
        ("my Grace.Hopper pass", "your address"),
        ("the GreenRoom password", "name of this service"),
        ("aaaaaaaaaaaa", "guessed first"),
        ("abcabcabcabc", "guessed first"),
        ("123456789012", "guessed first"),
        ("210987654321", "guessed first"),
        ("abcdefghijkl", "guessed first"),
        ("qwertyuiopas", "guessed first"),
        ("Password1234", "guessed first"),
        ("!Welcome2026!", "guessed first"),
        ("passwordpassword", "guessed first"),
        ("iloveyou123456", "guessed first"),
    ],
)
def test_a_weak_one_is_refused_with_the_reason(password: str, says: str) -> None:
    assert says in (password_weakness(password, email=EMAIL) or "")


def test_a_short_name_in_an_address_forbids_nothing() -> None:
    assert password_weakness("aboard the last train", email="a@example.com") is None


def test_the_same_letters_and_spaces_are_the_same_password() -> None:
    assert normalised_password("Zwo\u0308lf\u00a0Boxka\u0308mpfer") == normalised_password("Zwölf Boxkämpfer")
    assert normalised_password("\ufb01sh") == "\ufb01sh", "no compatibility mapping: RFC 8265 wants none"


async def test_a_hash_is_argon2id_with_its_authors_parameters_and_verifies_however_it_was_typed() -> None:
    hasher = PasswordHasher()
    kept = await hasher.hash("Zwo\u0308lf Boxka\u0308mpfer")

    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await hasher.verify("Zwölf Boxkämpfer", kept) == (True, None)
    assert await hasher.verify("Zwolf Boxkampfer", kept) == (False, None)


async def test_other_parameters_renew_the_hash_when_the_password_is_right() -> None:
    kept = await PasswordHasher(Argon2Hasher(time_cost=1, memory_cost=16, parallelism=1)).hash(PASSWORD)
    hasher = cheap_passwords()

    is_right, renewed = await hasher.verify(PASSWORD, kept)
    assert is_right
    assert renewed is not None
    assert "m=8," in renewed
    assert (await hasher.verify("wrong", kept)) == (False, None)


async def test_no_account_costs_the_same_work() -> None:
    watched = WatchedHasher()
    hasher = PasswordHasher(watched)
    kept = await hasher.hash(PASSWORD)

    assert await hasher.verify("wrong", kept) == (False, None)
    with_account = watched.verified
    assert await hasher.verify("nobody has this password", None) == (False, None)
    assert (with_account, watched.verified) == (1, 2)


async def test_only_so_many_hashes_take_memory_at_once() -> None:
    watched = WatchedHasher()
    hasher = PasswordHasher(watched, concurrent_hashes=2)
    watched.may_end.clear()

    verifying = [asyncio.create_task(hasher.verify(PASSWORD, None)) for _ in range(8)]
    for _ in range(2):
        assert await asyncio.to_thread(watched.begun.acquire, timeout=10)
    # Two are held up, and everybody else has asked.
    watched.may_end.set()
    await asyncio.gather(*verifying)
    assert watched.verified == 8
    assert watched.most_at_once == 2
