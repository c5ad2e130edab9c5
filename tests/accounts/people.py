"""People who use the service, and what they say to it."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
from pwdlib.hashers.argon2 import Argon2Hasher
from typing_extensions import override

from app.accounts.passwords import PasswordHasher

SECRET_KEY = "xPr1GZsTq9vKd0eHf3mWc7LbYj5NuA2o8RiQkVhMgEw"
ANN, BEN = "ann@example.com", "ben@example.com"
PASSWORD, OTHER_PASSWORD = "nine quiet owls sing", "seven loud frogs swim"


def cheap_passwords() -> PasswordHasher:
    """argon2id with the least it takes."""
    return PasswordHasher(Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1))


class WatchedHasher(Argon2Hasher):
    """Counts what it does, and how much of it at once; nothing ends before it may."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.verified = 0
        self.at_once = self.most_at_once = 0
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Event()
        self.may_end.set()
        self._lock = threading.Lock()

    @override
    def verify(self, password: str | bytes, hash: str | bytes) -> bool:
        with self._lock:
            self.verified += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.begun.release()
        self.may_end.wait(10)
        with self._lock:
            self.at_once -= 1
        return super().verify(password, hash)


class Clock:
    """A time that only the test moves."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.time

    def forward(self, **span: float) -> None:
        self.time += timedelta(**span)


@dataclass
class Person:
    """Somebody signed in."""

    client: httpx2.AsyncClient
    id: str
    tokens: dict[str, Any]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens['access_token']}"}

    async def request(self, method: str, path: str, **request: Any) -> httpx2.Response:
        """A request with the access token."""
        return await self.client.request(method, f"/api/v1{path}", headers=self.headers, **request)


async def register(client: httpx2.AsyncClient, email: str = ANN, password: str = PASSWORD) -> httpx2.Response:
    return await client.post("/api/v1/auth/register", json={"email": email, "password": password})


async def sign_in(client: httpx2.AsyncClient, email: str = ANN, password: str = PASSWORD) -> httpx2.Response:
    return await client.post("/api/v1/auth/token", data={"username": email, "password": password})


async def refresh(client: httpx2.AsyncClient, tokens: dict[str, Any]) -> httpx2.Response:
    return await client.post("/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})


async def newcomer(client: httpx2.AsyncClient, email: str = ANN, password: str = PASSWORD) -> Person:
    """Register and sign in."""
    made = await register(client, email, password)
    assert made.status_code == 201, made.text
    tokens = await sign_in(client, email, password)
    assert tokens.status_code == 200, tokens.text
    return Person(client, made.json()["id"], tokens.json())
