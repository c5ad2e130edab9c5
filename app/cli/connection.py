"""How `greenroom chat` and `export` reach a service: over the network, or one of their own in this process."""

import asyncio
import re
import socket
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import typer
from typing_extensions import override

from app.cli.commands import read_settings
from app.cli.failures import CannotStart, CommandFailed, WrongUse
from app.cli.serving import address_of, bind, make_server
from app.core.config import AuthMode, Role, Settings
from app.core.hosts import is_loopback

TIMEOUT = httpx2.Timeout(60, connect=10)
"""A stream says something every 15 seconds."""
LOOK_SECONDS = 0.2
"""How often to look whether the start has failed."""
NO_GREENROOM = "the server answered {}, not as Greenroom does; check the address"


@contextmanager
def connected(server: str | None, *, token: str | None, email: str | None) -> Iterator[httpx2.Client]:
    """A client of the server, signed in if it is said how.

    Without a server: of the one that these settings would start, if it runs here already, else of one that is started
    for as long as the block lasts. It is for the person at this terminal, so that nobody signs in to it.

    Raises:
        CannotStart: it cannot be reached or started.
        CommandFailed: it does not let us in.
        WrongUse: the address is none.
    """
    if server is not None:
        with _client(server, token=token, email=email) as client:
            yield client
        return
    settings = read_settings(log_level="ERROR")
    host = settings.app_host if is_loopback(settings.app_host) else "127.0.0.1"
    personal = settings.model_copy(update={"auth_mode": AuthMode.LOCAL, "app_host": host, "role": Role.ALL})
    try:
        # First as the service would have it, which may run on an address that others reach; ours must not.
        bind(settings).close()
        listener = bind(personal)
    except CannotStart:
        running = address_of(settings.app_host, settings.app_port)
        if not _is_greenroom(running):
            raise
        typer.echo(f"greenroom: with the server that runs at {running}", err=True)
        with _client(running, token=token, email=email, is_here=True) as client:
            yield client
        return
    # Its own port is taken while it runs: two servers on one SQLite file would each think the other dead.
    with listener:
        if email is not None:
            raise WrongUse("no server runs here that one could sign in to; name one with --server")
        address = address_of(host, listener.getsockname()[1])
        with _own_server(personal, listener), _client(address, is_here=True) as client:
            yield client


def answer_of(response: httpx2.Response) -> httpx2.Response:
    """The response, if it is a success.

    Raises:
        CommandFailed: it is a problem; says its detail, which says what to do.
    """
    if response.is_success:
        return response
    response.read()
    raise CommandFailed(problem_text(response))


def problem_text(response: httpx2.Response) -> str:
    """What went wrong, in the server's words where it has some."""
    if response.status_code == httpx2.codes.UNAUTHORIZED:
        if "Authorization" in response.request.headers:
            return "the server does not accept this sign-in, or not any more: use --email, or another access token"
        return "the server wants to know who you are: give --email, or an access token with --token or GREENROOM_TOKEN"
    if response.is_redirect:
        return f"the server is at another address: {response.headers['location']}"
    try:
        problem = response.json()
        fields = "; ".join(f"{error['field']}: {error['message']}" for error in problem.get("errors") or ())
        return f"{problem['title']}: {problem['detail']}" + (f" ({fields})" if fields else "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return NO_GREENROOM.format(response.status_code)


def exported(client: httpx2.Client, conversation_id: str, **wanted: str) -> bytes:
    """A conversation's questions as a file of the format and type that are wanted.

    Raises:
        CommandFailed: there are none, or no such format.
    """
    answer = answer_of(client.get(f"/api/v1/conversations/{conversation_id}/export", params=wanted))
    if "content-disposition" not in answer.headers:
        raise CommandFailed(NO_GREENROOM.format(answer.status_code))
    return answer.content


@contextmanager
def _client(
    server: str, *, token: str | None = None, email: str | None = None, is_here: bool = False
) -> Iterator[httpx2.Client]:
    """A client; one of this machine goes through no proxy, whatever the environment says."""
    # Without the password that may stand in it.
    shown = re.sub("//[^/]*@", "//", server)
    try:
        with httpx2.Client(base_url=server, timeout=TIMEOUT, follow_redirects=False, trust_env=not is_here) as client:
            if email is not None:
                client.auth = _sign_in(client, email)
            elif token is not None:
                client.headers["Authorization"] = f"Bearer {_checked(token)}"
            yield client
    except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
        raise WrongUse(f"{shown} is no address; write it as https://greenroom.example.com") from error
    except (httpx2.TransportError, httpx2.DecodingError) as error:
        raise CannotStart(f"cannot reach {shown}: {str(error) or type(error).__name__}") from error


def _checked(token: str) -> str:
    """The token, if it can be sent: what cannot would be quoted in the error."""
    token = token.strip()
    if not (token.isascii() and token.isprintable()):
        raise WrongUse("the access token has signs in it that no token has; copy it again")
    return token


class _SignedIn(httpx2.Auth):
    """Sends the access token, and exchanges the refresh token for another when it has expired."""

    def __init__(self, tokens: dict[str, Any], refresh_url: httpx2.URL) -> None:
        self._tokens = tokens
        self._refresh_url = refresh_url

    @override
    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._tokens['access_token']}"
        response = yield request
        if response.status_code != httpx2.codes.UNAUTHORIZED:
            return
        body = {"refresh_token": self._tokens["refresh_token"]}
        renewed = yield httpx2.Request("POST", self._refresh_url, json=body)
        if renewed.is_success:
            # Here and not by `requires_response_body`, with which no answer would stream.
            renewed.read()
            self._tokens = _tokens_in(renewed)
            request.headers["Authorization"] = f"Bearer {self._tokens['access_token']}"
            yield request


def _sign_in(client: httpx2.Client, email: str) -> _SignedIn:
    password = typer.prompt(f"Password of {email}", hide_input=True, err=True)
    response = client.post("/api/v1/auth/token", data={"username": email, "password": password})
    if response.status_code == httpx2.codes.UNAUTHORIZED:
        raise CommandFailed("E-mail address or password is wrong.")
    # The base may have a path of its own, which is to stay.
    return _SignedIn(_tokens_in(answer_of(response)), client.base_url.join("api/v1/auth/refresh"))


def _tokens_in(response: httpx2.Response) -> dict[str, Any]:
    try:
        tokens = response.json()
        return {name: tokens[name] for name in ("access_token", "refresh_token")}
    except (ValueError, KeyError, TypeError):
        raise CommandFailed(NO_GREENROOM.format(response.status_code)) from None


def _is_greenroom(address: str) -> bool:
    try:
        answer = httpx2.get(f"{address}/healthz", timeout=5, trust_env=False)
        return bool(answer.json() == {"status": "ok"})
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError):
        return False


@contextmanager
def _own_server(settings: Settings, listener: socket.socket) -> Iterator[None]:
    """A server in a thread of its own, on a socket that listens already."""
    started = threading.Event()
    server = make_server(settings, lambda _: started.set())
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), name="server", daemon=True)
    thread.start()
    try:
        while not started.wait(LOOK_SECONDS):
            if not thread.is_alive():
                raise CannotStart("the service did not start; see what it says with: greenroom serve")
        yield
    finally:
        server.should_exit = True
        thread.join()
