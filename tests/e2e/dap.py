"""As much of a Debug Adapter Protocol client as attaching to debugpy and stopping at one line takes."""

import json
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SECONDS = 20


class DebugClient:
    """One connection to debugpy. Requests are numbered; responses and events are read in the order they come."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self._stream = self._socket.makefile("rwb")
        self._sequence = 0
        self._unread: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self._socket.close()

    def send(self, command: str, **arguments: Any) -> int:
        """Send a request and return its number, without waiting for the response."""
        self._sequence += 1
        message = {"seq": self._sequence, "type": "request", "command": command, "arguments": arguments}
        body = json.dumps(message).encode()
        self._stream.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._stream.flush()
        return self._sequence

    def response(self, sequence: int) -> dict[str, Any]:
        """Wait for the response to a request, which must be a success, and return its body."""
        message = self._next(lambda found: found["type"] == "response" and found["request_seq"] == sequence)
        assert message["success"], message
        return dict(message.get("body") or {})

    def event(self, name: str) -> dict[str, Any]:
        """Wait for an event and return its body."""
        message = self._next(lambda found: found["type"] == "event" and found["event"] == name)
        return dict(message.get("body") or {})

    def attach(self, breakpoint_file: Path, line: int, *, path_mappings: Sequence[Mapping[str, str]] = ()) -> None:
        """Attach, set one breakpoint and let the program run. The mappings are those of `launch.json`."""
        self.response(self.send("initialize", adapterID="debugpy", linesStartAt1=True, pathFormat="path"))
        attaching = self.send("attach", justMyCode=True, pathMappings=list(path_mappings))
        self.event("initialized")
        body = self.response(
            self.send("setBreakpoints", source={"path": str(breakpoint_file)}, breakpoints=[{"line": line}])
        )
        assert [found["verified"] for found in body["breakpoints"]] == [True]
        self.response(self.send("configurationDone"))
        self.response(attaching)

    def value(self, frame_id: int, expression: str) -> str:
        """What an expression is worth where the program stands, as the editor shows it."""
        return str(self.response(self.send("evaluate", frameId=frame_id, expression=expression))["result"])

    def locals(self, frame_id: int) -> dict[str, str]:
        """The local variables there, by name."""
        scopes = self.response(self.send("scopes", frameId=frame_id))["scopes"]
        reference = next(scope["variablesReference"] for scope in scopes if scope["name"] == "Locals")
        found = self.response(self.send("variables", variablesReference=reference))["variables"]
        return {variable["name"]: variable["value"] for variable in found}

    def _next(self, wanted: Any) -> dict[str, Any]:
        for message in self._unread:
            if wanted(message):
                self._unread.remove(message)
                return message
        while not wanted(message := self._read()):
            self._unread.append(message)
        return message

    def _read(self) -> dict[str, Any]:
        length = 0
        while (line := self._stream.readline().strip()) or not length:
            name, _, value = line.decode().partition(":")
            if name.lower() == "content-length":
                length = int(value)
        message: dict[str, Any] = json.loads(self._stream.read(length))
        return message
