"""No secret of the operator or of a client reaches the log, an answer or a `repr`, whatever goes wrong."""

import asyncio
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app.core.config import Settings
from app.core.database import Database
from tests.answers import calls, hands_to, says_questions
from tests.e2e.server_process import forked, free_port, launched
from tests.model_server import Fail, ModelServer

OPERATOR = {
    "OPENAI_API_KEY": "sk-operator-key-5e1f",
    "AZURE_OPENAI_API_KEY": "azure-operator-key-a07c",
    "SECRET_KEY": "signing-secret-91bd-91bd-91bd-91bd",
    "METRICS_TOKEN": "metrics-token-4ad2-4ad2-4ad2-4ad2",
    "DATABASE_URL": "database-password-77aa",
    "OPENAI_BASE_URL": "gateway-password-c3d4",
}
"""A part of each of these settings that nobody may see."""

CLIENT = {
    "Authorization": "bearer-token-20fe",
    "Cookie": "session-cookie-88b1",
    "X-Api-Key": "client-key-4c4c",
    "Referer": "token-in-referer-6d6d",
    "query": "token-in-query-13ac",
    "body": "password-in-body-b00b",
}
"""What a client sends that is for nobody else."""

SECRETS = (*OPERATOR.values(), *CLIENT.values())

HEADERS = {
    "Authorization": f"Bearer {CLIENT['Authorization']}",
    "Cookie": f"session={CLIENT['Cookie']}",
    "X-Api-Key": CLIENT["X-Api-Key"],
    "Referer": f"https://elsewhere.example/?token={CLIENT['Referer']}",
}
QUERY = {"access_token": CLIENT["query"]}
WRONG_FIELD = {"message": "hello", "password": CLIENT["body"], "interview_type": CLIENT["body"]}


def shown_in(*texts: str) -> list[str]:
    """The secrets that stand in any of these texts."""
    return [secret for secret in SECRETS if any(secret in shown for shown in texts)]


def settings_of(model: ModelServer, database_url: str) -> dict[str, str]:
    """The environment of a service with every secret set: OpenAI behind a gateway, PostgreSQL with a password."""
    address = make_url(database_url).set(password=OPERATOR["DATABASE_URL"])
    return {
        **OPERATOR,
        "OPENAI_BASE_URL": model.base_url.replace("://", f"://gateway:{OPERATOR['OPENAI_BASE_URL']}@"),
        "DATABASE_URL": address.render_as_string(hide_password=False),
        "DEFAULT_MODEL": "gpt-4o",
        "PROVIDER_MAX_RETRIES": "0",
        # Not `DEBUG`, which is for a developer's own machine; but every line there is without it.
        "LOG_LEVEL": "DEBUG",
    }


async def rename_conversations(database_url: str) -> None:
    """Make every look at a conversation crash."""
    database = Database(make_url(database_url).set(drivername="postgresql+asyncpg"))
    async with database.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE conversation RENAME TO elsewhere"))
    await database.dispose()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_no_secret_is_logged_or_answered(tmp_path: Path, database_url: str) -> None:
    with ModelServer() as model:
        refused = Fail(401, "invalid_api_key", f"Incorrect API key provided: {OPERATOR['OPENAI_API_KEY']}.")
        model.script(hands_to("technical"), calls("technical-few_shot"), says_questions(1), refused)
        with forked(tmp_path, **settings_of(model, database_url)) as server:
            server.wait_until_ready()
            with httpx2.Client(base_url=server.address, headers=HEADERS, params=QUERY, timeout=30) as client:
                answers = all_kinds_of_requests(client)
                asyncio.run(rename_conversations(database_url))
                answers["crash"] = client.get("/api/v1/conversations")
                answers["crash of a turn"] = client.post("/api/v1/chat", json={"message": "hello"})
            assert server.stop() == 0
        model.verify()

    assert {name: answer.status_code for name, answer in answers.items()} == STATUSES
    for name, answer in answers.items():
        assert shown_in(answer.text, str(answer.headers)) == [], name
    assert server.log.count("request_crashed") == 2
    assert shown_in(server.log, server.welcome) == []


STATUSES = {
    "turn": 200,
    "a bad key": 502,
    "page": 200,
    "catalog": 200,
    "description": 200,
    "nowhere": 404,
    "method": 405,
    "field": 422,
    "parameter": 422,
    "broken JSON": 422,
    "form": 422,
    "NUL": 422,
    "header": 422,
    "size": 413,
    "host": 421,
    "origin": 403,
    "crash": 500,
    "crash of a turn": 500,
}


def all_kinds_of_requests(client: httpx2.Client) -> dict[str, httpx2.Response]:
    """Requests that work and requests that fail in each way there is, with all of a client's secrets."""
    secret = CLIENT["body"]
    chat, form = "/api/v1/chat", {"username": "ada", "password": secret}
    json = {"Content-Type": "application/json"}
    return {
        "turn": client.post(chat, json={"message": "I have a senior backend interview", "question_count": 1}),
        "a bad key": client.post(chat, json={"message": "hello"}),
        "page": client.get("/api/v1/conversations"),
        "catalog": client.get("/api/v1/catalog"),
        "description": client.get("/openapi.json"),
        "nowhere": client.get("/nowhere"),
        "method": client.put(chat, json=WRONG_FIELD),
        "field": client.post(chat, json=WRONG_FIELD),
        "parameter": client.get("/api/v1/conversations", params={"cursor": secret}),
        "broken JSON": client.post(chat, content=f'{{"password": "{secret}"', headers=json),
        "form": client.post(chat, data=form),
        "NUL": client.get("/api/v1/conversations", params={"cursor": f"{secret}\x00"}),
        "header": client.get("/api/v1/turns/1/events", headers={"Last-Event-ID": secret}),
        "size": client.post(chat, content=secret * 50_000, headers=json),
        "host": client.get("/healthz", headers={"Host": "elsewhere.example"}),
        "origin": client.post(chat, json=WRONG_FIELD, headers={"Origin": "https://elsewhere.example"}),
    }


def test_a_database_that_is_not_there_is_reported_without_its_password(tmp_path: Path) -> None:
    password = OPERATOR["DATABASE_URL"]
    address = f"postgresql://greenroom:{password}@127.0.0.1:{free_port()}/greenroom"
    with launched(tmp_path, DATABASE_URL=address, LOG_LEVEL="DEBUG") as server:
        server.end()

    assert server.process.returncode == 3
    assert "cannot reach the database at 127.0.0.1" in server.log
    assert shown_in(server.log) == []


def test_the_settings_show_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    with ModelServer() as model:
        for name, value in settings_of(model, "postgresql://greenroom@database/greenroom").items():
            monkeypatch.setenv(name, value)
        settings = Settings(_env_file=None)

    assert settings.openai_api_key is not None
    assert settings.openai_api_key.get_secret_value() == OPERATOR["OPENAI_API_KEY"]
    assert shown_in(repr(settings), str(settings), str(settings.async_database_url)) == []
