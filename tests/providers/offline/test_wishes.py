import pytest

from app.bank.questions import ExperienceLevel
from app.providers.offline.wishes import Change, change_in, count_in, level_in, positions_in


@pytest.mark.parametrize(
    ("message", "positions"),
    [
        ("make question 3 harder", (3,)),
        ("3 harder", (3,)),
        ("make 3 harder", (3,)),
        ("swap Q2 for SQL", (2,)),
        ("replace 1 and 4", (1, 4)),
        ("replace 1, 2 & 4", (1, 2, 4)),
        ("the third one is too easy", (3,)),
        ("make the first and third harder", (1, 3)),
        ("2nd one harder", (2,)),
        ("Q2, Q3 and 5 easier", (2, 3, 5)),
        ("questions 2-4 harder", (2, 3, 4)),
        ("questions 2 to 4 harder", (2, 3, 4)),
        ("replace question three", (3,)),
        ("the last one", (5,)),
        ("the last two", (4, 5)),
        ("the first two", (1, 2)),
        ("make 2 questions harder", (1, 2)),
        ("make all of them harder", (1, 2, 3, 4, 5)),
        ("is #5 realistic?", (5,)),
        ("make question 9 harder", (9,)),
        ("swap 2 for something on SQL and 5 for Kafka", (2, 5)),
        ("8 questions please", ()),
        ("give me 3 harder questions", ()),
        ("5 more", ()),
        ("another one", ()),
        ("I have 20 minutes", ()),
        ("I have 5 years of experience", ()),
        ("the first version was better", ()),
        ("it pays $90", ()),
        ("shorter", ()),
    ],
)
def test_positions(message: str, positions: tuple[int, ...]) -> None:
    assert positions_in(message, 5) == positions


@pytest.mark.parametrize(
    ("message", "change"),
    [
        ("make it harder", Change.HARDER),
        ("too easy", Change.HARDER),
        ("3 is too hard", Change.EASIER),
        ("simpler please", Change.EASIER),
        ("shorter", Change.SHORTER),
        ("the wording is too long", Change.SHORTER),
        ("swap 2", Change.REPLACE),
        ("I don't like number 2", Change.REPLACE),
        ("replace 2 with a harder one", Change.HARDER),
        ("why would they ask that?", None),
    ],
)
def test_changes(message: str, change: Change | None) -> None:
    assert change_in(message) is change


@pytest.mark.parametrize(
    ("message", "count"),
    [
        ("8 questions", 8),
        ("eight questions", 8),
        ("give me 3 harder questions", 3),
        ("5 more", 5),
        ("only 3", 3),
        ("3 technical, 2 behavioral", 3),
        ("100 questions", 20),
        ("0 questions", None),
        ("make question 3 harder", None),
        ("question 3 questions my skills", None),
        ("make 2 questions harder", None),
        ("2 of the questions are odd", None),
        ("I have 5 years of experience", None),
    ],
)
def test_counts(message: str, count: int | None) -> None:
    assert count_in(message, "technical") == count


@pytest.mark.parametrize(
    ("message", "level"),
    [
        ("I'm more junior than that", ExperienceLevel.MID),
        ("that is too junior", ExperienceLevel.LEAD),
        ("make it senior", ExperienceLevel.SENIOR),
        ("I am a junior", ExperienceLevel.JUNIOR),
        ("mid-level please", ExperienceLevel.MID),
        ("lead engineer role", ExperienceLevel.LEAD),
        ("tech lead interview", ExperienceLevel.LEAD),
        ("staff engineer", ExperienceLevel.LEAD),
        ("I have a senior backend interview on Tuesday", ExperienceLevel.SENIOR),
        ("an interview with the head of engineering", None),
        ("how to deal with senior stakeholders", None),
        ("questions that lead somewhere", None),
        ("make question 3 harder", None),
    ],
)
def test_levels(message: str, level: ExperienceLevel | None) -> None:
    assert level_in(message, ExperienceLevel.SENIOR) is level


def test_a_step_down_without_a_level_is_junior_and_ends_there() -> None:
    assert level_in("more junior", None) is ExperienceLevel.JUNIOR
    assert level_in("more junior", ExperienceLevel.JUNIOR) is ExperienceLevel.JUNIOR


@pytest.mark.parametrize("piece", ["1, ", "question 3 and ", " ", "the first and ", "more "])
def test_a_long_odd_message_is_read_to_the_end(piece: str) -> None:
    message = (piece * 5_000)[:5_000]
    assert set(positions_in(message, 5)) <= {1, 3}
    assert (change_in(message), count_in(message, "technical")) == (None, None)
    assert level_in(message) is None
