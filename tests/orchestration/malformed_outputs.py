# ruff: noqa: RUF001  # Other scripts are what is tested.
"""Outputs of techniques as models of all sizes write them when they forget the contract, collected by hand."""

import json
import re
from dataclasses import dataclass
from html import escape
from typing import Any

from app.orchestration.contract import OUTPUT_CONTRACT, OUTPUT_SCHEMA


@dataclass(frozen=True)
class Malformed:
    """One output, and the questions that a patient person would find in it whole."""

    text: str
    whole: tuple[str, ...]


INDEX = "Which index would you add first, and how would you prove that it helps?"
CONFLICT = "Tell me about a conflict with a peer that you did not win."
TWICE = "How would you keep a booking from being stored twice?"
ALL = (TWICE, CONFLICT, INDEX)


def _item(text: str) -> dict[str, Any]:
    return {
        "text": text,
        "difficulty": "medium",
        "time_minutes": 10,
        "requirement": None,
        "evaluation_criteria": ["Names the failure first", "Explains what was measured, and how."],
        "follow_ups": ["How do you know?", "What changes with two regions?"],
        "hints": ["Think of the retry."],
    }


ITEMS = [_item(text) for text in ALL]
A, B, C = (json.dumps(item) for item in ITEMS)
DOCUMENT = {"summary": "Three questions.", "questions": ITEMS, "recommendations": ["Describe one incident aloud."]}
GOOD, INDENTED = json.dumps(DOCUMENT), json.dumps(DOCUMENT, indent=2)
PYTHON = str(DOCUMENT)
HALF = INDENTED[: INDENTED.index("peer")]
NUMBERED = "\n".join(f"{number}. {text}" for number, text in enumerate(ALL, 1))
BULLETED = "\n".join(f"- {text}" for text in ALL)
DETAILED = "\n\n".join(
    f"{number}. **{text}**\n   - **Difficulty:** Medium\n   - **Follow-ups:**\n     1. How do you know?\n"
    f"     2. What changes with two regions?\n   - **Hints:** Think of the retry."
    for number, text in enumerate(ALL, 1)
)
YAML = "\n".join(
    f"  - text: {text}\n    difficulty: medium\n    follow_ups:\n      - How do you know?\n    hints: []"
    for text in ALL
)


def _renamed(**names: str) -> str:
    text = GOOD
    for name, other in names.items():
        text = text.replace(f'"{name}":', f'"{other}":')
    return text


def _strings(quote: str = '"') -> str:
    return ", ".join(f"{quote}{text}{quote}" for text in ALL)


def _all(**texts: str) -> dict[str, Malformed]:
    return {form.replace("_", " "): Malformed(text, ALL) for form, text in texts.items()}


def _of(whole: tuple[str, ...], **texts: str) -> dict[str, Malformed]:
    return {form.replace("_", " "): Malformed(text, whole) for form, text in texts.items()}


