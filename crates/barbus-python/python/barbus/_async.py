"""Waits under asyncio on one thread for each reader, so that no reader blocks the loop or another reader."""

import asyncio
import concurrent.futures

# Longest wait on the thread, in seconds. A cancelled reader, or a program that exits, waits this long for
# its thread.
MAX_WAIT = 0.1


def executor():
    return concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="barbus")


async def next_event(follow):
    loop = asyncio.get_running_loop()
    timeout = follow._timeout
    end = None if timeout is None else loop.time() + timeout
    # A reader that catches up always has an event ready: without this the other tasks would not run.
    await asyncio.sleep(0)
    while True:
        # The thread only waits, and the event is taken here: a cancelled wait loses no event.
        event = follow._take()
        if event is not None:
            return event
        left = MAX_WAIT if end is None else min(MAX_WAIT, end - loop.time())
        if left <= 0 or follow._ended:
            raise StopAsyncIteration
        await loop.run_in_executor(follow._executor, follow._wait, left)


async def send(publisher, data, strict):
    return await asyncio.to_thread(publisher.send, data, strict=strict)


async def enter(publisher):
    return publisher


async def leave(publisher):
    await asyncio.to_thread(publisher.close)
