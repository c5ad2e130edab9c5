import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from semantic_kernel.contents import ChatHistory

from app.bank.questions import Difficulty, ExperienceLevel, QuestionBank
from app.core.config import REPOSITORY_ROOT
from app.core.fences import fence
from app.providers.offline.composition import DISCLOSURE
from app.providers.offline.engine import Engine
from app.providers.offline.persona import plain_voice
from tests.bank.test_questions import ITEM, write_bank
from tests.providers.offline.calls import (
    POSTING,
    TECHNIQUES,
    TYPES,
    as_current,
    produce,
    prompt,
    real_bank,
    real_engine,
    said,
    texts,
)

JOB_DESCRIPTIONS = REPOSITORY_ROOT.parent / "shared" / "data" / "job_descriptions.jsonl"
NURSE = (
    "Registered Nurse\nRequirements\n- Medication rounds on a surgical ward\n- Calm with relatives\n- Triage experience"
)

SMALL = [
    ("a-1", "mid", "easy", "sql", "How would you find the slow query?", "You may not restart it."),
    ("a-2", "mid", "hard", "sql", "How would you prove that an index helps?", "Writes must not slow down."),
    ("a-3", "senior", "hard", "architecture", "How would you split one database into two?", "Nobody may notice."),
]


def small_engine(folder: Path) -> Engine:
    (usual,) = yaml.safe_load(ITEM)
    keys = ("id", "difficulty", "category", "text", "twist")
    for level in ("mid", "senior"):
        rows = [(name, *values) for name, at, *values in SMALL if at == level]
        items = [{**usual, **dict(zip(keys, values, strict=True)), "skills": ["sql"]} for values in rows]
        write_bank(folder, yaml.safe_dump(items), "technical", f"{level}.yaml")
    return Engine(QuestionBank.load(folder))


@pytest.mark.parametrize("level", ExperienceLevel)
@pytest.mark.parametrize("interview_type", TYPES)
def test_as_many_questions_as_asked_for_and_none_twice(interview_type: str, level: ExperienceLevel) -> None:
    for count in range(1, 21):
        document = produce(interview_type=interview_type, level=level, count=count)
        assert len(set(texts(document))) == count


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("interview_type", TYPES)
def test_the_output_keeps_the_contract(interview_type: str, technique: str) -> None:
    document = produce(interview_type=interview_type, technique=technique)
    assert list(document) == ["coverage_plan", "summary", "experience_level", "questions", "recommendations"]
    plan = document["coverage_plan"]
    assert len(plan) == (len(document["questions"]) if technique == "chain_of_thought" else 0)
    assert all(list(row) == ["requirement", "competency", "level_signal", "minutes"] for row in plan)
    assert document["summary"].startswith(DISCLOSURE)
    assert 3 <= len(document["recommendations"]) <= 5
    assert len(set(document["recommendations"])) == len(document["recommendations"])
    for question in document["questions"]:
        assert question["difficulty"] in set(Difficulty)
        assert question["requirement"] is None or question["requirement"] in POSTING
        assert ("case" in question) is (interview_type == "case_study")
        assert len(question["hints"]) == 3


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_the_same_call_gives_the_same_output(technique: str) -> None:
    assert produce(technique=technique) == produce(technique=technique)


def test_other_postings_and_techniques_give_other_sets() -> None:
    sets = [texts(produce(technique=technique)) for technique in TECHNIQUES]
    assert len({tuple(found) for found in sets}) == len(TECHNIQUES)
    assert not set(sets[0]) & set(texts(produce(posting=NURSE)))


def test_questions_follow_what_the_posting_names_and_quote_it() -> None:
    requirements = [question["requirement"] for question in produce()["questions"]]
    assert "Tune PostgreSQL queries for List<String> & R&D reports" in requirements
    assert "Run Kafka consumers that never lose an order" in requirements
    assert "Five years with Kubernetes" in requirements


def test_no_requirement_takes_more_than_its_share() -> None:
    requirements = [question["requirement"] for question in produce(count=10)["questions"]]
    assert all(requirements.count(requirement) <= 4 for requirement in requirements if requirement)


def test_what_stands_beside_the_job_is_no_requirement() -> None:
    assert not any("since 1998" in str(question["requirement"]) for question in produce(count=20)["questions"])


