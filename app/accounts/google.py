"""Sign-in at Google, or at another OpenID provider: the authorization-code flow with PKCE (S256), state and nonce.

What has to survive the way there and back travels in an encrypted cookie, so that any replica can finish what another
began, and only the browser that began can.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from httpx2 import AsyncClient, HTTPError
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwe import JWERegistry
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from app.accounts.keys import KeyRing
from app.core.clock import utc_now
from app.core.errors import IdentityUnavailable, Unauthorized

CALLBACK_PATH = "/api/v1/auth/google/callback"
SCOPE = "openid email"
TIMEOUT_SECONDS = 10
COOKIE_SECONDS = 600
CONFIGURATION_LIFETIME = timedelta(hours=1)
RETRY_SECONDS = 30
LEEWAY_SECONDS = 60
"""The provider's clock is not ours."""
SUBJECT_CHARACTERS, EMAIL_CHARACTERS = 255, 320
"""OpenID Connect Core 2 for the first; both are as wide as our columns."""
SIGNATURES = ["RS256", "ES256"]
PURPOSE = "google"
COOKIE_HEADER = {"alg": "dir", "enc": "A256GCM"}
_COOKIE_ALGORITHMS = JWERegistry(algorithms=list(COOKIE_HEADER.values()))

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Departure:
    """Where to send the browser, and the cookie it has to bring back."""

    url: str
    cookie: str


@dataclass(frozen=True)
class Profile:
    """Whom the provider vouches for."""

    issuer: str
    subject: str
    email: str | None
    is_email_verified: bool


