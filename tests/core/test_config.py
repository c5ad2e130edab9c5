"""Settings: every variable is read, a wrong one is named, and no secret is ever shown."""

import secrets
import traceback
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from app.core.config import AuthMode, LogFormat, PriceSetting, Registration, Role, Settings, async_database_url

SECRET = "hunter2"
GOOD_KEY = "xPr1GZsTq9vKd0eHf3mWc7LbYj5NuA2o8RiQkVhMgEw"
OLD_KEY, OLDER_KEY = GOOD_KEY[::-1], GOOD_KEY.swapcase()

# What stands in the environment for every field, and what it means.
ENVIRONMENT: dict[str, tuple[str, Any]] = {
    "APP_HOST": ("0.0.0.0", "0.0.0.0"),  # noqa: S104 - only parsed
    "APP_PORT": ("8080", 8080),
    "AUTH_MODE": ("accounts", AuthMode.ACCOUNTS),
    "ALLOWED_HOSTS": ("Example.com, *.example.com,::1", ("example.com", "*.example.com", "::1")),
    "CORS_ORIGINS": ("https://App.example.com:443,http://[::1]:5173", ("https://app.example.com", "http://[::1]:5173")),
    "DATABASE_URL": ("postgresql://me@host/name", "postgresql://me@host/name"),
    "ROLE": ("api", Role.API),
    "TURN_LEASE_SECONDS": ("20", 20.0),
    "TURN_LOG_COMPACT_AFTER_HOURS": ("0.5", 0.5),
    "CONVERSATION_RETENTION_DAYS": ("365", 365),
    "DRAIN_SECONDS": ("0", 0.0),
    "PLUGINS_DIR": ("elsewhere/plugins", Path("elsewhere/plugins")),
    "SECRET_KEY": (GOOD_KEY, SecretStr(GOOD_KEY)),
    "PREVIOUS_SECRET_KEYS": (f" {OLD_KEY},, {OLDER_KEY}", (SecretStr(OLD_KEY), SecretStr(OLDER_KEY))),
    "ACCESS_TOKEN_MINUTES": ("5", 5),
    "REFRESH_TOKEN_DAYS": ("7", 7),
    "REGISTRATION": ("closed", Registration.CLOSED),
    "GOOGLE_CLIENT_ID": ("id", "id"),
    "GOOGLE_CLIENT_SECRET": ("s", SecretStr("s")),
    "GOOGLE_DISCOVERY_URL": ("http://127.0.0.1:1/x", "http://127.0.0.1:1/x"),
    "PUBLIC_URL": ("https://greenroom.example", "https://greenroom.example"),
    "SMTP_URL": ("smtp://me:pw@host:25", SecretStr("smtp://me:pw@host:25")),
    "MAIL_FROM": ("greenroom@example.com", "greenroom@example.com"),
    "OPENAI_API_KEY": ("sk-1", SecretStr("sk-1")),
    "OPENAI_BASE_URL": ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1"),
    "AZURE_OPENAI_ENDPOINT": ("https://x.openai.azure.com", "https://x.openai.azure.com"),
    "AZURE_OPENAI_API_KEY": ("az-1", SecretStr("az-1")),
    "AZURE_OPENAI_DEPLOYMENT": ("mine", "mine"),
    "AZURE_OPENAI_API_VERSION": ("2025-01-01", "2025-01-01"),
    "DEFAULT_MODEL": ("gpt-5", "gpt-5"),
    "ALLOWED_MODELS": (" gpt-5, ,gpt-5-mini,", ("gpt-5", "gpt-5-mini")),
    "FALLBACK_MODELS": ("gpt-5-mini, gpt-5", ("gpt-5-mini", "gpt-5")),
    "PROVIDER_MAX_RETRIES": ("0", 0),
    "PROVIDER_RETRY_SECONDS": ("0.1", 0.1),
    "CIRCUIT_FAILURES": ("3", 3),
    "CIRCUIT_REST_SECONDS": ("10", 10.0),
    "TURN_TIMEOUT_SECONDS": ("12.5", 12.5),
    "TURN_DEADLINE_SECONDS": ("60", 60.0),
    "MAX_HANDOFFS_PER_TURN": ("1", 1),
    "MAX_MODEL_CALLS_PER_TURN": ("4", 4),
    "MAX_RESTARTS_PER_TURN": ("0", 0),
    "CONTEXT_TOKENS": ("12000", 12000),
    "RATE_LIMIT_CALLS_PER_HOUR": ("7", 7),
    "BUDGET_USD_PER_TURN": ("0.10", Decimal("0.10")),
    "BUDGET_USD_PER_CONVERSATION": ("0.50", Decimal("0.50")),
    "BUDGET_USD_PER_USER_DAY": ("1", Decimal(1)),
    "BUDGET_USD_PER_DAY": ("2.50", Decimal("2.50")),
    "PRICE_OVERRIDES": (
        '{"ours": {"input_usd_per_million": "0.5", "cached_input_usd_per_million": null, "output_usd_per_million": 2}}',
        {"ours": PriceSetting(input_usd_per_million=Decimal("0.5"), output_usd_per_million=Decimal(2))},
    ),
    "MAX_BODY_BYTES": ("2048", 2048),
    "METRICS_TOKEN": (GOOD_KEY, SecretStr(GOOD_KEY)),
    "LOG_LEVEL": ("warning", "WARNING"),
    "LOG_FORMAT": ("json", LogFormat.JSON),
    "DEBUG": ("true", True),
    "DEBUG_MODE": ("1", True),
    "DEBUG_WAIT": ("yes", True),
    "DEBUG_HOST": ("0.0.0.0", "0.0.0.0"),  # noqa: S104 - only parsed
    "DEBUG_PORT": ("5679", 5679),
}

