"""Sign-in with Google: the real client against a provider on loopback."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc.jwk import RSAKey

from tests.accounts.conftest import ServeAccounts
from tests.accounts.identity_provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider, identity_provider
from tests.accounts.people import ANN, BEN, PASSWORD, Person, newcomer, register, sign_in
from tests.chat.client import problem_of

PUBLIC_URL = "http://greenroom.example"
GOOGLE = "/api/v1/auth/google"


@pytest.fixture
async def provider() -> AsyncIterator[IdentityProvider]:
    async with identity_provider() as running:
        yield running


def with_google(provider: IdentityProvider, **values: Any) -> dict[str, Any]:
    return {
        "google_client_id": CLIENT_ID,
        "google_client_secret": CLIENT_SECRET,
        "google_discovery_url": provider.discovery_url,
        "public_url": PUBLIC_URL,
        **values,
    }


async def to_the_door(client: httpx2.AsyncClient) -> tuple[str, str]:
    """Begin, sign in at the provider, and come back as far as our callback: its path with query, and the cookie."""
    client.cookies.clear()
    departure = await client.get(GOOGLE)
    assert departure.status_code == 302, departure.text
    cookie = departure.headers["set-cookie"]
    async with httpx2.AsyncClient() as browser:
        back = (await browser.get(departure.headers["location"])).headers["location"]
    assert back.startswith(f"{PUBLIC_URL}{GOOGLE}/callback?")
    client.cookies.clear()
    return back.removeprefix(PUBLIC_URL), cookie.split(";")[0]


async def through(client: httpx2.AsyncClient) -> httpx2.Response:
    path, cookie = await to_the_door(client)
    return await client.get(path, headers={"Cookie": cookie})


async def me(client: httpx2.AsyncClient, answer: httpx2.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = (await Person(client, "", answer.json()).request("GET", "/me")).json()
    return found


async def test_somebody_new_gets_an_account_and_finds_it_again(
    serve_accounts: ServeAccounts, provider: IdentityProvider, database_url: str
) -> None:
    async with serve_accounts(**with_google(provider, database_url=database_url)) as client:
        departure = await client.get(GOOGLE)
        first = await through(client)
        ann = await me(client, first)
        # The address may change; the subject does not.
        provider.person |= {"email": "new@example.com", "email_verified": False}
        again = await me(client, await through(client))

    cookie = departure.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "samesite=lax", f"path={GOOGLE}", "max-age=600"))
    asked = parse_qs(urlsplit(departure.headers["location"]).query)
    assert {"state", "nonce", "code_challenge"} <= set(asked)
    assert first.headers["cache-control"] == "no-store"
    assert (ann["email"], ann["is_email_verified"], ann["has_password"]) == (ANN, True, False)
    assert again["id"] == ann["id"]
    assert provider.requests.count("discovery") == 1, "fetched once, and kept"
    assert not [verifier for verifier in provider.verifiers if verifier in cookie]


async def test_over_https_the_cookie_stays_there(serve_accounts: ServeAccounts, provider: IdentityProvider) -> None:
    async with serve_accounts(**with_google(provider, public_url="https://greenroom.example/")) as client:
        departure = await client.get(GOOGLE)
    assert "secure" in departure.headers["set-cookie"].lower()
    asked = parse_qs(urlsplit(departure.headers["location"]).query)
    assert asked["redirect_uri"] == [f"https://greenroom.example{GOOGLE}/callback"]


async def test_an_account_nobody_has_proved_is_taken_from_whoever_registered_it(
    serve_accounts: ServeAccounts, provider: IdentityProvider, database_url: str
) -> None:
    """Somebody registers the victim's address and waits; the victim arrives through Google, and is alone."""
    async with serve_accounts(**with_google(provider, database_url=database_url)) as client:
        squatter = await newcomer(client)
        victim = await me(client, await through(client))
        squatters = [await squatter.request("GET", "/me"), await sign_in(client, ANN, PASSWORD)]
    assert victim["id"] == squatter.id
    assert victim["has_password"] is False
    assert [answer.status_code for answer in squatters] == [401, 401]


@pytest.mark.parametrize("verified", [False, None, "true", "false", 1])
async def test_an_address_nobody_vouches_for_links_nothing(
    serve_accounts: ServeAccounts, provider: IdentityProvider, verified: object
) -> None:
    provider.person |= {"email_verified": verified}
    async with serve_accounts(**with_google(provider)) as client:
        await register(client)
        problem_of(await through(client), status=403, code="email_unverified")
        assert (await sign_in(client)).status_code == 200


