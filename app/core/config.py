"""Settings: the environment or `.env`, read once and passed on. The README's table is checked against this file."""

import json
import os
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator, validate_email
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.core.hosts import host_pattern, is_loopback, origin
from app.core.mail_server import MailServer
from app.core.secret_keys import MAKE_SECRET, secret_weakness

REPOSITORY_ROOT = Path(__file__).resolve().parents[2]
MOST_DAYS = 36_500
"""That anything is kept for."""


class LogFormat(StrEnum):
    """How log lines are written."""

    JSON = "json"
    CONSOLE = "console"


class AuthMode(StrEnum):
    """Who may use the service."""

    LOCAL = "local"
    ACCOUNTS = "accounts"


class Role(StrEnum):
    """What a process does."""

    ALL = "all"
    API = "api"
    WORKER = "worker"


PRICE_EXAMPLE = '{"my-model": {"input_usd_per_million": "0.5", "output_usd_per_million": "1.5"}}'

Price = Annotated[Decimal, Field(ge=0, allow_inf_nan=False, max_digits=18)]


class PriceSetting(BaseModel):
    """What an operator says a model costs, in dollars per million tokens; cached input costs as input if left out."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    input_usd_per_million: Price
    cached_input_usd_per_million: Price | None = None
    output_usd_per_million: Price


class Registration(StrEnum):
    """Who may make an account."""

    OPEN = "open"
    CLOSED = "closed"


class Settings(BaseSettings):
    """Everything an operator can set. Invalid values stop the start-up and name the variable."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        # The message of a wrong setting would quote the others, and with them the keys.
        hide_input_in_errors=True,
    )

    app_host: str = Field("127.0.0.1", description="Address the server binds")
    app_port: int = Field(8000, ge=0, le=65535, description="Port the server binds")
    auth_mode: AuthMode = Field(
        AuthMode.LOCAL,
        description="`local`: one person, no sign-in, this machine only; `accounts`: everybody signs in",
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="With `accounts`: comma-separated host names to answer to, such as `*.example.com`; empty is any",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Comma-separated origins, such as `https://app.example.com`, whose pages may use the API; "
        "empty is none but its own",
    )
    database_url: str = Field(
        "sqlite:///greenroom.db",
        description="`sqlite:///file.db` or `postgresql://user:password@host/name`",
        repr=False,
    )
    role: Role = Field(
        Role.ALL, description="`all`; on PostgreSQL also `api`, which runs no turns, or `worker`, which answers nobody"
    )
    turn_lease_seconds: float = Field(
        8, ge=1, le=600, description="Silence of a server after which another takes over its turns, within a second"
    )
    drain_seconds: float = Field(
        5,
        ge=0,
        le=600,
        description="How long a server that is told to stop lets its turns run before it hands them over",
    )
    turn_log_compact_after_hours: float = Field(
        24,
        ge=0,
        le=876_000,
        description="Hours after which a completed turn's log loses the pieces of its answer, which its last line "
        "holds whole",
    )
    conversation_retention_days: int | None = Field(
        None, ge=1, le=MOST_DAYS, description="Days without use after which a conversation is deleted; empty is never"
    )
    plugins_dir: Path = Field(REPOSITORY_ROOT / "plugins", description="Folder that holds one folder per agent")

    secret_key: SecretStr | None = Field(
        None, description="Signs access tokens; at least 32 random characters, needed with `accounts`"
    )
    previous_secret_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="Comma-separated earlier `SECRET_KEY`s whose tokens are still accepted"
    )
    access_token_minutes: int = Field(15, ge=1, le=60, description="How long an access token is good for")
    refresh_token_days: int = Field(30, ge=1, le=365, description="Days without use after which a sign-in ends")
    registration: Registration = Field(Registration.OPEN, description="`open`: anybody may register; `closed`: nobody")
    google_client_id: str | None = Field(None, description="Turns on sign-in with Google")
    google_client_secret: SecretStr | None = Field(None, description="The secret that belongs to `GOOGLE_CLIENT_ID`")
    google_discovery_url: str = Field(
        "https://accounts.google.com/.well-known/openid-configuration",
        description="OpenID configuration of the identity provider",
    )
    public_url: str | None = Field(None, description="Address people reach the service at; Google redirects to it")
    smtp_url: SecretStr | None = Field(
        None, description="`smtp://user:password@host:587` or `smtps://…`: sends codes for forgotten passwords"
    )
    mail_from: str | None = Field(None, description="Sender of those e-mails")

    openai_api_key: SecretStr | None = Field(None, description="Key for OpenAI or the server behind `OPENAI_BASE_URL`")
    # Addresses may hold a password before their host.
    openai_base_url: str | None = Field(
        None, description="Any OpenAI-compatible server, such as Ollama or vLLM", repr=False
    )
    azure_openai_endpoint: str | None = Field(None, description="Azure OpenAI resource address", repr=False)
    azure_openai_api_key: SecretStr | None = Field(None, description="Azure OpenAI key")
    azure_openai_deployment: str | None = Field(None, description="Azure OpenAI deployment name")
    azure_openai_api_version: str = Field("2024-10-21", description="Azure OpenAI API version")
    default_model: str | None = Field(
        None,
        description="Model of a turn that names none (`gpt-5-mini`); behind Azure, the model the deployment serves",
    )
    allowed_models: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Comma-separated models a request may name; empty allows the default model only"
    )
    fallback_models: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Comma-separated models, each also in `ALLOWED_MODELS`, that answer in this order where the model "
        "asked for is unavailable",
    )
    provider_max_retries: int = Field(
        2, ge=0, le=5, description="Retries of a model call of whose answer nothing has been passed on"
    )
    provider_retry_seconds: float = Field(
        0.5,
        ge=0,
        le=60,
        description="Wait before the first retry; doubles with each, and never less than `Retry-After`",
    )
    circuit_failures: int = Field(
        5, ge=1, le=1000, description="Failures of a model in a row after which it is left alone"
    )
    circuit_rest_seconds: float = Field(
        30, ge=0, le=3600, description="How long it is left alone before one call finds out whether it is back"
    )

    turn_timeout_seconds: float = Field(30, gt=0, le=600, description="Silence of the model that ends a turn")
    turn_deadline_seconds: float = Field(180, gt=0, le=3600, description="Total time a turn may take")
    max_handoffs_per_turn: int = Field(3, ge=0, le=10, description="Handoffs between agents in one turn")
    max_model_calls_per_turn: int = Field(8, ge=1, le=50, description="Model calls in one turn, retries not counted")
    max_restarts_per_turn: int = Field(
        1, ge=0, le=5, description="Times a turn starts over, visibly, after an answer that broke off in the middle"
    )
    context_tokens: int = Field(
        24_000,
        ge=10_000,
        description="Input tokens a model call keeps within; half of the model's window if that is less",
    )
    rate_limit_calls_per_hour: int = Field(
        100, ge=1, description="Model calls of one user per hour; not for the offline engine"
    )
    budget_usd_per_turn: Decimal | None = Field(
        None, ge=0, max_digits=18, description="Model spending of one turn or comparison; empty is unlimited"
    )
    budget_usd_per_conversation: Decimal | None = Field(
        None, ge=0, max_digits=18, description="Model spending of one conversation; empty is unlimited"
    )
    budget_usd_per_user_day: Decimal | None = Field(
        None, ge=0, max_digits=18, description="Model spending of one user per UTC day; empty is unlimited"
    )
    budget_usd_per_day: Decimal | None = Field(
        None, ge=0, max_digits=18, description="Model spending of the whole service per UTC day; empty is unlimited"
    )
    price_overrides: Annotated[Mapping[str, PriceSetting], NoDecode] = Field(
        default_factory=dict, description="Prices by model name, as JSON, that win over the price table's; see below"
    )
    max_body_bytes: int = Field(524_288, ge=1024, description="Largest request body")

    metrics_token: SecretStr | None = Field(
        None, description="Bearer token for `/metrics`, which with `accounts` is there only with one"
    )
    log_level: str = Field("INFO", description="`DEBUG`, `INFO`, `WARNING` or `ERROR`")
    log_format: LogFormat = Field(LogFormat.CONSOLE, description="`console` or `json`")
    debug: bool = Field(default=False, description="Log at `DEBUG`, and the text of errors, which may quote people")
    debug_mode: bool = Field(default=False, description="Start under debugpy, so that VS Code can attach")
    debug_wait: bool = Field(default=False, description="With `DEBUG_MODE`: wait for the debugger before serving")
    debug_host: str = Field("127.0.0.1", description="Address debugpy listens on")
    debug_port: int = Field(5678, ge=1, le=65535, description="Port debugpy listens on")

    @field_validator("allowed_models", "fallback_models", "allowed_hosts", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _known_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(host_pattern(name) for name in value)

    @field_validator("cors_origins")
    @classmethod
    def _exact_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any("*" in name for name in value):
            raise ValueError("name each origin: with * any web page that somebody opens could use the service for them")
        return tuple(origin(name) for name in value)

    @field_validator("price_overrides", mode="before")
    @classmethod
    def _read_prices(cls, value: object) -> object:
        if isinstance(value, str):
            try:
                return json.loads(value)
            except ValueError:
                raise ValueError(f"write JSON such as {PRICE_EXAMPLE}") from None
        return value

    @field_validator("previous_secret_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        return tuple(key.strip() for key in value.split(",") if key.strip()) if isinstance(value, str) else value

    @field_validator("secret_key", "previous_secret_keys", "metrics_token")
    @classmethod
    def _strong_keys(cls, value: SecretStr | tuple[SecretStr, ...] | None) -> SecretStr | tuple[SecretStr, ...] | None:
        keys = (value,) if isinstance(value, SecretStr) else value or ()
        for key in keys:
            if (weakness := secret_weakness(key.get_secret_value())) is not None:
                raise ValueError(f"this key {weakness}; make one with: {MAKE_SECRET}")
        return value

    @field_validator("public_url")
    @classmethod
    def _no_query(cls, value: str | None) -> str | None:
        if value is not None and set("?#") & set(value):
            raise ValueError("leave out what follows ? or #: other addresses are made by adding to this one")
        return value

    @field_validator("mail_from")
    @classmethod
    def _sender(cls, value: str | None) -> str | None:
        if value is not None:
            validate_email(value)
        return value

    @field_validator("smtp_url")
    @classmethod
    def _mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                MailServer.of(value.get_secret_value())
            except ValueError:
                # The URL holds a password: the message must not repeat it.
                raise ValueError("use smtp://user:password@host:port or smtps://…") from None
        return value

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        level = value.upper()
        if level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError("use DEBUG, INFO, WARNING or ERROR")
        return level

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        try:
            async_database_url(value)
        except (ValueError, ArgumentError):
            # The URL holds a password: the message must not repeat it.
            raise ValueError("use sqlite:///file.db or postgresql://user:password@host/name") from None
        return value

    @field_validator("openai_base_url", "azure_openai_endpoint", "public_url", "google_discovery_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is not None:
            parts = urlsplit(value)
            is_whole = parts.scheme.lower() in {"http", "https"} and parts.hostname
            if not is_whole or not value.isprintable() or " " in value:
                raise ValueError("write a whole address that begins with https:// or http://")
        return value

    @model_validator(mode="after")
    def _local_stays_local(self) -> Self:
        if self.auth_mode is AuthMode.LOCAL and not is_loopback(self.app_host):
            raise ValueError(
                f"APP_HOST is {self.app_host}, but without sign-in the service is for this machine only: "
                "bind 127.0.0.1 or set AUTH_MODE=accounts"
            )
        return self

    @model_validator(mode="after")
    def _one_process_is_all(self) -> Self:
        if self.role is not Role.ALL and self.async_database_url.get_backend_name() == "sqlite":
            raise ValueError(f"ROLE={self.role} needs PostgreSQL: SQLite is for one process, which does everything")
        return self

    @model_validator(mode="after")
    def _complete_provider(self) -> Self:
        if self.azure_openai_endpoint or self.azure_openai_deployment:
            needed = ("azure_openai_endpoint", "azure_openai_api_key", "azure_openai_deployment")
            missing = [name.upper() for name in needed if not getattr(self, name)]
            if missing:
                raise ValueError(f"Azure OpenAI also needs {', '.join(missing)}")
        return self

    @model_validator(mode="after")
    def _allowed_fallbacks(self) -> Self:
        unknown = [name for name in self.fallback_models if name not in {self.default_model, *self.allowed_models}]
        if unknown:
            raise ValueError(f"FALLBACK_MODELS names {', '.join(unknown)}, which ALLOWED_MODELS does not")
        return self

    @model_validator(mode="after")
    def _complete_accounts(self) -> Self:
        if self.auth_mode is AuthMode.ACCOUNTS and self.secret_key is None:
            raise ValueError(f"AUTH_MODE=accounts also needs SECRET_KEY; make one with: {MAKE_SECRET}")
        needed = {
            "google_client_id": ("google_client_secret", "public_url"),
            "smtp_url": ("mail_from",),
        }
        for name, others in needed.items():
            missing = [other.upper() for other in others if not getattr(self, other)]
            if getattr(self, name) and missing:
                raise ValueError(f"{name.upper()} also needs {', '.join(missing)}")
        return self

    @property
    def async_database_url(self) -> URL:
        """`DATABASE_URL` with the async driver the service uses."""
        return async_database_url(self.database_url)


def async_database_url(database_url: str) -> URL:
    """Return the URL with aiosqlite or asyncpg as its driver, and `sslmode` under asyncpg's name for it.

    Raises:
        ValueError: for another database than SQLite or PostgreSQL, or one that is only in memory.
        ArgumentError: for what is no URL.
    """
    url = make_url(database_url)
    backend = url.get_backend_name()
    if backend == "sqlite":
        if not url.database or ":memory:" in url.database or url.query.get("mode") == "memory":
            raise ValueError("name a file: migrations and requests use connections of their own")
        return url.set(drivername="sqlite+aiosqlite")
    if backend in {"postgresql", "postgres"}:
        query = dict(url.query)
        if "sslmode" in query:
            query["ssl"] = query.pop("sslmode")
        return url.set(drivername="postgresql+asyncpg", query=query)
    raise ValueError(f"{backend} is not supported")


def take_standard_variables(env_file: Path) -> None:
    """Let lines of `.env` that begin with `OTEL_` count as the environment's, where OpenTelemetry looks for them."""
    for name, value in dotenv_values(env_file).items():
        if name.startswith("OTEL_") and value:
            os.environ.setdefault(name, value)