@dataclass(frozen=True)
class _Configuration:
    """What the provider says of itself."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    keys: KeySet


class GoogleSignIn:
    """Talks to the provider. Its configuration and keys are fetched when needed, and kept for an hour."""

    def __init__(
        self,
        keys: KeyRing,
        *,
        client_id: str,
        client_secret: str,
        discovery_url: str,
        public_url: str,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._keys = keys
        self._client_id = client_id
        self._client_secret = client_secret
        self._discovery_url = discovery_url
        self._redirect_uri = public_url.rstrip("/") + CALLBACK_PATH
        self._now = now
        self._known: tuple[datetime, _Configuration] | None = None

    @property
    def is_secure(self) -> bool:
        """Whether the cookie may be kept to encrypted connections."""
        return self._redirect_uri.startswith("https://")

    async def depart(self) -> Departure:
        """Begin.

        Raises:
            IdentityUnavailable: the provider does not answer.
        """
        configuration = await self._configuration()
        memory = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
        async with self._client() as client:
            url, _ = client.create_authorization_url(
                configuration.authorization_endpoint,
                state=memory["state"],
                code_verifier=memory["verifier"],
                nonce=memory["nonce"],
            )
        claims = memory | {"exp": int(self._now().timestamp()) + COOKIE_SECONDS}
        key = self._keys.signing_key(PURPOSE)
        cookie = jwt.encode(COOKIE_HEADER | {"kid": key.kid}, claims, key, registry=_COOKIE_ALGORITHMS)
        return Departure(url, cookie)

    async def arrive(self, *, code: str | None, state: str | None, cookie: str | None) -> Profile:
        """Finish: exchange the code, and read who it is.

        Raises:
            Unauthorized: the provider refused, or what came back is not the answer to what this browser began.
            IdentityUnavailable: the provider does not answer.
        """
        memory = self._remembered(cookie, state)
        if not code:
            raise _refused("no_code")
        id_token = await self._exchanged(code, memory["verifier"])
        claims = await self._verified(id_token, memory["nonce"])
        email = claims.get("email")
        return Profile(
            issuer=claims["iss"],
            subject=_text(claims["sub"], SUBJECT_CHARACTERS),
            email=None if email is None else _text(email, EMAIL_CHARACTERS),
            # Nothing but true: the text "false" would be true as well.
            is_email_verified=claims.get("email_verified") is True,
        )

    def _client(self) -> AsyncOAuth2Client:
        return AsyncOAuth2Client(
            self._client_id,
            self._client_secret,
            scope=SCOPE,
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
            timeout=TIMEOUT_SECONDS,
        )

    def _remembered(self, cookie: str | None, state: str | None) -> Mapping[str, str]:
        try:
            keys = self._keys.accepted_keys(PURPOSE)
            claims = jwt.decode(cookie or "", keys, registry=_COOKIE_ALGORITHMS).claims
            JWTClaimsRegistry(now=int(self._now().timestamp()), exp={"essential": True}).validate(claims)
        except (JoseError, ValueError) as error:
            raise _refused("no_cookie") from error
        if not hmac.compare_digest(claims["state"].encode(), (state or "").encode()):
            raise _refused("wrong_state")
        return claims

    async def _exchanged(self, code: str, verifier: str) -> str:
        endpoint = (await self._configuration()).token_endpoint
        try:
            async with self._client() as client:
                answer = await client.fetch_token(
                    endpoint, grant_type="authorization_code", code=code, code_verifier=verifier
                )
        except OAuthError as error:
            raise _refused("code_refused") from error
        except (HTTPError, ValueError) as error:
            raise _unavailable(error) from error
        return str(answer.get("id_token", ""))

    async def _verified(self, id_token: str, nonce: str) -> dict[str, Any]:
        """The claims of the ID token, after OpenID Connect Core 3.1.3.7."""
        configuration = await self._configuration()
        try:
            try:
                token = jwt.decode(id_token, configuration.keys, algorithms=SIGNATURES)
            except (JoseError, ValueError):
                # Perhaps by a key that is newer than our copy.
                configuration = await self._configuration(is_fresh=True)
                token = jwt.decode(id_token, configuration.keys, algorithms=SIGNATURES)
            JWTClaimsRegistry(
                now=int(self._now().timestamp()),
                leeway=LEEWAY_SECONDS,
                iss={"essential": True, "value": configuration.issuer},
                aud={"essential": True, "value": self._client_id},
                azp={"essential": isinstance(token.claims.get("aud"), list), "value": self._client_id},
                nonce={"essential": True, "value": nonce},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
            ).validate(token.claims)
        except (JoseError, ValueError) as error:
            raise _refused("bad_id_token") from error
        return token.claims

    async def _configuration(self, *, is_fresh: bool = False) -> _Configuration:
        now = self._now()
        if self._known is None or is_fresh or now - self._known[0] >= CONFIGURATION_LIFETIME:
            try:
                self._known = now, await _fetched(self._discovery_url)
            except (HTTPError, JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise _unavailable(error) from error
        return self._known[1]


async def _fetched(discovery_url: str) -> _Configuration:
    async with AsyncClient(timeout=TIMEOUT_SECONDS) as client:
        document = (await client.get(discovery_url)).raise_for_status().json()
        keys = (await client.get(document["jwks_uri"])).raise_for_status().json()
    # OpenID Connect Discovery 4.3: the issuer is the address that its configuration was found under.
    if document["issuer"].rstrip("/") != discovery_url.partition("/.well-known/")[0].rstrip("/"):
        raise _AnotherIssuer
    return _Configuration(
        issuer=document["issuer"],
        authorization_endpoint=document["authorization_endpoint"],
        token_endpoint=document["token_endpoint"],
        keys=KeySet.import_key_set(keys),
    )


def _text(value: object, most_characters: int) -> str:
    """The claim, if it is a text that we can keep: a provider may send anything.

    Raises:
        Unauthorized: it is not.
    """
    if not isinstance(value, str) or not 0 < len(value) <= most_characters or not value.isprintable():
        raise _refused("bad_id_token")
    return value


class _AnotherIssuer(ValueError):
    """The configuration is not that of the provider that was asked."""


def _refused(reason: str) -> Unauthorized:
    logger.warning("google_sign_in_refused", reason=reason)
    return Unauthorized("The sign-in was not completed. Start again at GET /api/v1/auth/google.")


def _unavailable(error: Exception) -> IdentityUnavailable:
    logger.warning("identity_provider_failed", error=type(error).__name__)
    return IdentityUnavailable("The identity provider does not answer. Try again.", retry_after_seconds=RETRY_SECONDS)
