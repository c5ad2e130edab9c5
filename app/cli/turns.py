"""One turn as a client of the service follows it: from the message to the last event, across broken connections."""

import json
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import httpx2

from app.cli.connection import NO_GREENROOM, answer_of
from app.cli.failures import CommandFailed

TRIES = 5
"""To go on with a turn whose connection broke; it runs on meanwhile."""
RETRY_SECONDS = 1.0
LAST_KINDS = frozenset({"turn.completed", "turn.failed", "turn.cancelled"})
AWAY = frozenset({502, 503, 504})
"""What is answered while the service behind a proxy is replaced. The turn waits for its next server."""
BROKEN = (httpx2.ReadError, httpx2.RemoteProtocolError)
"""Of a connection on which a message may have arrived."""

Event = tuple[str, dict[str, Any]]


class FollowedTurn:
    """A turn that this client begins and follows."""

    def __init__(self, client: httpx2.Client, body: Mapping[str, Any]) -> None:
        self._client = client
        self._body = body
        # The same key begins no second turn; with its id, the log tells what was missed.
        self._key = str(uuid4())
        self._seq = 0
        self.turn_id: str | None = None
        """None until the service has begun it."""

    def events(self) -> Generator[Event, None, None]:
        """Kind and data of each event, the last of LAST_KINDS. Asked again, it goes on where it was.

        Raises:
            CommandFailed: the service refuses, or the turn cannot be followed to its end.
            TransportError: the service cannot be reached any more.
        """
        broken = 0
        while True:
            try:
                with self._asked() as response:
                    if self.turn_id is None or response.status_code not in AWAY:
                        for seq, kind, data in _events_in(answer_of(response)):
                            self._seq, self.turn_id, broken = seq, data.get("turn_id", self.turn_id), 0
                            yield kind, data
                            if kind in LAST_KINDS:
                                return
            except httpx2.TransportError as error:
                # What could not even be sent is said at once; nothing runs that one could go on with.
                is_unsent = self.turn_id is None and broken == 0 and not isinstance(error, BROKEN)
                if is_unsent or broken == TRIES:
                    raise
            broken += 1
            if broken > TRIES:
                raise CommandFailed("the answer broke off and could not be had again; the turn may still run")
            time.sleep(RETRY_SECONDS)

    def cancel(self) -> None:
        """Ask the service to stop it; its last event says whether that came in time."""
        self._client.post(f"/api/v1/turns/{self.turn_id}/cancel")

    def _asked(self) -> AbstractContextManager[httpx2.Response]:
        if self.turn_id is None:
            headers = {"Accept": "text/event-stream", "Idempotency-Key": self._key}
            return self._client.stream("POST", "/api/v1/chat", json=self._body, headers=headers)
        headers = {"Last-Event-ID": str(self._seq)}
        return self._client.stream("GET", f"/api/v1/turns/{self.turn_id}/events", headers=headers)


def _events_in(response: httpx2.Response) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Number, kind and data of each event, as this service writes them: one line of data, always with an id.

    Raises:
        CommandFailed: somebody else wrote this.
    """
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        raise CommandFailed(NO_GREENROOM.format(response.status_code))
    fields: dict[str, str] = {}
    for line in _lines(response.iter_text()):
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
            continue
        if "data" in fields:
            try:
                yield int(fields["id"]), fields["event"], dict(json.loads(fields["data"]))
            except (ValueError, KeyError, TypeError):
                raise CommandFailed(NO_GREENROOM.format(response.status_code)) from None
        fields = {}


def _lines(pieces: Iterable[str]) -> Iterator[str]:
    """Lines as the protocol ends them. What people wrote may hold other ends of lines, such as U+2028."""
    rest = ""
    for piece in pieces:
        *lines, rest = (rest + piece).split("\n")
        yield from (line.removesuffix("\r") for line in lines)