def test_a_behavioral_set_quotes_what_speaks_for_its_competencies() -> None:
    document = produce(interview_type="behavioral")
    quoted = {question["category"]: question["requirement"] for question in document["questions"]}
    assert "Mentor two juniors" in quoted.values() or "Clear written communication with stakeholders" in quoted.values()


def test_a_nurse_gets_no_software_questions_while_others_fit() -> None:
    questions = {question.text: question for question in real_bank().of_type("technical")}
    document = produce(posting=NURSE, level="mid")
    assert all("software" not in questions[text].fields for text in texts(document))


def test_a_topic_in_the_request_comes_first() -> None:
    questions = {question.text: question for question in real_bank().of_type("technical")}
    first = texts(produce(request="questions about SQL please", level="mid"))[0]
    assert "sql" in questions[first].skills
    leading = produce(interview_type="behavioral", request="only leadership ones", level="lead", count=3)
    assert {question["category"] for question in leading["questions"]} == {"leadership"}
    assert "leadership" in leading["summary"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"level": "lead"}, "at lead level,"),
        ({"level": None, "request": "I am a junior"}, "at junior level,"),
        ({"level": None}, "at senior level, as the posting suggests"),
        ({"level": None, "posting": ""}, "at mid level, assumed"),
    ],
)
def test_the_level_comes_from_settings_request_or_posting(fields: dict[str, Any], words: str) -> None:
    assert words in produce(**fields)["summary"]


def test_the_techniques_differ_in_order() -> None:
    even = [
        Difficulty(item["difficulty"]).rank for item in produce(technique="structured_output", count=6)["questions"]
    ]
    assert even == sorted(even)
    assert len(set(even)) == 3
    minutes = [item["time_minutes"] for item in produce(technique="zero_shot", count=6)["questions"]]
    assert minutes == sorted(minutes)
    planned = produce(technique="chain_of_thought", count=6)
    places = [POSTING.index(item["requirement"]) for item in planned["questions"] if item["requirement"]]
    assert places == sorted(places)
    assert [entry["requirement"] for entry in planned["coverage_plan"]] == [
        item["requirement"] for item in planned["questions"]
    ]


@pytest.mark.parametrize(
    ("interviewer", "opening"),
    [
        ({"style": "strict"}, "Be exact."),
        ({"style": "friendly"}, "Take your time."),
        ({"style": "sceptical"}, "I doubt"),
    ],
)
def test_an_interviewer_colours_voice_and_follow_ups_and_nothing_else(
    interviewer: dict[str, str], opening: str
) -> None:
    plain, coloured = produce(technique="role_based"), produce(technique="role_based", interviewer=interviewer)
    assert all(item["follow_ups"][0].startswith(opening) for item in coloured["questions"])
    assert texts(plain) != texts(coloured)
    for item in (*plain["questions"], *coloured["questions"]):
        del item["follow_ups"]
        item["text"] = plain_voice(item["text"])
        assert len(item["text"].split()) <= 45
    assert plain["questions"] == coloured["questions"]


def test_the_kind_of_company_and_a_described_interviewer_count_too() -> None:
    document = produce(interviewer={"style": "neutral", "company_type": "startup"})
    assert all("half the people" in item["follow_ups"][-1] for item in document["questions"])
    document = produce(technique="role_based", request="role play as a strict interviewer")
    assert all(item["follow_ups"][0].startswith("Be exact.") for item in document["questions"])


def test_seen_questions_do_not_come_back_until_the_bank_is_used_up(tmp_path: Path) -> None:
    seen: list[str] = []
    for _ in range(4):
        document = produce(seen=seen, count=10)
        assert not set(seen) & set(texts(document))
        seen += texts(document)
    engine = small_engine(tmp_path)
    first = produce(engine, level="mid", count=2)
    assert "How would you split" not in " ".join(texts(first))
    second = produce(engine, level="mid", count=2, seen=texts(first))
    assert texts(second) == ["How would you split one database into two?"]
    assert "no more than" in second["summary"]
    third = produce(engine, level="mid", count=2, seen=texts(first) + texts(second))
    assert len(texts(third)) == 2


