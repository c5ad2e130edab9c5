"""The keys: `SECRET_KEY` signs, the previous ones still verify. Each use has a key of its own, derived from it."""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Self

from joserfc.jwk import KeySet, OctKey

from app.core.config import Settings

ID_CHARACTERS = 16


class KeyRing:
    """What is derived from the secret keys."""

    def __init__(self, secret_key: str, previous: Sequence[str] = ()) -> None:
        self._current = secret_key.encode()
        self._all = [self._current, *(key.encode() for key in previous)]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The ring of these settings, which must have a `SECRET_KEY`."""
        if settings.secret_key is None:
            raise ValueError("AUTH_MODE=accounts needs SECRET_KEY")
        previous = [key.get_secret_value() for key in settings.previous_secret_keys]
        return cls(settings.secret_key.get_secret_value(), previous)

    def keyed_hash(self, purpose: str, *parts: str) -> str:
        """A hash that nobody can look up without the key; 64 hexadecimal digits."""
        # A length before each part: ("a", "bc") must not be ("ab", "c").
        message = "".join(f"{len(part)}:{part}" for part in parts)
        return hmac.new(_derived(self._current, purpose), message.encode(), hashlib.sha256).hexdigest()

    def signing_key(self, purpose: str) -> OctKey:
        """The key that signs, or encrypts, for this purpose; its `kid` names it."""
        return _key(self._current, purpose)

    def accepted_keys(self, purpose: str) -> KeySet:
        """That key and those of the previous secrets, to choose from by `kid`."""
        return KeySet([_key(secret, purpose) for secret in self._all])


def _key(secret: bytes, purpose: str) -> OctKey:
    derived = _derived(secret, purpose)
    return OctKey.import_key(derived, {"kid": hashlib.sha256(b"kid:" + derived).hexdigest()[:ID_CHARACTERS]})


def _derived(secret: bytes, purpose: str) -> bytes:
    return hmac.new(secret, f"greenroom:{purpose}".encode(), hashlib.sha256).digest()
