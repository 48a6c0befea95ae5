"""Waiting under asyncio: on a thread for each reader, so that neither the loop nor other readers wait with it."""

import asyncio
import concurrent.futures

# A reader that is given up, or a program that ends, waits for its thread for so long at most.
SLICE = 0.1


def executor():
    return concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="barbus")


async def next_event(follow):
    loop = asyncio.get_running_loop()
    timeout = follow._timeout
    end = None if timeout is None else loop.time() + timeout
    # A reader that catches up has something to give every time: the others on the loop get their turn between.
    await asyncio.sleep(0)
    while True:
        # The thread only waits; what is there is taken here. So nothing is lost when this is cancelled.
        event = follow._take()
        if event is not None:
            return event
        left = SLICE if end is None else min(SLICE, end - loop.time())
        if left <= 0 or follow._ended:
            raise StopAsyncIteration
        await loop.run_in_executor(follow._executor, follow._wait, left)


async def send(publisher, data):
    return await asyncio.to_thread(publisher.send, data)


async def enter(publisher):
    return publisher


async def leave(publisher):
    await asyncio.to_thread(publisher.close)
