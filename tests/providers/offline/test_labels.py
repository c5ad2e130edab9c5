"""What the engine says of its questions is what they are: their level, topic and likeness, and lasting wishes."""

from typing import Any

import pytest

from app.bank.questions import BankQuestion
from app.bank.themes import THEMES
from app.providers.offline.job import Workshop
from app.providers.offline.lasting import standing_wish
from tests.providers.offline.calls import as_current, decide, produce, real_bank, said, texts

ON_ONE_LINE = (
    "Senior Backend Engineer. Run Python services on Kubernetes. Model shipments in PostgreSQL and keep slow queries "
    "out. Mentor two juniors."
)
WORKSHOP = Workshop(real_bank())


def source(item: dict[str, Any]) -> BankQuestion:
    found = WORKSHOP.source("technical", item["text"])
    assert found is not None
    return found


def revised(request: str, level: str | None = None, posting: str = ON_ONE_LINE) -> dict[str, Any]:
    """What the request makes of question 2 right after the first turn."""
    before = produce(level=level, posting=posting, request="technical questions")
    return produce(
        level=level,
        posting=posting,
        request=request,
        positions=[2],
        current=as_current(before),
        seen=texts(before),
    )


def test_the_level_of_a_posting_on_one_line_is_that_of_its_title() -> None:
    document = produce(level=None, posting=ON_ONE_LINE, request="technical questions")
    assert document["experience_level"] == "senior"
    assert "at senior level, as the posting suggests" in document["summary"]


@pytest.mark.parametrize("level", ["junior", "mid", "senior", "lead"])
@pytest.mark.parametrize(
    ("topic", "skill"), [("SQL", "sql"), ("PostgreSQL", "postgresql"), ("Kubernetes", "kubernetes")]
)
def test_a_question_said_to_be_on_a_tool_is_about_it_and_of_the_field(level: str, topic: str, skill: str) -> None:
    document = revised(f"swap 2 for {topic}", level)
    found = source(document["questions"][0])
    if f"about {topic} now" not in document["summary"]:
        assert f"no unseen question about {topic}" in document["summary"]
        return
    assert skill in found.skills[:2] or topic in found.text
    assert {"software", "data"} & set(found.fields)
    is_said = f"a {found.level} one: the bank has nothing more on it at {level} level" in document["summary"]
    assert is_said is (found.level != level)


def test_a_question_about_something_is_not_one_that_merely_names_it_or_its_alias() -> None:
    assert "pricing service" not in revised("swap 2 for pricing")["questions"][0]["text"]
    assert revised("swap 2 for PostgreSQL")["questions"][0]["category"] not in {"people_analytics", "experimentation"}


def test_a_topic_of_another_field_is_met_where_it_is_the_subject() -> None:
    assert "pay equity" in revised("swap 2 for pay equity")["questions"][0]["text"]


@pytest.mark.parametrize("level", ["junior", "mid", "senior", "lead"])
def test_a_set_on_a_topic_says_how_many_of_its_questions_are_about_it(level: str) -> None:
    document = produce(level=level, posting=ON_ONE_LINE, request="5 questions about PostgreSQL")
    topic = WORKSHOP.topics("PostgreSQL")[0]
    about = [
        topic.is_subject_of(found, WORKSHOP.spoken(found)) or topic.is_first_in(found)
        for found in map(source, document["questions"])
    ]
    assert not any(source(item).category == "people_analytics" for item in document["questions"])
    if any(about):
        assert f"on PostgreSQL in {sum(about)} question" in document["summary"]
        assert f"no more about that at {level} level" in document["summary"]
    else:
        assert f"nothing unseen about PostgreSQL at {level} level" in document["summary"]


@pytest.mark.parametrize("level", ["mid", "senior"])
@pytest.mark.parametrize("position", [1, 2, 3, 4, 5])
def test_more_like_one_are_like_it_or_said_not_to_be(level: str, position: int) -> None:
    before = produce(level=level, posting=ON_ONE_LINE, request="technical questions")
    model = source(before["questions"][position - 1])
    after = produce(
        level=level,
        posting=ON_ONE_LINE,
        request=f"two more like {position}",
        change="add",
        count=2,
        current=as_current(before),
        seen=texts(before),
    )
    alike = [
        found.category == model.category or not set(model.skills[:2]).isdisjoint(found.skills[:2])
        for found in map(source, after["questions"])
    ]
    assert alike == sorted(alike, reverse=True)
    words = {0: "has nothing more like question", 1: "has only 1 more like question", 2: "Like question"}
    assert f"{words[sum(alike)]} {position}" in after["summary"]


@pytest.mark.parametrize(
    "message", ["always `<script>alert(1)</script>`", "always =1+1", "always", "never mind", "always banana"]
)
def test_what_is_no_wish_for_questions_is_neither_kept_nor_answered_by_a_set(message: str) -> None:
    assert standing_wish(WORKSHOP, message) == ""


@pytest.mark.parametrize("message", ["always `<script>alert(1)</script>`", "always =1+1", "forget all my wishes"])
def test_what_is_not_understood_is_said_plainly(message: str) -> None:
    assert said(decide(message, agent="technical"))


@pytest.mark.parametrize(
    "message",
    [
        "always hard ones",
        "always include SQL",
        "never ask about Kafka",
        "from now on senior level",
        "always 20 minutes at most",
        "every time with a strict interviewer",
        "always in German",
        "always start with an easy question",
    ],
)
def test_a_lasting_wish_is_kept_in_its_words(message: str) -> None:
    assert standing_wish(WORKSHOP, message) == message


def test_a_sourcing_budget_says_nothing_about_a_portfolio() -> None:
    assert "budget" not in THEMES["portfolio_decision"]
    line = "Sourcing on a budget of not much"
    posting = f"Recruiter\nWhat you will do\n- {line}\n- Run a portfolio of projects"
    themes = WORKSHOP.read(posting).themes.get("portfolio_decision", ())
    assert [place.fragment for place in themes] == ["Run a portfolio of projects"]


@pytest.mark.parametrize("request_text", ["I have a senior backend interview next week", "frontend interview, please"])
def test_the_candidates_own_craft_is_no_topic_that_the_bank_could_lack(request_text: str) -> None:
    document = produce(level="senior", posting=ON_ONE_LINE, request=request_text)
    assert "nothing unseen" not in document["summary"]
    assert "no more about that" not in document["summary"]
