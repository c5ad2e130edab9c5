"""The real application, in this process, asked through `POST /api/v1/compare`; every set it returns is reviewed."""

import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import httpx2
from fastapi import FastAPI

from app.bank.questions import ExperienceLevel, QuestionBank
from app.conversations.schemas import QuestionSetPublic
from app.core.config import Settings
from app.main import Plugins, create_app, lifespan
from app.orchestration.questions import is_asked_in
from app.providers.offline.likeness import original_of
from app.providers.offline.persona import plain_voice
from tests.quality.jobs import Job
from tests.quality.rubric import LevelOf, Result, Subject, own_steps, review

MESSAGE = "Please write practice questions for this interview"
QUESTION_COUNT = 5
OFFLINE = "offline"


@dataclass(frozen=True)
class Request:
    """One comparison: every technique for this job, type and level."""

    job: Job
    interview_type: str
    level: ExperienceLevel


@dataclass(frozen=True)
class Measured:
    """What one technique made of a request, reviewed. Without results where it failed; then `problem` says how."""

    job: str
    interview_type: str
    level: ExperienceLevel
    technique: str
    results: tuple[Result, ...] = ()
    recommendations: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True)
class Comparison:
    """The measured techniques of one request; `overlap` is the share of questions that two of them have in common."""

    measured: tuple[Measured, ...]
    overlap: float | None
    seconds: float


@dataclass(frozen=True)
class Service:
    """The running application and what it offers."""

    client: httpx2.AsyncClient
    provider: str
    model: str
    techniques: dict[str, list[str]]
    """By interview type."""
    settings: Settings
    bank: QuestionBank | None
    """None unless the questions come from it."""

    @property
    def types(self) -> list[str]:
        """The interview types, in the order of the catalog."""
        return list(self.techniques)


@asynccontextmanager
async def running(settings: Settings, plugins: Plugins | None = None) -> AsyncIterator[Service]:
    """Start the application, without a network in between, and stop it; `plugins` if they have been read already."""
    plugins = plugins or Plugins.load(settings.plugins_dir)
    app: FastAPI = create_app(settings, plugins=plugins)
    transport = httpx2.ASGITransport(app)
    async with (
        lifespan(app),
        httpx2.AsyncClient(transport=transport, base_url="http://localhost", timeout=600) as client,
    ):
        catalog: dict[str, Any] = (await client.get("/api/v1/catalog")).json()
        is_offline = catalog["provider"] == OFFLINE
        yield Service(
            client=client,
            provider=catalog["provider"],
            model=next(model["name"] for model in catalog["models"] if model["is_default"]),
            techniques={
                kind["name"]: [technique["name"] for technique in kind["techniques"]]
                for kind in catalog["interview_types"]
            },
            settings=settings,
            bank=plugins.bank if is_offline else None,
        )


async def compare(service: Service, request: Request) -> Comparison:
    """Ask for one comparison and review every set of it."""
    techniques = service.techniques[request.interview_type]
    body = {
        "message": MESSAGE,
        "job_description": request.job.text,
        "interview_type": request.interview_type,
        "experience_level": request.level,
        "question_count": QUESTION_COUNT,
        "techniques": techniques,
    }
    started = time.perf_counter()
    response = await service.client.post("/api/v1/compare", json=body)
    seconds = time.perf_counter() - started
    if response.status_code != 200:
        problem = f"{response.status_code}: {response.json().get('detail', response.text)}"
        failed = [_failed(request, technique, problem=problem) for technique in techniques]
        return Comparison(tuple(failed), overlap=None, seconds=seconds)
    results = response.json()["results"]
    measured = tuple(_reviewed(service, request, result) for result in results)
    texts = [[q["text"] for q in result["question_set"]["questions"]] for result in results if result["question_set"]]
    return Comparison(measured, overlap=overlap_of(texts), seconds=seconds)


def with_own_steps(measured: Sequence[Measured]) -> Iterator[Measured]:
    """The same with the item that compares jobs: whether the advice differs from that of the other ones."""
    groups: dict[tuple[str, str, str], list[Measured]] = {}
    for one in measured:
        groups.setdefault((one.interview_type, one.level, one.technique), []).append(one)
    for group in groups.values():
        made = [one for one in group if one.problem is None]
        yield from (one for one in group if one.problem is not None)
        for one, result in zip(made, own_steps([one.recommendations for one in made]), strict=True):
            yield replace(one, results=(*one.results, result))


def overlap_of(sets: Iterable[Sequence[str]]) -> float | None:
    """The mean share of questions that two of the sets have in common; None where there are no two."""
    plain = [[plain_voice(text) for text in texts] for texts in sets]
    shares = [
        sum(is_asked_in(text, second) for text in first) / min(len(first), len(second))
        for first, second in combinations(plain, 2)
        if first and second
    ]
    return sum(shares) / len(shares) if shares else None


def _reviewed(service: Service, request: Request, result: dict[str, Any]) -> Measured:
    technique = result["technique"]
    if result["question_set"] is None:
        problem = (result["problem"] or {}).get("detail") or "no questions came back"
        return _failed(request, technique, problem=problem)
    question_set = QuestionSetPublic.model_validate(result["question_set"])
    subject = Subject(
        question_set=question_set,
        reply=result["reply"] or "",
        posting=request.job.text,
        interview_type=request.interview_type,
        level=request.level,
        question_count=QUESTION_COUNT,
        employers=request.job.employers,
        must_haves=request.job.must_haves,
        prompt=_prompt(service, request.interview_type, technique),
        level_of=_level_of(service.bank, request.interview_type),
    )
    return Measured(
        request.job.name,
        request.interview_type,
        level=request.level,
        technique=technique,
        results=tuple(review(subject)),
        recommendations=tuple(question_set.recommendations),
    )


def _failed(request: Request, technique: str, *, problem: str) -> Measured:
    """A technique that failed: a set of no questions, with the reason."""
    return Measured(
        request.job.name,
        request.interview_type,
        level=request.level,
        technique=technique,
        results=(Result("count", passed=0, total=1, failures=(problem,)),),
        problem=problem,
    )


def _prompt(service: Service, interview_type: str, technique: str) -> str:
    path = service.settings.plugins_dir / interview_type / technique / "skprompt.txt"
    return path.read_text(encoding="utf-8")


def _level_of(bank: QuestionBank | None, interview_type: str) -> LevelOf | None:
    """Look the question up in the bank, also when the engine put it in an interviewer's voice."""
    if bank is None:
        return None
    questions = bank.of_type(interview_type)

    def level_of(text: str) -> ExperienceLevel | None:
        source = original_of(text, questions)
        return ExperienceLevel(source.level) if source else None

    return level_of
