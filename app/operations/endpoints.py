"""What machines ask: is it alive, is it ready, what are its figures."""

import asyncio
import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from app.core.config import AuthMode, Settings
from app.core.errors import InvalidRequest, NotFound, NotReady, Unauthorized, problems
from app.core.telemetry import Telemetry
from app.operations.readiness import Readiness, ReadinessChecks

router = APIRouter(tags=["operations"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz", responses=problems(NotReady))
async def readyz(request: Request) -> Readiness:
    """The process can serve: database, migrations, queue, models. What is only degraded is said, and it serves."""
    checks: ReadinessChecks = request.app.state.readiness
    return await checks.look()


def may_read_metrics(
    request: Request, authorization: Annotated[str, Header(description="`Bearer` and METRICS_TOKEN")] = ""
) -> None:
    """Who reads figures: whoever has the token; without one, whoever uses the service in local mode."""
    settings: Settings = request.app.state.settings
    token = settings.metrics_token
    if token is None:
        if settings.auth_mode is AuthMode.ACCOUNTS:
            raise NotFound("Set METRICS_TOKEN to have metrics.")
        return
    if not secrets.compare_digest(authorization.encode(), f"Bearer {token.get_secret_value()}".encode()):
        raise Unauthorized("Send METRICS_TOKEN as a bearer token.")


@router.get(
    "/metrics",
    response_class=Response,
    dependencies=[Depends(may_read_metrics)],
    responses={
        200: {"content": {"text/plain": {}}, "description": "Every metric in Prometheus' text format"},
        **problems(NotFound, Unauthorized, InvalidRequest),
    },
)
async def metrics(request: Request) -> Response:
    """The figures of this process, for Prometheus. The queue's depth is that of all servers together."""
    telemetry: Telemetry = request.app.state.telemetry
    # In a thread: gauges are looked up on this event loop.
    return Response(await asyncio.to_thread(telemetry.exposition), media_type=CONTENT_TYPE_LATEST)
