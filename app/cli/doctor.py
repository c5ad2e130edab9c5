"""`greenroom doctor`: looks at everything the service needs, and says what to do about what is missing."""

import asyncio
import difflib
import os
import re
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

import typer
from dotenv import dotenv_values
from pydantic import SecretStr, ValidationError

from app.cli.commands import ENV_FILE, gaps
from app.cli.failures import CannotStart
from app.cli.plain import printable
from app.cli.serving import bind, reach_database
from app.core.config import AuthMode, Settings, take_standard_variables
from app.core.database import Database
from app.core.errors import CatalogError, GreenroomError
from app.core.hosts import DEFAULT_PORTS
from app.core.mail_server import MailServer
from app.core.telemetry import ENDPOINT, Telemetry, WrongTelemetry
from app.main import Plugins
from app.providers.base import Provider
from app.providers.openai import OPENAI_BASE_URL
from app.providers.registry import active_provider
from app.usage.prices import price_overrides
from plugins.cost.prices import OFFLINE, list_price

OTHER_PREFIXES = ("OTEL_", "UVICORN_", "COMPOSE_", "POSTGRES_", "GRAFANA_", "GREENROOM_")
"""Of variables that others than the settings read."""
OTHER_NAMES = frozenset({"FORWARDED_ALLOW_IPS", "WEB_CONCURRENCY"})
PLACEHOLDER = re.compile(r"\.\.\.|[<>]|(?<![a-z0-9])your[_-]|x{5}|change.?me")
"""In a key in lower case. Keys are random, so that shorter pieces would be found in real ones."""
LEAST_FREE_BYTES = 200 * 1024 * 1024
CONNECT_SECONDS = 5.0
PROVIDER_SECONDS = 20.0
MANY_MODELS = 8


class Verdict(Enum):
    """What was found."""

    OK = ("ok", "green")
    NOTE = ("note", "yellow")
    """Works, and may not be what is wanted."""
    WRONG = ("WRONG", "red")


@dataclass(frozen=True)
class Finding:
    """A line of the report."""

    verdict: Verdict
    subject: str
    text: str


async def examine(*, calls_provider: bool) -> bool:
    """Look at everything and print a line for each thing. Whether nothing is wrong."""
    is_well = True
    async for finding in _findings(calls_provider=calls_provider):
        word, colour = finding.verdict.value
        typer.echo(f"{typer.style(f'{word:<5}', fg=colour)} {printable(f'{finding.subject}: {finding.text}')}")
        is_well = is_well and finding.verdict is not Verdict.WRONG
    typer.echo("\nNothing is wrong." if is_well else "\nMend what is WRONG, and ask again.")
    return is_well


async def _findings(*, calls_provider: bool) -> AsyncIterator[Finding]:
    yield Finding(Verdict.OK, "Python", f"{sys.version.split()[0]} at {sys.prefix}")
    take_standard_variables(ENV_FILE)
    for finding in _env_file():
        yield finding
    try:
        settings = Settings()
    except ValidationError as error:
        for gap in gaps(error):
            yield Finding(Verdict.WRONG, "settings", gap)
        return
    yield Finding(Verdict.OK, "settings", f"AUTH_MODE={settings.auth_mode}, ROLE={settings.role}")
    for finding in _keys(settings):
        yield finding
    try:
        plugins = Plugins.load(settings.plugins_dir)
    except CatalogError as error:
        yield Finding(Verdict.WRONG, "plugins", str(error))
        return
    yield Finding(Verdict.OK, "plugins", f"{', '.join(plugins.catalog.specialists)} in {settings.plugins_dir}")
    looks: Sequence[Callable[[], Awaitable[Finding]]] = (
        lambda: _database(settings),
        lambda: _address(settings),
        lambda: _mail(settings),
        _collector,
    )
    for look in looks:
        yield await look()
    provider = active_provider(settings, plugins.offline)
    try:
        async for finding in _provider(settings, provider, calls_provider=calls_provider):
            yield finding
    finally:
        await provider.close()


def _env_file() -> list[Finding]:
    """Names in `.env` that nothing reads, such as misspelt ones: settings pass over them."""
    if not ENV_FILE.is_file():
        return [Finding(Verdict.NOTE, ".env", "there is none here; settings come from the environment alone")]
    known = {name.upper() for name in Settings.model_fields}
    found = []
    for name in dotenv_values(ENV_FILE):
        if name.upper() in known | OTHER_NAMES or name.upper().startswith(OTHER_PREFIXES):
            continue
        near = difflib.get_close_matches(name.upper(), known, n=1)
        found.append(
            Finding(Verdict.NOTE, ".env", f"{name} is no setting" + (f"; do you mean {near[0]}?" if near else ""))
        )
    if os.name == "posix" and ENV_FILE.stat().st_mode & 0o077:
        found.append(Finding(Verdict.NOTE, ".env", "others on this machine can read it; run: chmod 600 .env"))
    return found or [Finding(Verdict.OK, ".env", "every name is a setting's")]


def _keys(settings: Settings) -> list[Finding]:
    """What is wrong with the form of the keys, without a word of them."""
    is_openai = (settings.openai_base_url or OPENAI_BASE_URL).rstrip("/") == OPENAI_BASE_URL
    beginnings = {"openai_api_key": "sk-" if is_openai else "", "azure_openai_api_key": ""}
    found = []
    for name, beginning in beginnings.items():
        key: SecretStr | None = getattr(settings, name)
        if key is not None and (flaw := _flaw(key.get_secret_value(), beginning)) is not None:
            found.append(Finding(Verdict.WRONG, name.upper(), flaw))
    if settings.auth_mode is AuthMode.ACCOUNTS:
        found.append(Finding(Verdict.OK, "SECRET_KEY", "long enough, and none of the well-known ones"))
    return found


