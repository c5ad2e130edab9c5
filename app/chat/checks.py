"""What is looked at before a model may be called: names the catalog knows, and texts without an attack in them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import structlog

from app.accounts.audit import AuditLog
from app.accounts.models import AuditKind
from app.chat.schemas import MESSAGE_CHARACTERS, DocumentFlag, PracticeRequest
from app.core.config import Settings
from app.core.errors import InputRejected, InvalidRequest
from app.orchestration.catalog import Catalog
from app.orchestration.turn import StandIn
from app.providers.base import Provider
from plugins.cost.prices import context_window
from plugins.security.reasons import Reason
from plugins.security.screen import REMOVED, Neutralised, Verdict, neutralise, screen

logger = structlog.get_logger(__name__)


def check_names(
    catalog: Catalog,
    provider: Provider,
    *,
    interview_type: str | None,
    techniques: Mapping[str, str],
    model: str | None,
) -> None:
    """Check what a request names; `techniques` are its fields with the technique that each names.

    Raises:
        InvalidRequest: a type, technique or model that there is not; names each field and what there is.
    """
    types = catalog.specialists
    known = {name for spec in types.values() for name in spec.techniques}
    if (chosen := types.get(interview_type or "")) is not None:
        known = set(chosen.techniques)
    named = [
        ("interview_type", interview_type, set(types)),
        *((field, technique, known) for field, technique in techniques.items()),
        ("model", model, set(provider.models)),
    ]
    errors = [
        {"field": field, "message": f"{value!r} is not one of {', '.join(sorted(offered))}"}
        for field, value, offered in named
        if value is not None and value not in offered
    ]
    if errors:
        raise InvalidRequest("The catalog (GET /api/v1/catalog) lists what there is.", errors=errors)


class Screen(Protocol):
    """What judges a message."""

    def __call__(self, text: str, *, max_characters: int) -> Verdict:
        """Return the verdict on a text."""
        ...


async def check_texts(request: PracticeRequest, audit: AuditLog, *, owner_id: UUID, judge: Screen = screen) -> None:
    """Refuse attacks in what the candidate wrote. Documents are others' words: see `documents_for_models`.

    Fails closed: a text that could not be screened is refused, and only the kind of error is logged.

    Of what is refused, the audit keeps the field, the reasons and the score, and nothing keeps the text.

    Raises:
        InputRejected: the security screen refused a text.
    """
    written = {f"interviewer.{name}": value for name, value in (interviewer_of(request) or {}).items()}
    for field, text in {"message": request.message, **written}.items():
        try:
            verdict = judge(text, max_characters=MESSAGE_CHARACTERS)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, an unscreened text goes no further
            logger.error("screen_failed", field=field, error=type(error).__name__)  # noqa: TRY400 - the trace holds text
            raise InputRejected(
                Reason.UNCHECKED.advice,
                errors=[{"field": field, "message": Reason.UNCHECKED.value}],
            ) from None
        if not verdict.is_allowed:
            reasons = [reason.value for reason in verdict.reasons]
            await audit.write(
                AuditKind.INPUT_REJECTED, user_id=owner_id, field=field, reasons=reasons, score=verdict.score
            )
            raise InputRejected(
                " ".join(reason.advice for reason in verdict.reasons[:1]),
                errors=[{"field": field, "message": reason} for reason in reasons],
            )


@dataclass(frozen=True)
class Documents:
    """Job description and resume as models may see them, and what the candidate is told about them."""

    job_description: str | None
    resume: str | None
    flags: tuple[DocumentFlag, ...]


def documents_for_models(
    *, job_description: str | None, resume: str | None, clean: Callable[[str], Neutralised] = neutralise
) -> Documents:
    """Neutralise documents: a candidate cannot change what an employer wrote, so nothing is refused.

    What is stored and exported stays as it was sent. Fails closed: a document that could not be screened is withheld.
    """
    shown: dict[str, str | None] = {}
    flags = []
    for field, text in {"job_description": job_description, "resume": resume}.items():
        neutralised = _neutralised(field, text, clean) if text is not None else None
        shown[field] = neutralised.text if neutralised else None
        if neutralised and neutralised.reasons:
            reasons = [reason.value for reason in neutralised.reasons]
            logger.warning("document_flagged", field=field, reasons=reasons)
            flags.append(DocumentFlag(field=field, reasons=reasons, advice=neutralised.reasons[0].advice))
    return Documents(shown["job_description"], shown["resume"], tuple(flags))


def _neutralised(field: str, text: str, clean: Callable[[str], Neutralised]) -> Neutralised:
    try:
        return clean(text)
    except Exception as error:  # noqa: BLE001 - whatever went wrong, an unscreened text goes no further
        logger.error("screen_failed", field=field, error=type(error).__name__)  # noqa: TRY400 - the trace holds text
        return Neutralised(REMOVED, (Reason.UNCHECKED,))


def interviewer_of(request: PracticeRequest) -> Mapping[str, str] | None:
    """Whom the candidate will meet, as far as the request says it."""
    if request.interviewer is None:
        return None
    return {name: value for name, value in request.interviewer.model_dump().items() if value is not None} or None


def context_tokens(settings: Settings, provider: Provider, model: str) -> int:
    """What a call may be sent: the setting, and no more than half of what the model can take in, where known."""
    window = context_window(model, provider=provider.name)
    return min(settings.context_tokens, window // 2) if window else settings.context_tokens


def stand_ins(settings: Settings, provider: Provider, model: str) -> tuple[StandIn, ...]:
    """The models that answer in this one's place where it is unavailable, in the order of `FALLBACK_MODELS`.

    None behind Azure, where a deployment serves one model, and none for the offline engine.
    """
    return tuple(
        StandIn(name, context_tokens(settings, provider, name))
        for name in settings.fallback_models
        if name != model and name in provider.models
    )
