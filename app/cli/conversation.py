"""A conversation in the terminal: what the person types goes to the service, and its events come back as text."""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import typer
from rich.console import Console, Group
from rich.markdown import Markdown
from rich.panel import Panel
from rich.text import Text

from app.cli.connection import answer_of, problem_text
from app.cli.failures import CommandFailed

TRIES = 5
"""To go on with a turn whose connection broke; it runs on meanwhile."""
RETRY_SECONDS = 1.0
LAST_KINDS = frozenset({"turn.completed", "turn.failed", "turn.cancelled"})

HELP = """Write what you want: "I have a senior backend interview next week", "make question 3 harder", "two more".

  /card N               question N whole: what is listened for, follow-ups, hints
  /export FORMAT [FILE] save the questions: json, markdown, csv, pdf, html
  /new                  begin another conversation
  /quit                 leave (or Ctrl-D); Ctrl-C stops an answer"""

Event = tuple[str, dict[str, Any]]


class TerminalChat:
    """One person's conversation. Cards, Markdown and colours at a terminal; in a pipe the plain Markdown."""

    def __init__(self, client: httpx2.Client, *, first: Mapping[str, Any], console: Console | None = None) -> None:
        self._client = client
        self._first = dict(first)
        """What the first message also says."""
        self._console = console or Console(highlight=False, soft_wrap=not sys.stdout.isatty())
        self._questions: list[dict[str, Any]] = []
        self._paragraph = ""
        self.conversation_id: str | None = None

    @property
    def _is_terminal(self) -> bool:
        return self._console.is_terminal

    def run(self) -> bool:
        """Read messages until there are no more. Whether every one was answered."""
        if self._is_terminal:
            self._console.print(Text("What are you preparing for? /help says what you can do.", style="bold"))
        is_well = True
        for line in self._lines():
            if line.startswith("/"):
                if line in {"/quit", "/exit"}:
                    break
                is_well = self._obey(line) and is_well
            elif line:
                is_well = self.say(line) and is_well
        return is_well

    def say(self, message: str) -> bool:
        """Send one message and show its turn. Whether it was answered."""
        body = {**self._first, "message": message}
        if self.conversation_id is not None:
            body["conversation_id"] = self.conversation_id
        turn_id: str | None = None
        events = self._events(body)
        while True:
            try:
                for kind, data in events:
                    turn_id = data.get("turn_id", turn_id)
                    self._show(kind, data)
                    if kind in LAST_KINDS:
                        self._first = {}
                        return kind == "turn.completed"
            except KeyboardInterrupt:
                if turn_id is None:
                    raise
                # The stream goes on to its end, which says that it was stopped.
                self._client.post(f"/api/v1/turns/{turn_id}/cancel")
                events = self._followed(turn_id, 0, {"turn.cancelled", "turn.completed", "turn.failed"})
            except CommandFailed as failure:
                self._complain(str(failure))
                return False

    def _lines(self) -> Iterator[str]:
        while True:
            try:
                line = self._console.input("[bold]> [/bold]") if self._is_terminal else sys.stdin.readline()
            except (EOFError, KeyboardInterrupt):
                self._console.print()
                return
            if not line and not self._is_terminal:
                return
            yield line.strip()

    # The turn's events, whatever happens to connections.

    def _events(self, body: Mapping[str, Any]) -> Iterator[Event]:
        headers = {"Accept": "text/event-stream", "Idempotency-Key": str(uuid4())}
        seq, turn_id, broken = 0, None, 0
        while True:
            try:
                request = (
                    self._client.stream("POST", "/api/v1/chat", json=body, headers=headers)
                    if turn_id is None
                    else self._client.stream(
                        "GET", f"/api/v1/turns/{turn_id}/events", headers={"Last-Event-ID": str(seq)}
                    )
                )
                with request as response:
                    for number, kind, data in _server_sent(answer_of(response)):
                        seq, broken = number, 0
                        turn_id = data.get("turn_id", turn_id)
                        yield kind, data
                        if kind in LAST_KINDS:
                            return
            except httpx2.TransportError:
                if broken == TRIES:
                    raise
            # The same key begins no second turn; with its id, the log tells what was missed.
            broken += 1
            if broken > TRIES:
                raise CommandFailed("the answer broke off and could not be had again; the turn may still run")
            time.sleep(RETRY_SECONDS)

    def _followed(self, turn_id: str, after: int, kinds: set[str]) -> Iterator[Event]:
        headers = {"Last-Event-ID": str(after)}
        with self._client.stream("GET", f"/api/v1/turns/{turn_id}/events", headers=headers) as response:
            for _, kind, data in _server_sent(answer_of(response)):
                if kind in kinds:
                    yield kind, data

    # What is shown.

    def _show(self, kind: str, data: dict[str, Any]) -> None:
        match kind:
            case "turn.started":
                self.conversation_id = data["conversation_id"]
            case "agent.active":
                self._note(f"{data['agent']} …" if data["from"] is None else f"{data['from']} → {data['agent']} …")
            case "question.ready":
                self._keep(data["question"])
            case "text.delta":
                self._print(data["text"])
            case "turn.restarted":
                self._questions = []
                self._paragraph = ""
                self._line(f"\n[The answer begins again: {data['reason'].replace('_', ' ')}.]\n")
            case "turn.completed":
                self._end(data)
            case "turn.failed":
                self._flush()
                self._complain(f"{data['title']}: {data['detail']}")
            case "turn.cancelled":
                self._flush()
                self._line("\n[Stopped. Your message is kept.]")

    def _keep(self, question: dict[str, Any]) -> None:
        """Show the question as a card at once; its Markdown comes as text, too."""
        if self._is_terminal:
            self._flush()
            self._console.print(_card(question))
        self._questions = [kept for kept in self._questions if kept["id"] != question["id"]] + [question]

    def _print(self, text: str) -> None:
        text = printable(text)
        if not self._is_terminal:
            typer.echo(text, nl=False)
            sys.stdout.flush()
            return
        self._paragraph += text
        *whole, self._paragraph = self._paragraph.split("\n\n")
        for paragraph in whole:
            self._print_paragraph(paragraph)

    def _print_paragraph(self, paragraph: str) -> None:
        if paragraph.strip() and not self._is_on_card(paragraph):
            self._console.print(Markdown(paragraph, hyperlinks=False))
            self._console.print()

    def _is_on_card(self, paragraph: str) -> bool:
        """Whether it is a question, or the line below one, that has been shown as a card."""
        for question in self._questions:
            heading = f"**{question['position']}.** "
            if paragraph.startswith(heading) and printable(question["text"])[:40] in paragraph:
                return True
        return paragraph.startswith("*") and paragraph.rstrip().endswith(" min*") and "·" in paragraph

    def _flush(self) -> None:
        paragraph, self._paragraph = self._paragraph, ""
        self._print_paragraph(paragraph)

    def _end(self, reply: dict[str, Any]) -> None:
        self._flush()
        if reply["question_set"] is not None:
            self._questions = reply["question_set"]["questions"]
        usage = reply["usage"]
        cost = "price unknown" if usage["cost_usd"] is None else f"${usage['cost_usd']}"
        if not self._is_terminal:
            typer.echo("")
        self._note(
            f"{reply['agent']} · {usage['model']} · {cost} · {reply['duration_ms'] / 1000:.1f} s · "
            f"conversation {reply['conversation_id']}"
        )

    def _note(self, text: str) -> None:
        """Something beside the answer: not part of what a pipe is for."""
        if self._is_terminal:
            self._console.print(Text(printable(text), style="dim"))
        elif text.count("·"):
            typer.echo(f"greenroom: {printable(text)}", err=True)

    def _line(self, text: str) -> None:
        if self._is_terminal:
            self._console.print(Text(printable(text), style="yellow"))
        else:
            typer.echo(printable(text))

    def _complain(self, text: str) -> None:
        typer.secho(f"greenroom: {printable(text)}", err=True, fg="red")

    # What the person can ask of the terminal itself.

    def _obey(self, line: str) -> bool:
        command, *words = line.split()
        match command, words:
            case "/help", _:
                self._line(HELP)
            case "/new", _:
                self.conversation_id, self._questions = None, []
                self._line("A new conversation.")
            case "/card", [number]:
                return self._show_card(number)
            case "/export", [file_format, *path]:
                return self._export(file_format, path[0] if path else None)
            case _:
                self._complain(f"{line} is not known here; /help says what is")
                return False
        return True

    def _show_card(self, number: str) -> bool:
        found = [question for question in self._questions if str(question["position"]) == number]
        if not found:
            self._complain(f"there is no question {number} here")
            return False
        if self._is_terminal:
            self._console.print(_card(found[0], is_whole=True))
        else:
            typer.echo(printable("\n".join(f"{title}: {text}" for title, text in _details(found[0]))))
        return True

    def _export(self, file_format: str, path: str | None) -> bool:
        if self.conversation_id is None:
            self._complain("there is nothing to save yet")
            return False
        response = self._client.get(
            f"/api/v1/conversations/{self.conversation_id}/export", params={"format": file_format}
        )
        if not response.is_success:
            self._complain(problem_text(response))
            return False
        target = Path(path or f"questions.{'md' if file_format == 'markdown' else file_format}")
        try:
            target.write_bytes(response.content)
        except OSError as error:
            self._complain(f"cannot write {target}: {error.strerror}")
            return False
        self._line(f"{target}: {len(response.content)} bytes")
        return True


