"""What a Ring does with asyncio: it is asked again and again, and other tasks
run in between."""
import asyncio

# How long to wait between two looks, in seconds: short at first.
_FIRST_PAUSE = 0.00005
_LONGEST_PAUSE = 0.001


async def _repeat(attempt, timeout, operation):
    """Calls attempt() until it returns something else than None."""
    loop = asyncio.get_running_loop()
    if timeout is not None and not timeout >= 0:
        raise ValueError("a timeout must be 0 or more seconds")
    end = None if timeout is None else loop.time() + timeout
    pause = _FIRST_PAUSE
    while (result := attempt()) is None:
        if end is not None and loop.time() >= end:
            raise TimeoutError(f"{operation}: timed out")
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    return result


async def recv(ring, timeout=None):
    return await _repeat(ring.try_recv, timeout, "recv")


async def send(ring, data, timeout=None):
    await _repeat(lambda: ring.try_send(data) or None, timeout, "send")