WRONG = {
    "APP_PORT": ["65536", "-1", "http", "80.5"],
    "AUTH_MODE": ["none", "LOCAL "],
    "ALLOWED_HOSTS": [
        "*",
        "https://example.com",
        "example.com:443",
        "example.*",
        "a*.example.com",
        "a b",
        "example.com/",
    ],
    "CORS_ORIGINS": [
        *("*", "https://*.example.com", "null", "example.com", "https://example.com/", "ftp://example.com"),
        *("https://me@example.com", "https://", "http://example.com:port", "https://example.com?x"),
    ],
    "SECRET_KEY": [
        GOOD_KEY[:31],
        "x" * 64,
        "0123456789" * 5,
        "abcd" * 16,
        "changeme-changeme-changeme-changeme",
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "my-super-secret-key-for-the-greenroom-service",
    ],
    "PREVIOUS_SECRET_KEYS": [f"{GOOD_KEY},short"],
    "METRICS_TOKEN": ["short", "x" * 64],
    "ACCESS_TOKEN_MINUTES": ["0", "61"],
    "REFRESH_TOKEN_DAYS": ["0", "366"],
    "REGISTRATION": ["perhaps"],
    "PUBLIC_URL": [
        "greenroom.example",
        "https://",
        "https://a b/",
        "https://greenroom.example/?x",
        "https://a.example#x",
    ],
    "GOOGLE_DISCOVERY_URL": ["accounts.google.com", "http://"],
    "MAIL_FROM": ["garbage", "a@example.com\nBcc: x@example.com", "a@"],
    "SMTP_URL": ["mail.example.com", "http://mail.example.com", "smtp://", "smtp://host:port"],
    "DATABASE_URL": [
        "mysql://h/d",
        "greenroom.db",
        "postgresql://h:port/d",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file::memory:?uri=true",
        "sqlite:///file:x?mode=memory&cache=shared&uri=true",
    ],
    "OPENAI_BASE_URL": ["127.0.0.1:11434/v1", "ftp://x"],
    "AZURE_OPENAI_ENDPOINT": ["my-resource.openai.azure.com"],
    "TURN_LOG_COMPACT_AFTER_HOURS": ["-1", "876001", "nan"],
    "CONVERSATION_RETENTION_DAYS": ["0", "-1", "36501", "a year"],
    "PROVIDER_MAX_RETRIES": ["6", "-1"],
    "PROVIDER_RETRY_SECONDS": ["-1", "61", "nan"],
    "CIRCUIT_FAILURES": ["0"],
    "CIRCUIT_REST_SECONDS": ["-1", "3601"],
    "TURN_TIMEOUT_SECONDS": ["0", "601", "nan", "soon"],
    "TURN_DEADLINE_SECONDS": ["0", "inf", "3601"],
    "MAX_HANDOFFS_PER_TURN": ["-1", "11"],
    "MAX_MODEL_CALLS_PER_TURN": ["0", "51"],
    "MAX_RESTARTS_PER_TURN": ["-1", "6"],
    "RATE_LIMIT_CALLS_PER_HOUR": ["0"],
    "BUDGET_USD_PER_TURN": ["-1"],
    "BUDGET_USD_PER_CONVERSATION": ["NaN"],
    "BUDGET_USD_PER_USER_DAY": ["Infinity"],
    "BUDGET_USD_PER_DAY": ["-1", "NaN", "Infinity", "$5", "1e99999"],
    "PRICE_OVERRIDES": ["ours=0.5", '{"ours": ', "[]", "0.5"],
    "MAX_BODY_BYTES": ["1023"],
    "LOG_LEVEL": ["LOUD", "10"],
    "LOG_FORMAT": ["xml"],
    "DEBUG": ["perhaps"],
    "DEBUG_MODE": ["2"],
    "DEBUG_WAIT": ["-"],
    "DEBUG_PORT": ["0", "65536"],
}


