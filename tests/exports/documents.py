"""Documents to export: ordinary ones, and ones whose every text attacks a format."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.bank.questions import ExperienceLevel
from app.exports.document import ExportDocument
from app.orchestration.questions import Case, Question
from tests.conversations.stories import question, question_set

EXPORTED_AT = datetime(2026, 9, 7, 12, 30, tzinfo=UTC)
CONVERSATION_ID = UUID("2331bd87-f445-4569-9270-326b20e970eb")

SCRIPTS = {
    "Latin": "Où êtes-vous allé? Łódź, Việt Nam",
    "Greek": "Πώς θα το κάνατε;",
    "Cyrillic": "Как бы вы это сделали?",
    "Chinese": "请描述一次您解决复杂系统故障的经历",
    "Japanese": "どのように設計しますか",
    "Korean": "어떻게 하시겠습니까",
    "Arabic": "كيف تتعامل مع فشل النظام",
    "Hebrew": "מה הייתה הסיבה",
    "Devanagari": "आप इसे कैसे करेंगे क्षत्रिय",
    "Thai": "คุณจะทำอย่างไร",
    "Bengali": "আপনি কীভাবে করবেন",
    "Tamil": "நீங்கள் எப்படி செய்வீர்கள்",
    "Telugu": "మీరు ఎలా చేస్తారు",
    "Lao": "ທ່ານຈະເຮັດແນວໃດ",
    "Khmer": "តើអ្នកនឹងធ្វើដូចម្តេច",
    "Myanmar": "ဘယ်လိုလုပ်မလဲ",
}
"""A sentence in every script that the packaged fonts cover."""

HOSTILE = (
    '=HYPERLINK("http://evil.example","x")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "  \u3000=1+1",
    "\uff1d1+1",
    'a";=1+1;"',
    "line one\n=1+1\n\n- item\n# heading\n===\n1. one",
    '#import "evil.typ": *\n#eval("1+1") #{read("/etc/passwd")} $x^2$ <label> @ref',
    "\\u{41} \\n \\ \\\\ `code` ```raw```",
    "<script>alert(1)</script><img src=x onerror=alert(1)> &lt; &#60;",
    "[link](javascript:alert(1)) ![image](http://evil.example/x.png) <http://evil.example>",
    "[ref]: http://evil.example\nhttp://evil.example www.evil.example mail@evil.example",
    "# heading\n> quote\n| a | b |\n| - | - |\n*em* **strong** _em_ ~~gone~~\n***\n    code",
    "\"; DROP 'quotes' \"\" ''\n\"",
    "\x01\x02\x07\x1b[31m\x7f\x85\u2028\u2029",
    "\u202egnp.exe \u2066isolated\u2069 \ufeff\u200b\u00ad",
    "w" * 200,
    "ب" * 200,
    "漢" * 200,
    "\U0001f600 \U0001f469\u200d\U0001f4bb \U0001f1e9\U0001f1ea \U0001f44d\U0001f3fd",
    *SCRIPTS.values(),
    "\ue000\U0010ffff\u0378",
)
"""No NUL and no half of a surrogate pair, which no database takes."""


def full_question(position: int = 1, text: str = "How would you do it?", **changes: Any) -> Question:
    """A question with every field filled, each with a word of its own."""
    fields: dict[str, Any] = {
        "difficulty": "hard",
        "category": "system_design",
        "time_minutes": 15,
        "requirement": "the requirement",
        "level_signal": "the signal",
        "evaluation_criteria": ["criterion one", "criterion two"],
        "follow_ups": ["follow-up one", "follow-up two"],
        "hints": ["hint one", "hint two"],
        "sample_framework": "the framework",
        "case": Case(scenario="the scenario", data=["datum one"], expected_approach=["approach one"]),
    }
    return question(position, text, **fields | changes)


def filled_with(text: str, position: int = 1) -> Question:
    """A question with this text wherever text can stand."""
    case = Case(scenario=text, data=[text], expected_approach=[text])
    # Stored questions are read back without validation of our own; so may anything else be that a model wrote.
    return full_question(position).model_copy(
        update={
            "text": text,
            "category": text,
            "requirement": text,
            "level_signal": text,
            "evaluation_criteria": [text, text],
            "follow_ups": [text],
            "hints": [text],
            "sample_framework": text,
            "case": case.model_copy(update={"scenario": text, "data": [text], "expected_approach": [text]}),
        }
    )


def document(*questions: Question, job_title: str | None = "Backend Engineer", **changes: Any) -> ExportDocument:
    """A document of these questions; `changes` are fields of the set."""
    fields: dict[str, Any] = {
        "revision": 3,
        "experience_level": ExperienceLevel.SENIOR,
        "recommendations": ("recommendation one", "recommendation two"),
    }
    return ExportDocument(CONVERSATION_ID, question_set(*questions, **fields | changes), job_title, EXPORTED_AT)


def hostile_document() -> ExportDocument:
    """Every hostile text in every field."""
    questions = (filled_with(text, position) for position, text in enumerate(HOSTILE, 1))
    return document(*questions, job_title=HOSTILE[0], recommendations=HOSTILE)
