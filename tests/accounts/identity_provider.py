"""A small OpenID provider on loopback: discovery, keys, an authorization page without questions, a token endpoint."""

import asyncio
import base64
import hashlib
import secrets
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

CLIENT_ID, CLIENT_SECRET = "greenroom-client", "greenroom-client-secret"


class IdentityProvider:
    """Signs in whoever comes as `person`; `lies` change the ID token."""

    def __init__(self) -> None:
        self.person: dict[str, Any] = {"sub": "g-7", "email": "Ann@Example.com", "email_verified": True}
        self.lies: dict[str, Any] = {}
        self.signs_with: RSAKey | None = None
        self.is_broken = False
        self.address = ""
        self.requests: list[str] = []
        self.verifiers: list[str] = []
        self._key = RSAKey.generate_key(2048, auto_kid=True)
        self._codes: dict[str, dict[str, str]] = {}
        self.app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discovery),
                Route("/jwks", self._jwks),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
            ]
        )

    @property
    def discovery_url(self) -> str:
        return f"{self.address}/.well-known/openid-configuration"

    def rotate(self) -> None:
        """Sign with a new key from now on."""
        self._key = RSAKey.generate_key(2048, auto_kid=True)

    async def _discovery(self, _request: Request) -> JSONResponse:
        self.requests.append("discovery")
        if self.is_broken:
            return JSONResponse({}, status_code=500)
        return JSONResponse(
            {
                "issuer": self.address,
                "authorization_endpoint": f"{self.address}/authorize",
                "token_endpoint": f"{self.address}/token",
                "jwks_uri": f"{self.address}/jwks",
            }
        )

    async def _jwks(self, _request: Request) -> JSONResponse:
        return JSONResponse({"keys": [self._key.as_dict(private=False)]})

    async def _authorize(self, request: Request) -> RedirectResponse:
        asked = dict(request.query_params)
        assert asked["client_id"] == CLIENT_ID
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert set(asked["scope"].split()) == {"openid", "email"}
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?code={code}&state={asked['state']}", status_code=302)

    async def _token(self, request: Request) -> JSONResponse:
        if self.is_broken:
            return JSONResponse({}, status_code=500)
        form = await request.form()
        credentials = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        asked = self._codes.pop(str(form["code"]), None)
        verifier = str(form["code_verifier"])
        self.verifiers.append(verifier)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        is_right = (
            asked is not None
            and request.headers.get("authorization") == f"Basic {credentials}"
            and asked["code_challenge"] == challenge
            and asked["redirect_uri"] == form["redirect_uri"]
        )
        if not is_right or asked is None:
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        now = int(time.time())
        claims = {"iss": self.address, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        key = self.signs_with or self._key
        told = {name: value for name, value in (claims | self.person | self.lies).items() if value is not None}
        id_token = jwt.encode({"alg": "RS256", "kid": self._key.kid}, told, key)
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "expires_in": 300, "id_token": id_token})


@asynccontextmanager
async def identity_provider() -> AsyncIterator[IdentityProvider]:
    provider = IdentityProvider()
    # Bound here, so that its address is known before it runs; whoever is early waits in the queue of the socket.
    listener = socket.create_server(("127.0.0.1", 0))
    provider.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(provider.app, log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield provider
    finally:
        server.should_exit = True
        await task
        listener.close()
