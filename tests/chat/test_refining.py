"""One set, refined over many turns: what is stored of every revision, and what later turns still know."""

import json
from typing import Any

import httpx2
import pytest

from app.core.fences import read_fence
from tests.answers import calls, hands_to, says_questions
from tests.chat.client import FIRST, chat, log_of, only_conversation
from tests.conftest import MakeSettings, Serve
from tests.model_server import Fail, ModelServer, RecordedRequest, Say, Step

RESUME = "Ran the invoice import of a Ghent brewery; reviewed two interns' pull requests."
MADE_FOUR = (hands_to("technical"), calls("technical-few_shot", stated_level="senior"), says_questions(4))


def _ids(question_set: dict[str, Any]) -> list[str]:
    return [found["id"] for found in question_set["questions"]]


def _state(request: RecordedRequest) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(read_fence("conversation_state", str(request.messages[1]["content"])) or "")
    return state


class _Talk:
    """A conversation: the model's steps and the candidate's message, turn by turn."""

    def __init__(self, client: httpx2.AsyncClient, model_server: ModelServer) -> None:
        self._client = client
        self._model_server = model_server
        self.id: str | None = None

    async def __call__(self, message: str, *steps: Step, **body: Any) -> dict[str, Any]:
        self._model_server.script(*steps)
        reply = await chat(self._client, message=message, conversation_id=self.id, **body)
        self.id = reply["conversation_id"]
        return reply


async def test_a_dropped_question_is_gone_from_the_next_revision_and_there_in_the_earlier(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database_url: str
) -> None:
    settings = openai_settings(database_url=database_url)
    async with serve(settings) as client:
        talk = _Talk(client, model_server)
        first = await talk(FIRST["message"], *MADE_FOUR, job_description=FIRST["job_description"], question_count=4)
        second = await talk("drop 2", calls("questions-drop", positions="2", note="Three are left."))
        log = await log_of(client, second["turn_id"])
    async with serve(settings) as client:
        stored = await only_conversation(client)

    made, left = first["question_set"], second["question_set"]
    assert (left["id"], left["revision"]) == (made["id"], 2)
    assert _ids(left) == [_ids(made)[place] for place in (0, 2, 3)]
    assert [found["position"] for found in left["questions"]] == [1, 2, 3]
    assert second["usage"]["model_calls"] == 1
    assert second["reply"].startswith("Three are left.\n\n1. Question 1")
    assert stored["question_sets"] == [made, left]
    assert stored["messages"][-1]["text"] == second["reply"]
    assert [event.kind for event in log if event.kind == "question.ready"] == []
    assert log[-1].data["question_set"] == left


async def test_the_first_version_comes_back_as_the_newest(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database_url: str
) -> None:
    async with serve(openai_settings(database_url=database_url)) as client:
        talk = _Talk(client, model_server)
        first = await talk(FIRST["message"], *MADE_FOUR, question_count=4)
        second = await talk("drop 2 to 4", calls("questions-drop", positions="2-4"))
        third = await talk("go back to the first version", calls("questions-restore", revision="1"))
        fourth = await talk(
            "another 4", calls("technical-few_shot", change="replace", positions="4"), says_questions(1, first=20)
        )
        stored = await only_conversation(client)

    sets = [reply["question_set"] for reply in (first, second, third, fourth)]
    assert [found["revision"] for found in sets] == [1, 2, 3, 4]
    assert third["question_set"] == first["question_set"] | {"revision": 3}
    assert _ids(fourth["question_set"])[:3] == _ids(first["question_set"])[:3]
    assert stored["question_sets"] == sets