async def test_closed_registration_is_closed_here_too(
    serve_accounts: ServeAccounts, provider: IdentityProvider
) -> None:
    async with serve_accounts(**with_google(provider, registration="closed")) as client:
        problem_of(await through(client), status=403, code="registration_closed")


async def test_only_the_browser_that_began_can_finish_and_once(
    serve_accounts: ServeAccounts, provider: IdentityProvider
) -> None:
    async with serve_accounts(**with_google(provider)) as client:
        path, cookie = await to_the_door(client)
        other_path, other_cookie = await to_the_door(client)
        refused = [
            await client.get(path),
            await client.get(path, headers={"Cookie": other_cookie}),
            await client.get(path, headers={"Cookie": f"{cookie[:-8]}AAAAAAAA"}),
            await client.get(f"{path}x", headers={"Cookie": cookie}),
            await client.get(path.replace("state=", "other="), headers={"Cookie": cookie}),
            await client.get(
                f"{GOOGLE}/callback?error=access_denied&state={path.split('state=')[1]}", headers={"Cookie": cookie}
            ),
        ]
        client.cookies.clear()
        good = await client.get(path, headers={"Cookie": cookie})
        client.cookies.clear()
        replayed = await client.get(path, headers={"Cookie": cookie})
        # A code that was begun elsewhere: the verifier does not fit.
        code = other_path.split("code=")[1].split("&")[0]
        swapped = await client.get(
            f"{GOOGLE}/callback?code={code}&state={path.split('state=')[1]}", headers={"Cookie": cookie}
        )
    for answer in (*refused, replayed, swapped):
        problem_of(answer, status=401, code="unauthorized")
    assert good.status_code == 200
    assert 'greenroom_google=""' in good.headers["set-cookie"]


@pytest.mark.parametrize(
    "lies",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another-client"},
        {"aud": [CLIENT_ID, "another-client"]},
        {"azp": "another-client"},
        {"iss": "https://elsewhere.example"},
        {"exp": 1},
        {"iat": 2**40},
        {"sub": None},
        {"sub": 7},
        {"sub": ["g-7"]},
        {"sub": ""},
        {"sub": "g" * 256},
        {"sub": "g\x007"},
        {"email": 7},
        {"email": ["ann@example.com"]},
        {"email": "a" * 310 + "@example.com"},
    ],
    ids=lambda lies: str(lies)[:40],
)
async def test_an_id_token_that_is_not_for_this_sign_in_is_refused(
    serve_accounts: ServeAccounts, provider: IdentityProvider, lies: dict[str, Any]
) -> None:
    provider.lies = lies
    async with serve_accounts(**with_google(provider)) as client:
        problem_of(await through(client), status=401, code="unauthorized")


async def test_only_the_providers_keys_sign_and_new_ones_are_fetched(
    serve_accounts: ServeAccounts, provider: IdentityProvider
) -> None:
    async with serve_accounts(**with_google(provider)) as client:
        await me(client, await through(client))
        provider.rotate()
        await me(client, await through(client))
        provider.signs_with = RSAKey.generate_key(2048)
        problem_of(await through(client), status=401, code="unauthorized")


async def test_a_provider_that_is_down_is_said_so(serve_accounts: ServeAccounts, provider: IdentityProvider) -> None:
    async with serve_accounts(**with_google(provider)) as client:
        provider.is_broken = True
        first = await client.get(GOOGLE)
        provider.is_broken = False
        path, cookie = await to_the_door(client)
        provider.is_broken = True
        second = await client.get(path, headers={"Cookie": cookie})
    async with serve_accounts(**with_google(provider, google_discovery_url="http://127.0.0.1:1/x")) as client:
        third = await client.get(GOOGLE)
    elsewhere = provider.discovery_url.replace("127.0.0.1", "localhost")
    provider.is_broken = False
    async with serve_accounts(**with_google(provider, google_discovery_url=elsewhere)) as client:
        impostor = await client.get(GOOGLE)
    for answer in (first, second, third, impostor):
        assert problem_of(answer, status=503, code="identity_unavailable")["retry_after_seconds"] == 30


async def test_another_person_is_another_account(serve_accounts: ServeAccounts, provider: IdentityProvider) -> None:
    async with serve_accounts(**with_google(provider)) as client:
        ann = await me(client, await through(client))
        provider.person = {"sub": "g-8", "email": BEN, "email_verified": True}
        ben = await me(client, await through(client))
        deleted = await Person(client, "", (await through(client)).json()).request("DELETE", "/me", json={})
    assert ann["id"] != ben["id"]
    assert deleted.status_code == 204
