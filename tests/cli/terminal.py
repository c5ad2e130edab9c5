"""The command as people run it: in a pipe, or at a terminal that is typed at."""

import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.server_process import environment

COMMAND = str(Path(sys.executable).parent / "greenroom")
SECONDS = 30
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def greenroom(folder: Path, *arguments: str, said: str = "", **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run it in `folder`, in a pipe that says `said`."""
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=folder,
        env=environment(**variables),
        input=said,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


class Terminal:
    """A terminal of 100 columns with the command in it."""

    def __init__(self, process: "subprocess.Popen[bytes]", master: int) -> None:
        self.process = process
        self._master = master
        self.seen = ""
        """Everything shown so far, as it was written."""

    @property
    def text(self) -> str:
        """The same without colours."""
        return ESCAPE.sub("", self.seen)

    def until(self, text: str) -> None:
        """Read until it is shown, without colours, after what was waited for before."""
        ends = time.monotonic() + SECONDS
        while text not in self.text:
            ready, _, _ = select.select([self._master], [], [], max(0, ends - time.monotonic()))
            assert ready, f"{text!r} was not shown in time: {self.text}"
            try:
                piece = os.read(self._master, 65536)
            except OSError as error:
                raise AssertionError(f"it ended before it showed {text!r}: {self.text}") from error
            self.seen += piece.decode(errors="replace")

    def type(self, line: str) -> None:
        """Type a line; what was shown before does not count any more."""
        self.seen = ""
        os.write(self._master, f"{line}\n".encode())

    def press(self, key: bytes) -> None:
        """Press a key, such as Ctrl-C (0x03)."""
        os.write(self._master, key)

    def ended(self) -> int:
        """Its exit status, once it has ended; what it still shows is read."""
        while True:
            ready, _, _ = select.select([self._master], [], [], 0.05)
            if ready:
                try:
                    self.seen += os.read(self._master, 65536).decode(errors="replace")
                except OSError:
                    break
            elif self.process.poll() is not None:
                break
        return self.process.wait(SECONDS)


@contextmanager
def terminal(folder: Path, *arguments: str, **variables: str) -> Iterator[Terminal]:
    """Run it in `folder` at a terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, *arguments],
        cwd=folder,
        env=environment(TERM="xterm", COLUMNS="100", **variables),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        # A session of its own with this terminal, so that Ctrl-C reaches it alone.
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - a system call, and no thread runs
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        os.close(master)
