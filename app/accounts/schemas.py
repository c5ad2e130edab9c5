"""What the API takes and shows of accounts. No answer holds a password, a hash or the text of a wrong input."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, EmailStr, Field, SecretStr

from app.accounts.emails import LONGEST_ADDRESS, is_mailable
from app.accounts.models import User
from app.accounts.passwords import LONGEST_INPUT, MAX_CHARACTERS, MIN_CHARACTERS
from app.accounts.sessions import Tokens
from app.core.config import AuthMode
from app.core.plain_text import unstorable
from app.core.schemas import Shown


def _storable(value: SecretStr) -> SecretStr:
    if (reason := unstorable(value.get_secret_value())) is not None:
        raise ValueError(reason)
    return value


NewPassword = Annotated[
    SecretStr,
    AfterValidator(_storable),
    Field(
        max_length=LONGEST_INPUT,
        description=f"{MIN_CHARACTERS} to {MAX_CHARACTERS} characters of any kind",
        examples=["correct horse battery staple"],
    ),
]
Password = Annotated[SecretStr, AfterValidator(_storable), Field(max_length=LONGEST_INPUT)]
RefreshTokenText = Annotated[SecretStr, AfterValidator(_storable), Field(min_length=1, max_length=200)]


def _not_too_long(value: object) -> object:
    # Before anything else reads it: to normalise a long text takes long.
    if isinstance(value, str) and len(value) > LONGEST_ADDRESS:
        raise ValueError(f"must have at most {LONGEST_ADDRESS} characters")
    return value


Address = Annotated[EmailStr, BeforeValidator(_not_too_long), Field(json_schema_extra={"maxLength": LONGEST_ADDRESS})]


def _mailable(value: str) -> str:
    if not is_mailable(value):
        raise ValueError("must be plain ASCII before the @: many mail servers deliver to nobody else")
    return value


NewAddress = Annotated[Address, AfterValidator(_mailable)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class RegisterRequest(_Request):
    """A new account."""

    email: NewAddress
    password: NewPassword


class RefreshRequest(_Request):
    """The refresh token last received."""

    refresh_token: RefreshTokenText


class PasswordChange(_Request):
    """A new password. Who has none yet leaves out `current_password`, after a fresh sign-in."""

    current_password: Password | None = None
    new_password: NewPassword


class AccountDeletion(_Request):
    """The password once more. Who has none sends `{}`, after a fresh sign-in."""

    password: Password | None = None


class ResetRequest(_Request):
    """Where to send the code."""

    email: Address


class ResetConfirmation(_Request):
    """The code from the e-mail, and the new password."""

    email: Address
    code: Annotated[SecretStr, AfterValidator(_storable), Field(max_length=100, examples=["7K2M9-QXW4T"])]
    new_password: NewPassword


class TokensPublic(BaseModel):
    """Who holds these is signed in. Each refresh token works once."""

    access_token: Annotated[str, Field(description="Send it as `Authorization: Bearer …`")]
    token_type: Annotated[str, Field(examples=["bearer"])] = "bearer"  # noqa: S105 - a kind of token
    expires_in: Annotated[int, Field(description="Seconds until the access token expires")]
    refresh_token: Annotated[str, Field(description="Exchange it at `POST /auth/refresh`")]

    @classmethod
    def of(cls, tokens: Tokens) -> Self:
        """The tokens as OAuth 2 names them."""
        return cls(
            access_token=tokens.access_token,
            expires_in=tokens.expires_in_seconds,
            refresh_token=tokens.refresh_token,
        )


class UserPublic(BaseModel):
    """A user. In local mode the one there is, without an address."""

    id: UUID
    email: str | None
    is_email_verified: bool
    has_password: bool
    created_at: datetime

    @classmethod
    def of(cls, user: User) -> Self:
        """The user as the API shows them."""
        return cls(
            id=user.id,
            email=user.email,
            is_email_verified=user.email_verified_at is not None,
            has_password=user.password_hash is not None,
            created_at=user.created_at,
        )


class Me(UserPublic):
    """Who is calling."""

    auth_mode: AuthMode


class IdentityPublic(Shown):
    """Who the user is at an identity provider."""

    issuer: str
    subject: str
    created_at: datetime


class SignInPublic(BaseModel):
    """A sign-in that has not ended."""

    signed_in_at: datetime
    expires_at: Annotated[datetime, Field(description="If it is not used before")]


class AuditPublic(Shown):
    """What the audit has of the user."""

    kind: str
    client_address: str | None
    details: dict[str, object]
    created_at: datetime


class AccountExport(BaseModel):
    """Everything about the user but what they own elsewhere in the service."""

    user: UserPublic
    identities: list[IdentityPublic]
    sign_ins: list[SignInPublic]
    audit: list[AuditPublic]