FENCES_AND_PROSE = _all(
    fence=f"```json\n{INDENTED}\n```",
    fence_of_no_language=f"```\n{GOOD}\n```",
    fence_of_tildes=f"~~~json\n{GOOD}\n~~~",
    fence_that_stays_open=f"```json\n{INDENTED}",
    fence_of_four_within_prose=f"Sure!\n````JSON5\n{GOOD}\n````\nShall I go on?",
    fence_for_each_question=f"First:\n```json\n{A}\n```\nThen:\n```json\n{B}\n```\nLast:\n```json\n{C}\n```",
    prose_before_and_after=f"Sure, here's the set you asked for:\n\n{GOOD}\n\nWould you like more questions?",
    apology_before=f"I'm sorry, the last answer wasn't JSON. Here's the corrected one: {GOOD}",
    braces_in_the_prose=f"Following {{the contract}}, and {{ so on, I'd say:\n{GOOD}",
    byte_order_mark=f"\ufeff{GOOD}",
    enormous_indentation=json.dumps(DOCUMENT, indent=60),
    end_of_sequence_sign=f"{GOOD}<|im_end|>\n<|im_start|>assistant\n",
    the_contract_echoed=f"{OUTPUT_CONTRACT}\n\n{GOOD}",
    the_schema_echoed=f"{json.dumps(OUTPUT_SCHEMA)}\n{GOOD}",
    a_shape_of_dots_before=f'{{"questions": [{{"text": "..."}}]}}\n{GOOD}',
    two_equal_documents=f"{GOOD}\n\n{INDENTED}",
    a_document_for_each_question="\n".join(f'{{"questions": [{item}]}}' for item in (A, B, C)),
    a_question_in_a_loop=f'{{"questions": [{A}, {B}, {C}, {", ".join([C] * 60)}',
)
THOUGHTS = _all(
    thought=f"<think>They want three. Maybe 'why?'</think>\n{GOOD}",
    draft_in_the_thought=f'<thinking>{{"questions": [{{"text": "Draft, or not?"}}]}} no.</thinking>{GOOD}',
    thoughts_without_an_opening=f'The user wants {{3}} "questions, so: one is odd" {{" hm.\n</think>\n\n{GOOD}',
    thought_before_markdown=f"<think>\n1. What is asked here?\n</think>\n\n{NUMBERED}",
    markdown_after_a_thought_without_opening=f"1. Is this the level they want?\n</think>\n\n{NUMBERED}",
    two_thoughts=f"<think></think>\n<reasoning>hm</reasoning>\n{GOOD}",
)
SHAPES = _all(
    bare_list=f"[{A}, {B}, {C}]",
    json_lines=f"{A}\n{B}\n{C}",
    under_result=f'{{"result": {{"data": {GOOD}}}}}',
    under_another_key=f'{{"items": [{A}, {B}, {C}]}}',
    list_under_interview_questions=_renamed(questions="Interview Questions"),
    map_by_number=f'{{"questions": {{"1": {A}, "2": {B}, "3": {C}}}}}',
    map_by_number_without_key=f'{{"1": {A}, "2": {B}, "3": {C}}}',
    grouped_by_level=f'{{"easy": [{A}], "hard": [{B}, {C}]}}',
    each_in_an_object=f'{{"questions": [{{"question": {A}}}, {{"question": {B}}}, {{"question": {C}}}]}}',
    strings=f'{{"summary": "s", "questions": [{_strings()}]}}',
    strings_in_a_bare_list=f"[{_strings()}]",
    strings_of_python=f"questions = [{_strings(chr(39))}]",
    strings_and_objects=f'{{"questions": ["{TWICE}", {B}, "{INDEX}"]}}',
    tool_call=f"<tool_call>{json.dumps({'name': 'submit', 'arguments': GOOD})}</tool_call>",
    tool_call_with_objects=f'{{"name": "submit", "arguments": {GOOD}}}',
    tool_call_cut_off=json.dumps({"name": "submit", "arguments": GOOD})[:-40],
    escaped_as_a_whole=json.dumps(GOOD),
    quotes_escaped=GOOD.replace('"', '\\"'),
    html_entities=escape(GOOD),
    keys_in_camel_case=_renamed(text="questionText", follow_ups="followUps", time_minutes="timeMinutes"),
    text_called_question=_renamed(text="question", evaluation_criteria="criteria"),
    text_called_prompt=_renamed(text="Prompt"),
    null_fields=GOOD.replace("10", "null").replace('["Think of the retry."]', "null"),
    empty_ones_between=f'{{"questions": [{{"text": ""}}, {A}, {{}}, null, {B}, {{"text": null}}, "", {C}]}}',
)
SYNTAX = _all(
    python=PYTHON,
    python_in_a_fence=f"```python\nresult = {PYTHON}\n```",
    trailing_commas=INDENTED.replace("}\n", "},\n").replace("]\n", "],\n"),
    comments=INDENTED.replace('"text"', '// the model\'s own\n"text"'),
    block_comments=INDENTED.replace('"text"', '/* one ask */ "text"'),
    keys_without_quotes=INDENTED.replace('"text":', "text:").replace('"hints":', "hints:"),
    no_key_has_quotes=_renamed(text="\0", questions="\1").replace('"\0"', "text").replace('"\1"', "questions"),
    smart_quotes=re.sub('"([^"]*)"', "\u201c\\1\u201d", GOOD),
    smart_quotes_around_keys=GOOD.replace('"text"', "\u201ctext\u201d"),
    raw_line_breaks=INDENTED.replace("Names the failure first", "Names\nthe failure\tfirst"),
    nan=GOOD.replace("10", "NaN"),
    list_that_stays_open=f'{{"questions": [{A}, {B}, {C}, "recommendations": ["x"]}}',
    no_commas_between=f'{{"questions": [{A}\n{B}\n{C}]}}',
    closing_braces_forgotten=f'{{"questions": [{A}, {B}, {C}',
    a_brace_too_many=GOOD.replace('"difficulty"', '}, "difficulty"', 1),
    an_inch_in_a_hint=GOOD.replace("Think of the retry", 'Think of the 5" pipe'),
    brackets_for_braces=f'{{"questions": [[{A}], [{B}], [{C}]]}}',
)
LISTS = _all(
    numbered=NUMBERED,
    numbered_to_prepare=f"Here are three questions to help you prepare for the interview:\n\n{NUMBERED}\n\nGood luck!",
    numbered_with_brackets=NUMBERED.replace(". ", ") ", 1).replace("2. ", "2) ").replace("3. ", "3) "),
    numbered_and_bold=f"**Interview questions**\n\n{DETAILED}\n\n### Tips\n\n1. Explain your choices aloud.",
    numbered_with_parts_at_the_margin="\n\n".join(
        f"**{number}. {text}**\n\n**Follow-ups:**\n1. How do you know?\n2. What changes?"
        for number, text in enumerate(ALL, 1)
    ),
    numbered_with_a_note=f"Note: I assumed mid level.\n\n{NUMBERED}\n\nLet me know if you'd like changes.",
    titles_above=f"### 1. Storage\n{TWICE}\n\n### 2. People\n{CONFLICT}\n\n### 3. Speed\n{INDEX}",
    headings_named_question=f"### Question 1\n\n{TWICE}\n\n### Question 2\n\n{CONFLICT}\n\n### Question 3\n\n{INDEX}",
    questions_named_in_bold=f"**Question 1:** {TWICE}\n\n**Question 2:** {CONFLICT}\n\n**Question 3:** {INDEX}",
    short_names=f"Q1: {TWICE}\nQ2: {CONFLICT}\nQ3: {INDEX}",
    names_without_number=f"Question: {TWICE}\nDifficulty: easy\n\nQuestion: {CONFLICT}\n\nQuestion: {INDEX}",
    parts_with_the_question="\n".join(
        f"{n}. **Topic {n}**\n   - Question: {t}\n   - Time: 5" for n, t in enumerate(ALL, 1)
    ),
    bulleted=f"Sure!\n\n{BULLETED}",
    bulleted_with_dots=BULLETED.replace("- ", "\u2022 "),
    table="| # | Question | Difficulty |\n|---|---|---|\n" + "\n".join(f"| 1 | {text} | easy |" for text in ALL),
    yaml=f"summary: Three questions.\nquestions:\n{YAML}\nrecommendations:\n  - Describe one incident aloud.",
    yaml_in_a_fence=f"```yaml\nquestions:\n{YAML}\n```",
    yaml_with_quotes="questions:\n" + "\n".join(f'- text: "{text}"\n  hints: []' for text in ALL),
    quoted_items="\n".join(f'{number}. "{text}"' for number, text in enumerate(ALL, 1)),
    xml="".join(f"<question><text>{text}</text><difficulty>easy</difficulty></question>\n" for text in ALL),
    plain_lines="\n\n".join(ALL),
)
LANGUAGES = {
    "German": Malformed(
        "Hier sind die Fragen:\n1. Wie verhindern Sie doppelte Buchungen?\n2. Beschreiben Sie einen Konflikt.",
        ("Wie verhindern Sie doppelte Buchungen?", "Beschreiben Sie einen Konflikt."),
    ),
    "German by name": Malformed("**Frage 1:** Wie messen Sie das?", ("Wie messen Sie das?",)),
    "French": Malformed("1. Comment mesurez-vous le succès ?\n", ("Comment mesurez-vous le succès ?",)),
    "Spanish": Malformed("- ¿Cómo mide usted el éxito?", ("¿Cómo mide usted el éxito?",)),
    "Chinese": Malformed("1、你如何处理冲突？\n2、请描述一次失败。", ("你如何处理冲突？", "请描述一次失败。")),
    "Chinese by name": Malformed("问题1：你如何处理冲突？", ("你如何处理冲突？",)),
    "Chinese JSON": Malformed('{"questions"：[{“text”：“你如何处理冲突？”}]}', ("你如何处理冲突？",)),
    "Japanese": Malformed('{"questions": ["どのように解決しましたか？"]}', ("どのように解決しましたか？",)),
    "Arabic": Malformed("1. كيف تتعامل مع الخلاف في الفريق؟", ("كيف تتعامل مع الخلاف في الفريق؟",)),
    "Russian": Malformed("1. Расскажите о конфликте в команде.", ("Расскажите о конфликте в команде.",)),
}
STRAY_QUOTES = {
    "a word in quotes": Malformed(
        '{"questions": [{"text": "How would you explain "eventual" to a lawyer?", "hints": ["x"]}, ' + B + "]}",
        ('How would you explain "eventual" to a lawyer?', CONFLICT),
    ),
    "a word in quotes before a comma": Malformed(
        f'{{"questions": [{{"text": "Did you ever say "no", and was it right?", "hints": []}}, {B}]}}',
        ('Did you ever say "no", and was it right?', CONFLICT),
    ),
    "a question in quotes": Malformed(
        f'{{"questions": [{{"text": "What does "Why?", asked five times, tell you?", "hints": []}}, {B}]}}',
        ('What does "Why?", asked five times, tell you?', CONFLICT),
    ),
    "one quote": Malformed(
        f'{{"questions": [{A}, {{"text": "Why is a 5" pipe not enough here?", "hints": []}}, {C}]}}',
        (TWICE, 'Why is a 5" pipe not enough here?', INDEX),
    ),
}
CUT_OFF = {
    **_of((TWICE,), in_the_second=HALF, in_a_fence=f"```json\n{HALF}", in_python=PYTHON[: PYTHON.index("peer")]),
    **_of((TWICE, CONFLICT), in_a_list=NUMBERED[:-9], after_a_comma=f'{{"questions": [{A}, {B},', in_a_key=GOOD[:-250]),
    **_of((TWICE, CONFLICT), in_strings=f'{{"questions": [{_strings()}'[:-9], bare_list_cut=f"[{A}, {B}, {C[:99]}"),
    **_of(
        (),
        in_a_follow_up='{"text": "How would you sto", "follow_ups": [{"question": "How do you know that?"}, {"que',
        in_the_plan='{"coverage_plan": [{"requirement": "Explain queries.", "text": "Which one is it?"}], "questi',
        in_the_thought=f"<think>Maybe so: {GOOD}",
        in_the_summary='{"summary": "How would you store it? These questi',
        in_the_first=INDENTED[: INDENTED.index("twice")],
        in_yaml="questions:\n  - text: How would you keep a book",
    ),
}
NOTHING = _of(
    (),
    nothing="",
    refusal="I'm sorry, but I can't help with that request.",
    refusal_as_json='{"error": "I cannot write these questions. Would you like something else?"}',
    empty_list='{"summary": "None fit.", "questions": [], "recommendations": ["Explain one query plan aloud."]}',
    empty_strings='{"questions": ["", "", " "]}',
    only_null="null",
    asks_back="Before I write these, could you tell me:\n\n1. What is the role?\n2. Which level do you aim for?",
    offers="I can't do that. Would you like me to:\n- explain the role of an interviewer?\n- describe a good answer?",
    advice="To prepare:\n\n- Describe one incident aloud.\n- Explain one query plan to a friend.",
    only_the_contract=OUTPUT_CONTRACT,
    only_the_schema=json.dumps(OUTPUT_SCHEMA),
    dots='{"questions": ["...", {"text": "..."}, {"text": "\u2026"}]}',
    answers='{"answers": ["Tell the customer the truth.", "Show the figures."], "recommendations": ["Explain it."]}',
    a_loop_of_nothing="the the " * 400,
)

COLLECTED: dict[str, dict[str, Malformed]] = {
    "fences and prose": FENCES_AND_PROSE,
    "thoughts": THOUGHTS,
    "shapes": SHAPES,
    "syntax": SYNTAX,
    "lists": LISTS,
    "languages": LANGUAGES,
    "stray quotes": STRAY_QUOTES,
    "cut off": CUT_OFF,
    "nothing": NOTHING,
}