def read() -> Settings:
    """What the environment says, without the `.env` of whoever runs the tests."""
    return Settings(_env_file=None)


def test_every_setting_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {name.lower() for name in ENVIRONMENT} == set(Settings.model_fields)
    for name, (value, _) in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    settings = read()
    assert {name: getattr(settings, name.lower()) for name in ENVIRONMENT} == {
        name: meaning for name, (_, meaning) in ENVIRONMENT.items()
    }


def test_nothing_needs_to_be_set_and_empty_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = read()
    for name in ENVIRONMENT:
        monkeypatch.setenv(name, "")
    assert read() == nothing
    assert nothing.app_host == "127.0.0.1"
    assert nothing.openai_api_key is None


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_is_refused_under_its_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("DEFAULT_MODEL", "gpt-5")
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as refusal:
        read()
    assert [error["loc"] for error in refusal.value.errors()] == [(name.lower(),)]


def test_a_star_for_origins_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", "https://app.example.com,*")
    with pytest.raises(ValidationError, match="any web page"):
        read()


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "LocalHost"])
def test_without_sign_in_every_address_of_this_machine_alone_may_be_bound(address: str) -> None:
    assert Settings(_env_file=None, app_host=address).app_host == address


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.5", "10.0.0.1", "greenroom.example.com", "2130706433"])  # noqa: S104 - refused
def test_without_sign_in_no_other_address_is_bound(address: str) -> None:
    with pytest.raises(ValidationError, match=r"APP_HOST is .* bind 127\.0\.0\.1 or set AUTH_MODE=accounts"):
        Settings(_env_file=None, app_host=address)
    assert (
        Settings(_env_file=None, app_host=address, auth_mode=AuthMode.ACCOUNTS, secret_key=SecretStr(GOOD_KEY)).app_host
        == address
    )


@pytest.mark.parametrize(
    "price",
    [
        '{"input_usd_per_million": "0.5"}',
        '{"input_usd_per_million": "-1", "output_usd_per_million": "1"}',
        '{"input_usd_per_million": "NaN", "output_usd_per_million": "1"}',
        '{"input_usd_per_million": "1", "output_usd_per_million": "1", "currency": "EUR"}',
        "1.5",
    ],
)
def test_a_wrong_price_is_refused_under_the_variable_and_the_model(monkeypatch: pytest.MonkeyPatch, price: str) -> None:
    monkeypatch.setenv("PRICE_OVERRIDES", f'{{"ours": {price}}}')
    with pytest.raises(ValidationError) as refusal:
        read()
    assert {error["loc"][:2] for error in refusal.value.errors()} == {("price_overrides", "ours")}


AZURE = ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_DEPLOYMENT")


@pytest.mark.parametrize("missing", AZURE)
def test_half_an_azure_set_up_names_what_is_missing(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    for name in AZURE:
        if name != missing:
            monkeypatch.setenv(name, ENVIRONMENT[name][0])
    with pytest.raises(ValidationError, match=missing) as refusal:
        read()
    assert not [name for name in AZURE if name != missing and name in str(refusal.value)]


def test_an_azure_key_alone_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "az-1")
    assert read().azure_openai_endpoint is None


