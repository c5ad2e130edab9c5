"""Access tokens: short-lived JSON Web Tokens that say who calls, and in which sign-in."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwt import JWTClaimsRegistry

from app.accounts.keys import KeyRing
from app.core.clock import utc_now
from app.core.errors import Unauthorized

PURPOSE = "access"
ISSUER, AUDIENCE = "greenroom", "greenroom-api"
ALGORITHM = "HS256"
HEADER_TYPE = "at+jwt"
"""RFC 9068, so that no other kind of token passes for this one."""
MAX_TOKEN_CHARACTERS = 2_000
LEEWAY_SECONDS = 5
"""The clocks of replicas differ by a little."""


@dataclass(frozen=True)
class Caller:
    """Who is calling."""

    user_id: UUID
    session_id: UUID | None = None
    """The family of refresh tokens that the sign-in began; None for the local user."""
    signed_in_at: datetime | None = None


class AccessTokens:
    """Makes and reads them."""

    def __init__(self, keys: KeyRing, *, minutes: int, now: Callable[[], datetime] = utc_now) -> None:
        self._keys = keys
        self._lifetime = timedelta(minutes=minutes)
        self._now = now

    @property
    def lifetime_seconds(self) -> int:
        """From issue to expiry."""
        return int(self._lifetime.total_seconds())

    def issue(self, user_id: UUID, *, session_id: UUID, signed_in_at: datetime) -> str:
        """A token for this sign-in, from now on."""
        now = int(self._now().timestamp())
        key = self._keys.signing_key(PURPOSE)
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "sid": str(session_id),
            "auth_time": int(signed_in_at.timestamp()),
            "iat": now,
            "exp": now + self.lifetime_seconds,
            "jti": str(uuid4()),
        }
        return jwt.encode({"alg": ALGORITHM, "kid": key.kid, "typ": HEADER_TYPE}, claims, key)

    def read(self, token: str | None) -> Caller:
        """Whose token it is. Whether that sign-in still counts, only the database knows.

        Raises:
            Unauthorized: there is none, or it is not ours, altered, too old or from the future.
        """
        try:
            claims = self._claims(token or "")
            return Caller(
                user_id=UUID(claims["sub"]),
                session_id=UUID(claims["sid"]),
                signed_in_at=datetime.fromtimestamp(claims["auth_time"], UTC),
            )
        except (JoseError, ValueError, TypeError, AttributeError, OverflowError, OSError) as error:
            raise Unauthorized("Sign in at POST /api/v1/auth/token, and send the access token as a Bearer.") from error

    def _claims(self, token: str) -> dict[str, Any]:
        if not token or len(token) > MAX_TOKEN_CHARACTERS:
            raise ValueError("no token of ours")
        decoded = jwt.decode(token, self._keys.accepted_keys(PURPOSE), algorithms=[ALGORITHM])
        if decoded.header.get("typ") != HEADER_TYPE or "kid" not in decoded.header:
            raise ValueError("another kind of token")
        needed: dict[str, Any] = {
            name: {"essential": True} for name in ("sub", "sid", "auth_time", "iat", "exp", "jti")
        }
        registry = JWTClaimsRegistry(
            now=int(self._now().timestamp()),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": AUDIENCE},
            **needed,
        )
        registry.validate(decoded.claims)
        return decoded.claims
