"""Work beside the requests: it is waited for, its failures are nobody's, and housekeeping goes on."""

import asyncio

from app.core.background import Background, Housekeeping


async def test_background_work_is_waited_for_and_its_failures_are_nobodys() -> None:
    background, done = Background(), []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append(1)

    async def failing() -> None:
        raise ValueError("of somebody@example.com")

    background.start(work(), name="work")
    background.start(failing(), name="failing")
    await background.drain()
    background.start(asyncio.Event().wait(), name="late")  # type: ignore[arg-type]  # returns a bool nobody reads
    await background.drain(seconds=0.01)
    assert done == [1]


async def test_housekeeping_begins_with_a_round_and_goes_on_though_a_job_fails() -> None:
    rounds: asyncio.Queue[int] = asyncio.Queue()
    done = 0

    async def failing() -> None:
        raise ValueError("of somebody@example.com")

    async def job() -> int:
        nonlocal done
        done += 1
        rounds.put_nowait(done)
        return done

    housekeeping = Housekeeping([failing, job], every_seconds=0.001)
    await housekeeping.stop()
    housekeeping.start()
    async with asyncio.timeout(10):
        assert [await rounds.get() for _ in range(3)] == [1, 2, 3]
    await housekeeping.stop()
    last = done
    await asyncio.sleep(0)
    assert done == last
