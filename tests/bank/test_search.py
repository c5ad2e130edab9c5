"""Browsing the shipped bank through the API."""

from collections.abc import Sequence
from typing import Any

import httpx2
import pytest

from tests.conftest import MakeSettings, Serve

BROWSE = "/api/v1/questions"


async def browse(client: httpx2.AsyncClient, **conditions: object) -> dict[str, Any]:
    response = await client.get(BROWSE, params={name: str(value) for name, value in conditions.items()})
    assert response.status_code == 200, response.text
    page: dict[str, Any] = response.json()
    return page


async def everything(client: httpx2.AsyncClient, **conditions: object) -> Sequence[dict[str, Any]]:
    """All pages."""
    items: list[dict[str, Any]] = []
    while True:
        page = await browse(client, limit=100, offset=len(items), **conditions)
        items += page["items"]
        if len(items) == page["total"]:
            return items


async def test_every_question_is_there_once_with_every_field(serve: Serve, make_settings: MakeSettings) -> None:
    async with serve(make_settings()) as client:
        items = await everything(client)

    assert len(items) >= 640
    assert len({item["id"] for item in items}) == len(items)
    assert {(item["interview_type"], item["level"]) for item in items} == {
        (interview_type, level)
        for interview_type in ("behavioral", "case_study", "reverse", "technical")
        for level in ("junior", "mid", "senior", "lead")
    }
    assert all(item["text"] and item["evaluation_criteria"] and item["sample_framework"] for item in items)
    assert {item["interview_type"] for item in items if item["case"]} == {"case_study"}


async def test_conditions_narrow_and_add_up(serve: Serve, make_settings: MakeSettings) -> None:
    async with serve(make_settings()) as client:
        senior = await everything(client, type="technical", level="senior")
        with_skill = await everything(client, type="technical", level="senior", skill="SQL")
        nothing = await browse(client, type="technical", q="zxqj")

    assert {(item["interview_type"], item["level"]) for item in senior} == {("technical", "senior")}
    assert 0 < len(with_skill) < len(senior)
    assert all("sql" in item["skills"] for item in with_skill)
    assert nothing == {"items": [], "total": 0}


@pytest.mark.parametrize(
    ("written", "usual"),
    [("k8s", "kubernetes"), ("K8S", "kubernetes"), ("JS", "javascript"), ("Postgres", "postgresql")],
)
async def test_a_skill_is_known_in_its_other_spellings(
    serve: Serve, make_settings: MakeSettings, written: str, usual: str
) -> None:
    async with serve(make_settings()) as client:
        found, same = await everything(client, skill=written), await everything(client, skill=usual)

    assert found == same
    assert found


async def test_all_words_must_occur_in_any_case(serve: Serve, make_settings: MakeSettings) -> None:
    async with serve(make_settings()) as client:
        both = await everything(client, q="STOCK warehouse")
        one = await everything(client, q="warehouse")

    assert 0 < len(both) < len(one)


async def test_pages_do_not_overlap(serve: Serve, make_settings: MakeSettings) -> None:
    async with serve(make_settings()) as client:
        first, second = await browse(client, limit=5), await browse(client, limit=5, offset=5)
        beyond = await browse(client, offset=100_000)

    assert not {item["id"] for item in first["items"]} & {item["id"] for item in second["items"]}
    assert beyond["items"] == []
    assert beyond["total"] == first["total"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("type=plumbing", "type"),
        ("level=expert", "level"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("offset=-1", "offset"),
        ("skill=", "skill"),
        ("colour=red", "colour"),
    ],
)
async def test_a_wrong_condition_is_named(serve: Serve, make_settings: MakeSettings, query: str, field: str) -> None:
    async with serve(make_settings()) as client:
        response = await client.get(f"{BROWSE}?{query}")

    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]
