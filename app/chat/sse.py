"""The wire: the lines of a turn's log as server-sent events."""

import json
from collections.abc import AsyncIterator

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from app.conversations.turn_log import LoggedEvent
from app.core.errors import NotReady, TurnInterrupted, Unauthorized

RETRY_MILLISECONDS = 1000


async def encode(events: AsyncIterator[LoggedEvent | None]) -> AsyncIterator[bytes]:
    """Encode a followed log; a heartbeat becomes a comment that keeps proxies awake.

    When the reader's sign-in ends, so does the stream; whoever asks for the rest is told why. When the server stops
    or its database is away, the reader is told when to ask for the rest.
    """
    try:
        async for event in events:
            if event is None:
                yield KEEPALIVE_COMMENT
            else:
                data = json.dumps(event.data, ensure_ascii=False, separators=(",", ":"))
                yield format_sse_event(data_str=data, event=event.kind, id=str(event.seq))
    except Unauthorized:
        pass
    except (TurnInterrupted, NotReady):
        yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
