"""Access tokens: ours are read, everything else is refused."""

import base64
import json
from typing import Any
from uuid import uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from app.accounts.keys import KeyRing
from app.accounts.tokens import HEADER_TYPE, PURPOSE, AccessTokens
from app.core.errors import Unauthorized
from tests.accounts.people import SECRET_KEY, Clock

OTHER_KEY = SECRET_KEY.swapcase()
KEYS = KeyRing(SECRET_KEY)
KEY = KEYS.signing_key(PURPOSE)
HEADER: dict[str, Any] = {"alg": "HS256", "typ": HEADER_TYPE, "kid": KEY.kid}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(clock: Clock) -> AccessTokens:
    return AccessTokens(KEYS, minutes=15, now=clock)


def claims(clock: Clock, **changes: Any) -> dict[str, Any]:
    now = int(clock().timestamp())
    good: dict[str, Any] = {
        "iss": "greenroom",
        "aud": "greenroom-api",
        "sub": str(uuid4()),
        "sid": str(uuid4()),
        "auth_time": now,
        "iat": now,
        "exp": now + 60,
        "jti": "1",
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def refuse(tokens: AccessTokens, token: str | None) -> None:
    with pytest.raises(Unauthorized):
        tokens.read(token)


def test_a_token_says_who_in_which_sign_in_and_since_when(tokens: AccessTokens, clock: Clock) -> None:
    user, session, since = uuid4(), uuid4(), clock().replace(microsecond=0)
    caller = tokens.read(tokens.issue(user, session_id=session, signed_in_at=since))
    assert (caller.user_id, caller.session_id, caller.signed_in_at) == (user, session, since)


def test_it_expires(tokens: AccessTokens, clock: Clock) -> None:
    token = tokens.issue(uuid4(), session_id=uuid4(), signed_in_at=clock())
    clock.forward(minutes=14)
    tokens.read(token)
    clock.forward(minutes=2)
    refuse(tokens, token)


def test_what_the_forgeries_start_from_is_good(tokens: AccessTokens, clock: Clock) -> None:
    tokens.read(jwt.encode(HEADER, claims(clock), KEY))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "elsewhere"},
        {"aud": "another-api"},
        {"aud": ["another-api"]},
        {"sub": "root"},
        {"sub": 1},
        {"sid": "1"},
        {"iat": 2**40},
        {"exp": "never"},
        {"exp": float("inf")},
        {"exp": True},
        {"auth_time": "long ago"},
        {"auth_time": 10**18},
        *({name: None} for name in ("iss", "aud", "sub", "sid", "auth_time", "iat", "exp", "jti")),
    ],
)
def test_wrong_or_missing_claims_are_refused(tokens: AccessTokens, clock: Clock, changes: dict[str, Any]) -> None:
    refuse(tokens, jwt.encode(HEADER, claims(clock, **changes), KEY))


@pytest.mark.parametrize(
    "header",
    [{"alg": "HS512"}, {"typ": "JWT"}, {"kid": "another"}, {"kid": None}, {"crit": ["x"], "x": 1}],
    ids=str,
)
def test_another_header_is_refused(tokens: AccessTokens, clock: Clock, header: dict[str, Any]) -> None:
    head = {name: value for name, value in (HEADER | header).items() if value is not None}
    signed = jwt.encode(HEADER, claims(clock), KEY).split(".")
    refuse(tokens, ".".join([encoded(head), *signed[1:]]))
    if head.get("alg") == "HS512" or "kid" not in head or head["typ"] == "JWT":
        refuse(tokens, jwt.encode(head, claims(clock), KEY, algorithms=["HS256", "HS512"]))


def test_no_signature_no_key_of_ours_no_token(tokens: AccessTokens, clock: Clock) -> None:
    good = claims(clock)
    head, body, signature = jwt.encode(HEADER, good, KEY).split(".")
    other = KeyRing(OTHER_KEY).signing_key(PURPOSE)
    forged = [
        f"{encoded(HEADER | {'alg': 'none'})}.{body}.",
        f"{encoded(HEADER | {'alg': 'none'})}.{body}.{signature}",
        f"{head}.{encoded(good | {'sub': str(uuid4())})}.{signature}",
        f"{head}.{body}.{signature[:-4]}AAAA",
        jwt.encode(HEADER, good, OctKey.import_key(SECRET_KEY)),
        jwt.encode(HEADER | {"kid": other.kid}, good, other),
        jwt.encode(HEADER, good, KEYS.signing_key("google")),
        jwt.encode({"alg": "RS256", "kid": KEY.kid, "typ": HEADER_TYPE}, good, RSAKey.generate_key(2048)),
        *(None, "", "x", "a.b.c", "ä.ö.ü", "." * 10, "x" * 100_000),
    ]
    for token in forged:
        refuse(tokens, token)


def test_a_previous_key_is_accepted_but_signs_nothing_new(clock: Clock) -> None:
    before = AccessTokens(KEYS, minutes=15, now=clock)
    rotated = AccessTokens(KeyRing(OTHER_KEY, [SECRET_KEY]), minutes=15, now=clock)
    old = before.issue(uuid4(), session_id=uuid4(), signed_in_at=clock())
    new = rotated.issue(uuid4(), session_id=uuid4(), signed_in_at=clock())

    rotated.read(old)
    rotated.read(new)
    refuse(before, new)
    refuse(AccessTokens(KeyRing(OTHER_KEY), minutes=15, now=clock), old)


def test_the_kid_tells_nothing_of_the_key() -> None:
    assert KEY.kid
    assert len(KEY.kid) == 16
    assert KEY.kid not in SECRET_KEY


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