def test_a_fallback_that_no_request_may_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEFAULT_MODEL", "gpt-5")
    monkeypatch.setenv("ALLOWED_MODELS", "gpt-5-mini")
    monkeypatch.setenv("FALLBACK_MODELS", "gpt-5-mini,gpt-5,gpt-4o")
    with pytest.raises(ValidationError, match="FALLBACK_MODELS names gpt-4o, which ALLOWED_MODELS does not"):
        read()


def test_accounts_need_a_secret_key_and_say_how_to_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH_MODE", "accounts")
    with pytest.raises(ValidationError, match=r"needs SECRET_KEY; make one with: python -c .*token_urlsafe"):
        read()


@pytest.mark.parametrize(
    ("given", "missing"),
    [("GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET, PUBLIC_URL"), ("SMTP_URL", "MAIL_FROM")],
)
def test_half_a_feature_names_what_is_missing(monkeypatch: pytest.MonkeyPatch, given: str, missing: str) -> None:
    monkeypatch.setenv(given, ENVIRONMENT[given][0])
    with pytest.raises(ValidationError, match=f"{given} also needs {missing}"):
        read()


def test_keys_as_people_make_them_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in (
        secrets.token_urlsafe(48),
        secrets.token_hex(16),
        secrets.token_hex(32),
        "tr0ut canoe&Velvet; 41 owls hum",
    ):
        monkeypatch.setenv("SECRET_KEY", f"{key}!")
        assert read().secret_key is not None


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "GOOGLE_CLIENT_SECRET"):
        monkeypatch.setenv(name, f"sk-{SECRET}")
    for name in ("SECRET_KEY", "PREVIOUS_SECRET_KEYS"):
        monkeypatch.setenv(name, f"{GOOD_KEY}{SECRET}")
    monkeypatch.setenv("SMTP_URL", f"smtp://me:{SECRET}@host")
    monkeypatch.setenv("MAIL_FROM", "me@example.com")
    monkeypatch.setenv("DATABASE_URL", f"postgresql://me:{SECRET}@host/name")
    monkeypatch.setenv("OPENAI_BASE_URL", f"https://me:{SECRET}@host/v1")
    settings = read()
    shown = [repr(settings), str(settings), f"{settings}", str(settings.async_database_url)]
    shown.append(repr(settings.async_database_url))
    assert not [text for text in shown if SECRET in text]
    assert settings.async_database_url.password == SECRET


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APP_PORT", "many"),
        ("AZURE_OPENAI_ENDPOINT", "https://x.openai.azure.com"),
        ("SECRET_KEY", f"{SECRET * 8}"),
        ("SMTP_URL", f"smtp://me:{SECRET}@host:port"),
        ("DATABASE_URL", f"mysql://me:{SECRET}@host/name"),
        ("DATABASE_URL", f"postgresql://me:{SECRET}@host:port/name"),
    ],
)
def test_no_refusal_shows_a_secret(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"sk-{SECRET}")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", f"sk-{SECRET}")
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as refusal:
        read()
    assert SECRET not in "".join(traceback.format_exception(refusal.value))


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("sqlite:///greenroom.db", "sqlite+aiosqlite:///greenroom.db"),
        ("sqlite:////var/lib/greenroom.db", "sqlite+aiosqlite:////var/lib/greenroom.db"),
        ("sqlite+pysqlite:///greenroom.db", "sqlite+aiosqlite:///greenroom.db"),
        ("postgresql://u:p@h:5432/d", "postgresql+asyncpg://u:p@h:5432/d"),
        ("postgres://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql+psycopg://u:p%40w@h/d", "postgresql+asyncpg://u:p%40w@h/d"),
        ("postgresql://u:p@h/d?sslmode=require", "postgresql+asyncpg://u:p@h/d?ssl=require"),
        ("postgresql://u@/d?host=/run/postgresql", "postgresql+asyncpg://u@/d?host=%2Frun%2Fpostgresql"),
    ],
)
def test_a_database_is_reached_with_the_async_driver(given: str, used: str) -> None:
    assert async_database_url(given).render_as_string(hide_password=False) == used