def test_a_harder_version_of_a_seen_question_is_seen_too(tmp_path: Path) -> None:
    seen = ["How would you find the slow query? You may not restart it."]
    assert seen[0].partition("?")[0] not in " ".join(
        texts(produce(small_engine(tmp_path), level="mid", count=1, seen=seen))
    )


def revise(request: str, positions: list[int], **fields: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    before = produce(**fields)
    current = as_current(before)
    after = produce(positions=positions, current=current, seen=texts(before), request=request, **fields)
    assert len(after["questions"]) == len(positions)
    for position, question in zip(positions, after["questions"], strict=True):
        assert question["text"] != current[position - 1]["text"]
        assert question["text"] not in texts(before)
    return current, after


@pytest.mark.parametrize("interview_type", TYPES)
def test_harder_adds_a_constraint_to_the_same_question(interview_type: str) -> None:
    current, after = revise("make question 3 harder", [3], interview_type=interview_type, level="junior")
    old, new = current[2], after["questions"][0]
    assert new["text"].startswith(old["text"] + " ")
    assert new["time_minutes"] > old["time_minutes"]
    assert Difficulty(new["difficulty"]).rank == min(Difficulty(old["difficulty"]).rank + 1, 2)
    assert len(new["follow_ups"]) == len(old["follow_ups"]) + 1
    assert (new["category"], new["requirement"]) == (old["category"], old["requirement"])
    assert "Question 3 is harder now: " in after["summary"]


def test_harder_twice_is_another_harder_question() -> None:
    before = produce(level="junior")
    current = as_current(before)
    once = produce(positions=[1], current=current, seen=texts(before), request="harder", level="junior")
    current[0] = {**once["questions"][0], "position": 1}
    seen = texts(before) + texts(once)
    twice = produce(positions=[1], current=current, seen=seen, request="harder", level="junior")
    assert not twice["questions"][0]["text"].startswith(before["questions"][0]["text"])
    assert "another question" in twice["summary"]


def test_easier_takes_the_constraint_away_or_finds_an_easier_one() -> None:
    before = produce(level="senior")
    current = as_current(before)
    harder = produce(positions=[1], current=current, seen=texts(before), request="harder")
    current[0] = {**harder["questions"][0], "position": 1}
    easier = produce(positions=[1], current=current, seen=texts(before), request="make 1 easier")
    assert texts(easier) == texts(before)[:1]
    hard = next(place for place, item in enumerate(before["questions"], start=1) if item["difficulty"] == "hard")
    other = produce(positions=[hard], current=as_current(before), seen=texts(before), request="easier")
    assert Difficulty(other["questions"][0]["difficulty"]).rank < 2


def test_a_topic_replaces_the_question_by_one_about_it() -> None:
    questions = {question.text: question for question in real_bank().of_type("technical")}
    _, after = revise("swap 2 for security and 4 for Kubernetes", [2, 4], level="senior")
    first, second = (questions[text] for text in texts(after))
    assert first.category == "security" or "security" in first.skills
    assert "kubernetes" in second.skills
    assert "Question 2 is about security now." in after["summary"]


def test_a_topic_that_the_bank_does_not_know_is_said_so() -> None:
    _, after = revise("swap 2 for quantum annealing", [2])
    assert "nothing about quantum annealing" in after["summary"]


def test_replacements_with_the_same_change_share_a_sentence() -> None:
    _, after = revise("replace 1 and 4", [1, 4])
    assert "Questions 1 and 4 are new." in after["summary"]


def test_replacing_keeps_the_topic() -> None:
    current, after = revise("replace 2", [2], interview_type="behavioral", level="senior")
    assert after["questions"][0]["category"] == current[1]["category"]


def test_shorter_drops_the_twist_or_the_sentence_in_between() -> None:
    two = next(question for question in real_bank().of_type("technical") if question.text.count(". ") == 2)
    current = [{"position": 1, "text": two.text, "difficulty": two.difficulty, "category": two.category}]
    fields: dict[str, Any] = {"change": "reword", "positions": [1], "seen": [two.text], "level": two.level}
    shorter = produce(current=current, request="shorter", **fields)
    assert len(texts(shorter)[0]) < len(two.text)
    assert texts(shorter)[0].split(".")[0] == two.text.split(".")[0]
    current[0]["text"] = f"{two.text} {two.twist}"
    assert texts(produce(current=current, request="shorter", **fields)) == [two.text]


def test_a_rewording_brings_every_question_also_one_that_is_not_the_banks() -> None:
    current = [{"position": 1, "text": "Written by a model?", "difficulty": "hard", "category": "security"}]
    document = produce(change="reword", positions=[1], current=current, request="shorter")
    assert [(item["text"], item["difficulty"]) for item in document["questions"]] == [("Written by a model?", "hard")]


def test_there_is_nothing_to_mend() -> None:
    chat = ChatHistory(system_message="You mend.")
    chat.add_user_message("Needs: " + fence("needs", "{}", "0a1b2c3d") + prompt())
    assert json.loads(said(real_engine().decide(chat, None)))["questions"] == []


def test_no_worked_example_of_the_prompt_is_given_as_a_question() -> None:
    shown = produce()["questions"][0]["text"]
    chat = ChatHistory(system_message=f"Examples: {json.dumps({'text': shown})}")
    chat.add_user_message(prompt())
    assert shown not in texts(json.loads(said(real_engine().decide(chat, None))))


def test_a_question_that_is_not_the_banks_is_replaced_whole() -> None:
    current = [{"position": 1, "text": "Written by a model?", "difficulty": "easy", "category": "security"}]
    after = produce(positions=[1], current=current, request="make 1 harder")
    assert Difficulty(after["questions"][0]["difficulty"]).rank >= 1
    assert after["questions"][0]["category"] == "security"


@pytest.mark.parametrize("request_text", ["harder", "easier", "replace them", "swap for SQL"])
@pytest.mark.parametrize("interview_type", TYPES)
def test_a_whole_set_can_be_changed_again_and_again(interview_type: str, request_text: str) -> None:
    document = produce(interview_type=interview_type, level="mid")
    current, seen = as_current(document), texts(document)
    for _ in range(5):
        after = produce(
            interview_type=interview_type,
            level="mid",
            positions=[1, 2, 3, 4, 5],
            current=current,
            seen=seen,
            request=request_text,
        )
        assert len(after["questions"]) == 5
        assert len(set(texts(after))) == 5
        for old, new in zip(current, after["questions"], strict=True):
            assert old["text"] != new["text"]
        current, seen = as_current(after), seen + texts(after)


def test_a_type_without_a_bank_borrows_general_questions_and_says_so(tmp_path: Path) -> None:
    engine = Engine(QuestionBank.load(write_bank(tmp_path, ITEM, "salary")))
    document = produce(engine, interview_type="networking", level="mid", count=1)
    assert texts(document) == ["What would you answer to a low offer?"]
    assert document["questions"][0]["category"] == "offers"
    assert "no bank for networking yet" in document["summary"]
    real = produce(interview_type="salary_negotiation", count=5)
    assert len(set(texts(real))) == 5
    assert all("case" not in item for item in real["questions"])


def test_an_empty_bank_gives_an_empty_set(tmp_path: Path) -> None:
    assert produce(Engine(QuestionBank.load(tmp_path)))["questions"] == []


@pytest.mark.parametrize("piece", ["ai ", "sql\n", "lead, ", "<b>", "- Kafka (and) "])
def test_a_long_odd_posting_gives_a_whole_set(piece: str) -> None:
    assert len(produce(posting=(piece * 20_000)[:20_000])["questions"]) == 5


def test_recommendations_follow_the_set() -> None:
    one, other = produce()["recommendations"], produce(posting=NURSE, level="junior")["recommendations"]
    assert not set(one) & set(other)
    assert any("Kafka" in step or "PostgreSQL" in step or "Kubernetes" in step for step in one)
    assert any("Paste the job posting" in step for step in produce(posting="")["recommendations"])


@pytest.mark.skipif(not JOB_DESCRIPTIONS.is_file(), reason="the shared job descriptions are not here")
@pytest.mark.parametrize("interview_type", TYPES)
def test_real_postings_get_full_sets_with_verbatim_requirements(interview_type: str) -> None:
    rows = [json.loads(line) for line in JOB_DESCRIPTIONS.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        document = produce(interview_type=interview_type, level=row["level"], posting=row["text"])
        assert len(set(texts(document))) == 5
        assert all(item["requirement"] is None or item["requirement"] in row["text"] for item in document["questions"])
