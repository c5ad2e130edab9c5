"""A conversation in the terminal: what the person types goes to the service, and its events come back as text."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx2
import typer
from rich.console import Console, Group
from rich.markdown import Markdown
from rich.panel import Panel
from rich.text import Text

from app.cli.connection import answer_of, exported
from app.cli.failures import CommandFailed
from app.cli.plain import printable, read_line
from app.cli.turns import FollowedTurn

with suppress(ImportError):
    # With it, lines can be edited and longer than 4,095 signs, and what is pasted is one message. Windows has its own.
    import readline  # noqa: F401 - `input` uses it once it is imported

HELP = """Write what you want: "I have a senior backend interview next week", "make question 3 harder", "two more".

  /card N               question N whole: what is listened for, follow-ups, hints
  /export FORMAT [FILE] save the questions: json, markdown, csv, pdf, html
  /new                  begin another conversation
  /quit                 leave (or Ctrl-D); Ctrl-C stops an answer"""


class TerminalChat:
    """One person's conversation. Cards, Markdown and colours at a terminal; in a pipe the plain Markdown."""

    def __init__(self, client: httpx2.Client, *, first: Mapping[str, Any]) -> None:
        self._client = client
        self._given = first
        self._first = first
        """What the next message also says: all that was given, until a conversation has begun with it."""
        self._is_terminal = sys.stdout.isatty()
        # Whatever FORCE_COLOR says: in a pipe, only the answer counts.
        self._console = Console(highlight=False, force_terminal=self._is_terminal)
        self._questions: list[dict[str, Any]] = []
        self._paragraph = ""
        self.conversation_id: str | None = None

    def run(self) -> bool:
        """Read messages until there are no more. Whether every one was answered."""
        if self._is_terminal:
            self._console.print(Text("What are you preparing for? /help says what you can do.", style="bold"))
        is_well = True
        for line in self._lines():
            if line in {"/quit", "/exit"}:
                break
            if line:
                is_well = self._answer(line) and is_well
        return is_well

    def _answer(self, line: str) -> bool:
        try:
            return self._obey(line) if line.startswith("/") else self.say(line)
        except CommandFailed as failure:
            self._complain(str(failure))
            return False
        except httpx2.TransportError as error:
            if not self._is_terminal:
                raise
            # The person may wait for it, and go on.
            self._flush()
            self._complain(f"the server cannot be reached ({str(error) or type(error).__name__}); try again")
            return False

    def say(self, message: str) -> bool:
        """Send one message and show its turn. Whether it was answered.

        Raises:
            TransportError: the server cannot be reached, or not any more.
        """
        body = {**self._first, "message": message}
        if self.conversation_id is not None:
            body["conversation_id"] = self.conversation_id
        turn, is_stopped = FollowedTurn(self._client, body), False
        while True:
            try:
                return self._show_all(turn)
            except KeyboardInterrupt:
                # Before it has begun there is nothing to stop; and who asks twice wants to leave.
                if turn.turn_id is None or is_stopped:
                    raise
                is_stopped = True
                turn.cancel()
            except CommandFailed as failure:
                self._flush()
                self._complain(str(failure))
                return False

    def _show_all(self, turn: FollowedTurn) -> bool:
        kind = ""
        with closing(turn.events()) as events:
            for kind, data in events:
                self._show(kind, data)
        if kind == "turn.completed":
            self._first = {}
        # Whoever stops an answer in the middle of a conversation got what they wanted.
        return kind == "turn.completed" or (kind == "turn.cancelled" and self._is_terminal)

    def _lines(self) -> Iterator[str]:
        while True:
            try:
                is_typed = self._is_terminal and sys.stdin.isatty()
                yield (input("> ") if is_typed else read_line()).strip()
            except (EOFError, KeyboardInterrupt):
                if self._is_terminal:
                    self._console.print()
                return

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
                stopped = "[Stopped. Your message is kept.]"
                self._line(f"\n{stopped}") if self._is_terminal else self._complain(stopped)

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
        *whole, self._paragraph = _paragraphs(self._paragraph)
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
        about = (
            f"{reply['agent']} · {usage['model']} · {cost} · {reply['duration_ms'] / 1000:.1f} s · "
            f"conversation {reply['conversation_id']}"
        )
        if self._is_terminal:
            self._note(about)
        else:
            typer.echo("")
            typer.echo(f"greenroom: {printable(about)}", err=True)

    def _note(self, text: str) -> None:
        """Something beside the answer, which is not what a pipe is for."""
        if self._is_terminal:
            self._console.print(Text(printable(text), style="dim"))

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
                self.conversation_id, self._questions, self._first = None, [], self._given
                self._line("A new conversation.")
            case "/card", [number]:
                return self._show_card(number)
            case "/export", [file_format, *path]:
                return self._export(file_format, " ".join(path))
            case _:
                self._complain(f"{line} is not known here; /help says what is")
                return False
        return True

    def _show_card(self, number: str) -> bool:
        if not self._questions and self.conversation_id is not None:
            # The conversation may be older than this terminal. The newest of its sets stands last.
            kept = answer_of(self._client.get(f"/api/v1/conversations/{self.conversation_id}")).json()
            self._questions = [question for each in kept["question_sets"][-1:] for question in each["questions"]]
        found = [question for question in self._questions if str(question["position"]) == number]
        if not found:
            self._complain(f"there is no question {number} here")
            return False
        if self._is_terminal:
            self._console.print(_card(found[0], is_whole=True))
        else:
            typer.echo(printable("\n".join(f"{title}: {text}" for title, text in _details(found[0]))))
        return True

    def _export(self, file_format: str, path: str) -> bool:
        if self.conversation_id is None:
            self._complain("there is nothing to save yet")
            return False
        target = Path(path or f"questions.{'md' if file_format == 'markdown' else file_format}")
        try:
            content = exported(self._client, self.conversation_id, format=file_format)
            target.write_bytes(content)
        except OSError as error:
            self._complain(f"cannot write {target}: {error.strerror}")
            return False
        self._line(f"{target}: {len(content)} bytes")
        return True


def _paragraphs(text: str) -> list[str]:
    """What stands between empty lines; a fenced block stays whole."""
    parts: list[str] = []
    for part in text.split("\n\n"):
        if parts and parts[-1].count("```") % 2:
            parts[-1] += f"\n\n{part}"
        else:
            parts.append(part)
    return parts


def _card(question: Mapping[str, Any], *, is_whole: bool = False) -> Panel:
    about = f"{question['difficulty']} · {question['category'].replace('_', ' ')} · {question['time_minutes']} min"
    lines = [Text(printable(question["text"]), style="bold")]
    if question["requirement"]:
        lines.append(Text(f"\u201c{printable(question['requirement'])}\u201d", style="italic"))
    if is_whole:
        lines.extend(Text.assemble((f"\n{title}: ", "bold"), printable(text)) for title, text in _details(question)[1:])
    return Panel(
        Group(*lines),
        # As `Text`: in a string, rich would look for markup.
        title=Text(f"Question {question['position']}"),
        title_align="left",
        subtitle=Text(printable(about)),
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
