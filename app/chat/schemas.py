"""The chat request, its reply, and the catalog that says what a request may name."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from app.bank.questions import ExperienceLevel
from app.conversations.schemas import QuestionSetPublic
from app.core.plain_text import unstorable
from app.orchestration.questions import MAX_QUESTIONS
from app.providers.base import Sampling
from app.usage.schemas import Money, Usage

MESSAGE_CHARACTERS = 5_000
DOCUMENT_MIN_CHARACTERS = 10
DOCUMENT_CHARACTERS = 20_000


def _storable(value: str) -> str:
    if (reason := unstorable(value)) is not None:
        raise ValueError(reason)
    return value


PlainText = Annotated[str, AfterValidator(_storable)]
ShortText = Annotated[PlainText, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


def _with_words(value: str) -> str:
    if len(value.strip()) < DOCUMENT_MIN_CHARACTERS:
        raise ValueError(f"must hold at least {DOCUMENT_MIN_CHARACTERS} characters besides white space around it")
    return value


Document = Annotated[
    str,
    StringConstraints(min_length=DOCUMENT_MIN_CHARACTERS, max_length=DOCUMENT_CHARACTERS),
    AfterValidator(_storable),
    AfterValidator(_with_words),
]


def _each_once(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("must name each technique once")
    return names


class Interviewer(BaseModel):
    """Whom the candidate will meet; colours the wording of role-based questions, never their difficulty."""

    model_config = ConfigDict(extra="forbid")

    style: Annotated[ShortText | None, Field(examples=["strict"])] = None
    company_type: Annotated[ShortText | None, Field(examples=["fintech"])] = None
    personality: Annotated[ShortText | None, Field(examples=["detail-oriented"])] = None


class PracticeRequest(BaseModel):
    """What the candidate wants, for which job, and how the model is to be asked."""

    model_config = ConfigDict(extra="forbid")

    message: Annotated[
        PlainText,
        Field(
            # The security screen holds these limits, so that every refused text gets the same kind of answer.
            json_schema_extra={"minLength": 1, "maxLength": MESSAGE_CHARACTERS},
            description=f"1 to {MESSAGE_CHARACTERS} characters",
            examples=["I have a senior backend interview on Tuesday"],
        ),
    ]
    job_description: Annotated[Document | None, Field(description="The advert, as it stands")] = None
    resume: Annotated[Document | None, Field(description="The candidate's own, as plain text")] = None
    experience_level: ExperienceLevel | None = None
    question_count: Annotated[int | None, Field(strict=True, ge=1, le=MAX_QUESTIONS, description="Default 5")] = None
    interviewer: Interviewer | None = None
    model: Annotated[str | None, Field(max_length=120, description="A model of the catalog")] = None
    temperature: Annotated[float | None, Field(strict=True, ge=0, le=2, allow_inf_nan=False)] = None
    top_p: Annotated[float | None, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] = None
    frequency_penalty: Annotated[float | None, Field(strict=True, ge=-2, le=2, allow_inf_nan=False)] = None
    max_output_tokens: Annotated[int | None, Field(strict=True, ge=1, le=100_000)] = None

    def sampling(self) -> Sampling:
        """As the providers take it."""
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            frequency_penalty=self.frequency_penalty,
            max_output_tokens=self.max_output_tokens,
        )


class ChatRequest(PracticeRequest):
    """One message of the candidate. Only `message` is required; the conversation keeps what it has been told."""

    conversation_id: Annotated[UUID | None, Field(description="Continue this conversation; null starts one")] = None
    interview_type: Annotated[
        str | None, Field(max_length=40, description="A type of the catalog; null lets triage choose")
    ] = None
    technique: Annotated[
        str | None, Field(max_length=40, description="A technique of the catalog; null lets the agent choose")
    ] = None


class CompareRequest(PracticeRequest):
    """One request for several techniques. It belongs to no conversation, and no message of it is kept."""

    interview_type: Annotated[str, Field(max_length=40, description="A type of the catalog", examples=["technical"])]
    techniques: Annotated[
        list[Annotated[str, Field(max_length=40)]],
        Field(
            min_length=2,
            max_length=5,
            description="Of the catalog, each once",
            examples=[["zero_shot", "few_shot"]],
            json_schema_extra={"uniqueItems": True},
        ),
        AfterValidator(_each_once),
    ]


class Compared(BaseModel):
    """What one technique made of the request: a question set, or the problem that kept it from one."""

    technique: str
    question_set: QuestionSetPublic | None
    reply: Annotated[str | None, Field(description="Markdown, as the chat would show it")]
    problem: Annotated[dict[str, Any] | None, Field(description="The problem document, if it failed")]
    usage: Usage
    duration_ms: int


class DocumentFlag(BaseModel):
    """What was taken out of a document before models saw it; the document is stored as it was sent."""

    field: Annotated[str, Field(examples=["job_description"])]
    reasons: Annotated[list[str], Field(description="The heaviest first", examples=[["addressed_to_ai"]])]
    advice: Annotated[str, Field(description="One sentence for the candidate")]


class ComparePublic(BaseModel):
    """The same request through several techniques, in the order asked for."""

    interview_type: str
    results: list[Compared]
    usage: Annotated[Usage, Field(description="Of all of them together")]
    duration_ms: Annotated[int, Field(description="Until the last technique had ended; they run at the same time")]
    flags: Annotated[list[DocumentFlag], Field(description="Of the request's documents")] = []


class HandoffPublic(BaseModel):
    """One handoff of the turn."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    source: Annotated[str, Field(alias="from", examples=["triage"])]
    target: Annotated[str, Field(alias="to", examples=["technical"])]


class ChatReply(BaseModel):
    """What a completed turn answers. `question_set` is null when the turn made none."""

    conversation_id: UUID
    turn_id: UUID
    agent: Annotated[str, Field(description="The agent that answered; the next turn starts with it")]
    handoffs: list[HandoffPublic]
    reply: Annotated[str, Field(description="Markdown with text of models in it: render it with HTML off")]
    question_set: QuestionSetPublic | None
    usage: Usage
    conversation_cost_usd: Money | None
    duration_ms: int
    flags: Annotated[list[DocumentFlag], Field(description="Of the conversation's documents")] = []


class TechniquePublic(BaseModel):
    """A technique of an interview type."""

    name: str
    description: str


class InterviewTypePublic(BaseModel):
    """An interview type, that is a specialist agent."""

    name: str
    title: str
    description: str
    techniques: Annotated[list[TechniquePublic], Field(description="The default first")]


class ModelPublic(BaseModel):
    """A model a request may name, with its list price per million tokens; null where the price is unknown."""

    name: str
    is_default: bool
    input_usd_per_million: Money | None
    output_usd_per_million: Money | None


class CatalogPublic(BaseModel):
    """What this server offers."""

    provider: Annotated[str, Field(description="`openai`, `azure`, `compatible` or `offline`")]
    models: list[ModelPublic]
    interview_types: list[InterviewTypePublic]
    experience_levels: list[ExperienceLevel]