def _flaw(key: str, beginning: str) -> str | None:
    if key != key.strip() or re.search(r"\s", key):
        return "there is white space in it; copy it again, on one line"
    if key[:1] in {"'", '"'} or key[-1:] in {"'", '"'}:
        return "there are quotation marks around it; leave them out"
    if not key.isascii():
        return "there are characters in it that no key has; copy it again"
    if PLACEHOLDER.search(key.lower()):
        return "this is a placeholder; put a key there, or leave the line out for the offline engine"
    if not key.startswith(beginning):
        return f"keys of OpenAI begin with {beginning}; copy it again"
    return None


async def _database(settings: Settings) -> Finding:
    database = Database(settings.async_database_url)
    try:
        if (new := _new_file(database)) is not None:
            return new
        # In a thread: it makes an event loop of its own.
        await asyncio.to_thread(reach_database, settings)
        await database.ping()
        at, known = await database.revision(), database.known_revisions()
    except (CannotStart, GreenroomError) as error:
        return Finding(Verdict.WRONG, "database", str(error))
    finally:
        await database.dispose()
    if at is not None and at not in known:
        text = f"it is at revision {at}, which is newer than this version ({known[-1]}); install the newer version"
        return Finding(Verdict.WRONG, "database", text)
    if at != known[-1]:
        state = "empty" if at is None else f"at revision {at}, not {known[-1]}"
        return Finding(Verdict.WRONG, "database", f"it is {state}; run: greenroom migrate")
    return Finding(Verdict.OK, "database", f"{database.place}, at revision {at}")


def _new_file(database: Database) -> Finding | None:
    """What there is to say of a file that does not exist yet, or has no room; None if it can be opened."""
    if not database.is_embedded:
        return None
    file = Path(database.place)
    folder = file.resolve().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return Finding(Verdict.WRONG, "database", f"{folder} cannot be written; change DATABASE_URL")
    if (free := shutil.disk_usage(folder).free) < LEAST_FREE_BYTES:
        return Finding(Verdict.WRONG, "database", f"only {free // 1024**2} MB are free on its disk")
    if file.exists() and not os.access(file, os.W_OK):
        return Finding(Verdict.WRONG, "database", f"{file} cannot be written; change its owner or DATABASE_URL")
    if not file.is_file():
        return Finding(Verdict.NOTE, "database", f"there is none at {file} yet; serving makes it")
    return None


async def _address(settings: Settings) -> Finding:
    try:
        bind(settings).close()
    except CannotStart as error:
        return Finding(Verdict.NOTE, "address", f"{error} (or is Greenroom running already?)")
    return Finding(Verdict.OK, "address", f"{settings.app_host} port {settings.app_port} is free")


async def _mail(settings: Settings) -> Finding:
    if settings.smtp_url is None:
        return Finding(Verdict.OK, "e-mail", "off; nobody can reset a password")
    server = MailServer.of(settings.smtp_url.get_secret_value())
    return await _reached("e-mail", server.host, server.port, "check SMTP_URL")


async def _collector() -> Finding:
    try:
        Telemetry.from_environment()
    except WrongTelemetry as error:
        return Finding(Verdict.WRONG, "telemetry", str(error))
    address = os.environ.get(ENDPOINT)
    if not address:
        return Finding(Verdict.OK, "telemetry", "no collector is named; /metrics is there all the same")
    try:
        parts = urlsplit(address)
        port = parts.port or DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError):
        return Finding(Verdict.WRONG, "telemetry", f"{ENDPOINT} is no address; write it as http://collector:4318")
    return await _reached("telemetry", parts.hostname or "", port, f"check {ENDPOINT}")


async def _reached(subject: str, host: str, port: int, advice: str) -> Finding:
    def connect() -> None:
        socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()

    try:
        await asyncio.to_thread(connect)
    except (OSError, UnicodeError) as error:
        # The second for a name that none can have, such as one with two dots in a row.
        return Finding(Verdict.WRONG, subject, f"cannot reach {host}:{port} ({error}); {advice}")
    return Finding(Verdict.OK, subject, f"{host}:{port} can be reached")


async def _provider(settings: Settings, provider: Provider, *, calls_provider: bool) -> AsyncIterator[Finding]:
    if provider.name == OFFLINE:
        yield Finding(Verdict.NOTE, "model", "no key is set: the offline engine answers, from the built-in bank")
        return
    if calls_provider:
        yield await _asked(provider)
    for model in provider.models:
        if list_price(model, provider.name, overrides=price_overrides(settings)) is None:
            text = f"the price of {model} is unknown, so that no budget counts it; say it in PRICE_OVERRIDES"
            yield Finding(Verdict.NOTE, "prices", text)


async def _asked(provider: Provider) -> Finding:
    try:
        async with asyncio.timeout(PROVIDER_SECONDS):
            served = await provider.served_models()
    except TimeoutError:
        return Finding(Verdict.WRONG, "model", f"{provider.name} does not answer within {PROVIDER_SECONDS:.0f} s")
    except GreenroomError as error:
        return Finding(Verdict.WRONG, "model", f"{provider.name}: {error.detail}")
    missing = [model for model in provider.models if model not in served]
    if missing and provider.name != "azure":
        some = ", ".join(sorted(served)[:MANY_MODELS]) + (", …" if len(served) > MANY_MODELS else "")
        text = f"{provider.name} does not list {', '.join(missing)}; it has {some or 'none'}. See DEFAULT_MODEL"
        return Finding(Verdict.NOTE, "model", text)
    return Finding(Verdict.OK, "model", f"{provider.name} answers, for {', '.join(provider.models)}")
