"""A page of its own that reads well on a screen and on paper, in every script, and loads and runs nothing."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from html import escape

from app.exports.document import ExportDocument, tags
from app.exports.rendering import safe_markdown
from app.orchestration.questions import Question

STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, "Noto Sans", sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; }
.job { font-weight: 600; margin: 0; }
.facts, .tags { color: GrayText; font-size: .9rem; margin: 0; }
section { border-top: 1px solid; border-color: color-mix(in srgb, currentColor 25%, transparent); margin-top: 1.75rem; }
h2 { font-size: 1.05rem; margin: 1rem 0 .25rem; break-after: avoid; }
h3 { font-size: .9rem; margin: .9rem 0 .1rem; break-after: avoid; }
.question { font-size: 1.1rem; font-weight: 600; }
.text { overflow-wrap: anywhere; }
.text p { margin: .15rem 0; }
.text :is(p, li, td, th, blockquote) { unicode-bidi: plaintext; text-align: start; }
ul, ol { margin: .15rem 0; padding-inline-start: 1.5rem; }
blockquote { margin: .3rem 0; padding-inline-start: .75rem; border-inline-start: 3px solid; }
pre { overflow-x: auto; white-space: pre-wrap; padding: .6rem; border: 1px solid; border-radius: .3rem; }
code { font-family: ui-monospace, "Noto Sans Mono", monospace; font-size: .92em; }
table { border-collapse: collapse; }
td, th { border: 1px solid; padding: .2rem .5rem; }
@page { margin: 18mm 16mm; }
@media print {
  body { max-width: none; margin: 0; padding: 0; font-size: 10.5pt; }
  section { break-inside: avoid-page; }
}
"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"
"""Nothing is loaded and nothing runs; the one style sheet is known by its hash."""


def as_html(document: ExportDocument) -> bytes:
    """The document as one HTML file in UTF-8. The headings are English; texts are of whatever language they are."""
    return ("\n".join(_Page().lines(document)) + "\n").encode()


class _Page:
    """Writes the page of one document; the renderer is not shared between threads."""

    def __init__(self) -> None:
        self._markdown = safe_markdown()

    def lines(self, document: ExportDocument) -> Iterator[str]:
        title = escape(document.title)
        yield from ("<!doctype html>", '<html lang="en">', "<head>", '<meta charset="utf-8">')
        yield f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        yield '<meta name="referrer" content="no-referrer">'
        yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
        yield f"<title>{title}</title>"
        yield f"<style>{STYLE}</style>"
        yield from ("</head>", "<body>", "<main>", f"<h1>{title}</h1>")
        if document.job_title:
            yield f'<p class="job" lang="" dir="auto">{escape(document.job_title)}</p>'
        yield f'<p class="facts">{escape(document.facts)}</p>'
        for question in document.question_set.questions:
            yield from ("<section>", *self._question(question), "</section>")
        if document.question_set.recommendations:
            yield from ("<section>", "<h2>Before the interview</h2>")
            yield from (self._items(document.question_set.recommendations), "</section>")
        yield from ("</main>", "</body>", "</html>")

    def _question(self, question: Question) -> Iterator[str]:
        yield f"<h2>Question {question.position}</h2>"
        yield self._text(question.text, style="text question")
        yield f'<p class="tags" dir="auto">{escape(tags(question))}</p>'
        if question.case:
            yield from self._named("Scenario", question.case.scenario)
            yield from self._list("Data", question.case.data)
        yield from self._named("From the posting", question.requirement)
        yield from self._named("What tells this level", question.level_signal)
        yield from self._list("A good answer", question.evaluation_criteria)
        if question.case:
            yield from self._list("Expected approach", question.case.expected_approach, is_ordered=True)
        yield from self._list("Follow-ups", question.follow_ups)
        yield from self._list("Hints, one at a time", question.hints, is_ordered=True)
        yield from self._named("Framework", question.sample_framework)

    def _named(self, name: str, text: str | None) -> Iterator[str]:
        if text:
            yield from (f"<h3>{name}</h3>", self._text(text))

    def _list(self, name: str, texts: Sequence[str], *, is_ordered: bool = False) -> Iterator[str]:
        if texts:
            yield from (f"<h3>{name}</h3>", self._items(texts, is_ordered=is_ordered))

    def _items(self, texts: Sequence[str], *, is_ordered: bool = False) -> str:
        tag = "ol" if is_ordered else "ul"
        items = "".join(f"<li>{self._text(text)}</li>" for text in texts)
        return f"<{tag}>{items}</{tag}>"

    def _text(self, text: str, *, style: str = "text") -> str:
        """What a model or the candidate wrote; its language is unknown, its direction that of its first letter."""
        return f'<div class="{style}" lang="" dir="auto">{self._markdown.render(text).strip()}</div>'