async def test_a_restored_level_is_the_conversations_again(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    async with serve(openai_settings()) as client:
        talk = _Talk(client, model_server)
        await talk(FIRST["message"], *MADE_FOUR, question_count=4)
        await talk(
            "I'm more junior than that",
            calls("technical-few_shot", change="new", stated_level="mid"),
            says_questions(4, first=20),
        )
        mid = await only_conversation(client)
        await talk("undo", calls("questions-restore", revision="1"))
        senior = await only_conversation(client)

    assert (mid["experience_level"], senior["experience_level"]) == ("mid", "senior")


async def test_resume_and_lasting_wishes_are_kept_and_shown(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database_url: str
) -> None:
    settings = openai_settings(database_url=database_url)
    async with serve(settings) as client:
        talk = _Talk(client, model_server)
        await talk(FIRST["message"], *MADE_FOUR, resume=RESUME, question_count=4)
        await talk(
            "always in German",
            calls("technical-zero_shot", change="reword", standing_wish="always in German"),
            says_questions(4, first=20),
        )
        await talk("drop 1", calls("questions-drop", positions="1"))
    async with serve(settings) as client:
        talk = _Talk(client, model_server)
        talk.id = (await only_conversation(client))["id"]
        await talk(
            "2 more, no SQL",
            calls("technical-few_shot", change="add", count="2", standing_wish="no SQL"),
            says_questions(2, first=30),
        )
        await talk("answer 1 from my CV", Say("Am Rechnungsimport der Brauerei …"))
        stored = await only_conversation(client)

    *_, technique, told = model_server.requests
    assert stored["resume"] == RESUME
    assert stored["wishes"] == ["always in German", "no SQL"]
    assert read_fence("resume", technique.last_user_text) == RESUME
    assert json.loads(read_fence("settings", technique.last_user_text) or "")["wishes"] == stored["wishes"]
    assert (_state(told)["resume"], _state(told)["wishes"]) == (RESUME, stored["wishes"])


@pytest.mark.parametrize("bad", ["\0", "\ud83d"], ids=ascii)
async def test_what_no_database_takes_costs_neither_an_edit_nor_a_wish(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database_url: str, *, bad: str
) -> None:
    async with serve(openai_settings(database_url=database_url)) as client:
        talk = _Talk(client, model_server)
        await talk(FIRST["message"], *MADE_FOUR, question_count=4)
        edited = await talk("drop 1", calls("questions-drop", positions="1", note=f"Three{bad} left."))
        choices = {"change": "add", "count": "1", "standing_wish": f"in{bad}German", "focus": f"more{bad}"}
        await talk("1 more", calls("technical-few_shot", **choices), says_questions(1, first=20))
        await talk("why?", Say("Darum."))
        stored = await only_conversation(client)

    assert edited["reply"].startswith("Three")
    assert edited["question_set"]["revision"] == 2
    assert [len(found["questions"]) for found in stored["question_sets"]] == [4, 3, 4]
    (wish,) = stored["wishes"]
    assert (wish[:2], wish[-6:]) == ("in", "German")
    assert bad not in wish


async def test_a_turn_that_fails_changes_neither_set_nor_wishes(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    async with serve(openai_settings(provider_max_retries=0)) as client:
        talk = _Talk(client, model_server)
        first = await talk(FIRST["message"], *MADE_FOUR, question_count=4)
        model_server.script(calls("technical-few_shot", change="new", standing_wish="in German"), Fail(500))
        failed = await client.post("/api/v1/chat", json={"message": "in German", "conversation_id": talk.id})
        stored = await only_conversation(client)

    assert failed.status_code == 502
    assert stored["wishes"] == []
    assert stored["question_sets"] == [first["question_set"]]


TWELVE: tuple[tuple[str, tuple[Step, ...], list[int]], ...] = (
    ("I have a senior backend interview", MADE_FOUR, [1, 2, 3, 4]),
    (
        "make 3 harder",
        (calls("technical-structured_output", change="replace", positions="3"), says_questions(1, first=13)),
        [1, 2, 13, 4],
    ),
    (
        "2 more",
        (calls("technical-few_shot", change="add", count="2"), says_questions(2, first=15)),
        [1, 2, 13, 4, 15, 16],
    ),
    ("drop 1 and 5", (calls("questions-drop", positions="1,5"),), [2, 13, 4, 16]),
    ("why would they ask 2?", (Say("It tests retries."),), []),
    (
        "shorter",
        (calls("technical-zero_shot", change="reword"), says_questions(4, first=21)),
        [21, 22, 23, 24],
    ),
    ("only 4, then 1", (calls("questions-keep", positions="4,1"),), [24, 21]),
    ("back to the third version", (calls("questions-restore", revision="3"),), [1, 2, 13, 4, 15, 16]),
    (
        "what have I spent?",
        (calls("cost-spent_so_far"), Say("Next to nothing.")),
        [],
    ),
    (
        "now behavioral",
        (hands_to("behavioral"), calls("behavioral-few_shot", change="new"), says_questions(4, first=31)),
        [31, 32, 33, 34],
    ),
    (
        "of the technical ones keep 1 to 3",
        (hands_to("technical"), calls("questions-keep", positions="1-3")),
        [1, 2, 13],
    ),
    (
        "another set as a mid-level engineer",
        (
            calls("technical-role_based", change="new", stated_level="mid", standing_wish="an hour at most"),
            # One has been asked before, so a repair brings another.
            says_questions(4, first=34),
            says_questions(1, first=38),
        ),
        [35, 36, 37, 38],
    ),
)
"""What the candidate says, what the models answer, and the numbers of the questions in the set that comes back."""


async def test_twelve_turns_with_every_operation_end_consistent(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database_url: str
) -> None:
    replies = []
    async with serve(openai_settings(database_url=database_url)) as client:
        talk = _Talk(client, model_server)
        for number, (message, steps, _) in enumerate(TWELVE):
            body = {"question_count": 4, "job_description": FIRST["job_description"]} if number == 0 else {}
            replies.append(await talk(message, *steps, **body))
        stored = await only_conversation(client)

    made = [reply["question_set"] for reply in replies if reply["question_set"]]
    expected = [numbers for _, _, numbers in TWELVE if numbers]
    for found, numbers in zip(made, expected, strict=True):
        assert [item["text"].split(":")[0] for item in found["questions"]] == [f"Question {n}" for n in numbers]
        assert [item["position"] for item in found["questions"]] == list(range(1, len(numbers) + 1))
    assert [(found["interview_type"], found["revision"]) for found in made] == [
        *(("technical", revision) for revision in range(1, 8)),
        ("behavioral", 1),
        ("technical", 8),
        ("technical", 9),
    ]
    assert len({found["id"] for found in made}) == 2
    assert stored["question_sets"] == made, "every revision is still there as it was told"

    reworded, before = made[4], made[3]
    assert _ids(reworded) == _ids(before)
    assert _ids(made[6]) == _ids(made[2])

    assert [message["role"] for message in stored["messages"]] == ["user", "assistant"] * 12
    assert [message["text"] for message in stored["messages"][1::2]] == [reply["reply"] for reply in replies]
    assert (stored["active_agent"], stored["experience_level"]) == ("technical", "mid")
    assert stored["wishes"] == ["an hour at most"]
    calls_made = sum(len(steps) for _, steps, _ in TWELVE)
    assert stored["usage"]["model_calls"] == calls_made == sum(reply["usage"]["model_calls"] for reply in replies)
    assert stored["usage"]["cost_usd"] == replies[-1]["conversation_cost_usd"]


@pytest.mark.parametrize("function", ["drop", "keep", "restore"])
async def test_an_edit_that_cannot_be_done_stores_no_revision(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, function: str
) -> None:
    arguments = {"revision": "7"} if function == "restore" else {"positions": "9"}
    async with serve(openai_settings()) as client:
        talk = _Talk(client, model_server)
        await talk(FIRST["message"], *MADE_FOUR, question_count=4)
        second = await talk("9", calls(f"questions-{function}", **arguments), Say("Which one do you mean?"))
        stored = await only_conversation(client)

    assert (second["question_set"], second["reply"]) == (None, "Which one do you mean?")
    assert [found["revision"] for found in stored["question_sets"]] == [1]
