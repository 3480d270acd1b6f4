"""What a Ring does with asyncio: it is looked at again and again, and other tasks
run in between. A task that has waited for a while is left alone until there is
something for it: all that wait in one event loop are looked at in one turn, so
that many rings cost the loop little more than those looks."""
import asyncio
import weakref
from time import thread_time

# How long to wait between two looks, in seconds: short at first.
_FIRST_PAUSE = 0.00005
_LONGEST_PAUSE = 0.001

# The share of an event loop's time that is spent on looks at many rings.
_LONGEST_SHARE = 0.1


class _Turns:
    """Wakes the tasks of an event loop that have waited for long. It keeps no
    reference to the loop itself, which may be dropped."""

    def __init__(self):
        self._waiting = {}  # a future of each task, and what may end its wait
        self._is_scheduled = False

    async def wait(self, may_end):
        """Returns after the next turn in which may_end() is true."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = may_end
        if not self._is_scheduled:
            self._schedule(_LONGEST_PAUSE)
        try:
            await future
        finally:
            del self._waiting[future]

    def _schedule(self, pause):
        self._is_scheduled = True
        asyncio.get_running_loop().call_later(pause, self._turn)

    def _turn(self):
        begin = thread_time()
        self._is_scheduled = False
        try:
            for future, may_end in list(self._waiting.items()):
                if not future.done() and may_end():
                    future.set_result(None)
        finally:  # a signal handler may raise, and the loop run again after that
            if self._waiting:
                took = thread_time() - begin
                self._schedule(max(_LONGEST_PAUSE, took / _LONGEST_SHARE))


_turns: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()  # of each event loop


async def _repeat(attempt, may_succeed, timeout, operation):
    """Calls attempt() until it returns something else than None. While
    may_succeed() is false it would not."""
    loop = asyncio.get_running_loop()
    if timeout is not None and not timeout >= 0:
        raise ValueError("a timeout must be 0 or more seconds")
    end = float("inf") if timeout is None else loop.time() + timeout
    turns = _turns.setdefault(loop, _Turns())
    pause = _FIRST_PAUSE
    while (result := attempt()) is None:
        if loop.time() >= end:
            raise TimeoutError(f"{operation}: timed out")
        if pause < _LONGEST_PAUSE:
            await asyncio.sleep(pause)
            pause *= 2
        else:
            await turns.wait(lambda: loop.time() >= end or may_succeed())
    return result


def _may_have_record(ring):
    try:
        return ring.used > 0
    except (OSError, ValueError):
        return True  # the attempt raises it


async def recv(ring, timeout=None):
    return await _repeat(ring.try_recv, lambda: _may_have_record(ring), timeout,
                         "recv")


async def send(ring, data, timeout=None):
    """There may be room, and somebody else hold the senders' end: so it tries
    in every turn."""
    await _repeat(lambda: ring.try_send(data) or None, lambda: True, timeout,
                  "send")