def _server_sent(response: httpx2.Response) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Number, kind and data of each event, as this service writes them: one line of data, always with an id."""
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif "data" in fields:
            yield int(fields["id"]), fields["event"], json.loads(fields["data"])
            fields = {}
        else:
            fields = {}


def printable(text: str) -> str:
    """Without what a terminal would act on: people and models wrote this."""
    return "".join(character for character in text if character.isprintable() or character in "\n\t")


def _card(question: Mapping[str, Any], *, is_whole: bool = False) -> Panel:
    about = f"{question['difficulty']} · {question['category'].replace('_', ' ')} · {question['time_minutes']} min"
    lines = [Text(printable(question["text"]), style="bold")]
    if question["requirement"]:
        lines.append(Text(f"\u201c{printable(question['requirement'])}\u201d", style="italic"))
    if is_whole:
        lines.extend(Text.assemble((f"\n{title}: ", "bold"), printable(text)) for title, text in _details(question)[1:])
    return Panel(
        Group(*lines),
        title=f"Question {question['position']}",
        title_align="left",
        subtitle=printable(about),
        subtitle_align="right",
        border_style="cyan",
    )


def _details(question: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Everything about a question, by title; the question itself first."""
    lists = (
        ("What is listened for", question["evaluation_criteria"]),
        ("Follow-ups", question["follow_ups"]),
        ("Hints", question["hints"]),
    )
    return [
        (f"Question {question['position']}", question["text"]),
        *((title, "".join(f"\n  - {item}" for item in items)) for title, items in lists if items),
        ("What tells the level", question["level_signal"]),
        ("A frame for the answer", question["sample_framework"]),
    ]
