"""The wire: turn events as log lines, and log lines as server-sent events. No other module knows these shapes."""

import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from app.conversations.turn_log import LoggedEvent
from app.orchestration.events import AgentActive, QuestionReady, TextDelta

StreamedEvent = AgentActive | QuestionReady | TextDelta


def log_line(event: StreamedEvent) -> tuple[str, dict[str, Any]]:
    """Kind and data of an event, as the log stores and the stream sends it."""
    match event:
        case AgentActive(agent=agent, source=source):
            return event.kind, {"agent": agent, "from": source}
        case QuestionReady(question=question):
            return event.kind, {"question": question.model_dump(mode="json")}
        case TextDelta(text=text):
            return event.kind, {"text": text}


async def encode(events: AsyncIterator[LoggedEvent | None]) -> AsyncIterator[bytes]:
    """Encode a followed log; a heartbeat becomes a comment that keeps proxies awake."""
    async for event in events:
        if event is None:
            yield KEEPALIVE_COMMENT
        else:
            data = json.dumps(event.data, ensure_ascii=False, separators=(",", ":"))
            yield format_sse_event(data_str=data, event=event.kind, id=str(event.seq))
