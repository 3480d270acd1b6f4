"""The coroutines behind recv_async() and send_async() of a Ring.

An event loop isn't told when another process changes a ring, so rings are
polled. A call polls its ring itself at first, with pauses that double. Once they
are as long as _LONGEST_PAUSE it waits in the _Poller of its event loop, which
looks at the rings of all such calls in one callback and wakes only those that may
go on. So many rings cost the loop little more than these looks.
"""
import asyncio
import weakref
from time import thread_time

_FIRST_PAUSE = 0.00005  # seconds between two looks
_LONGEST_PAUSE = 0.001
_LONGEST_SHARE = 0.1  # of an event loop's time, spent in its _Poller


class _Poller:
    """Wakes the waiting tasks of one event loop. It keeps no reference to the
    loop, which may be dropped."""

    def __init__(self):
        self._waiting = {}  # for the future of each task, its may_go_on
        self._is_scheduled = False

    async def wait(self, may_go_on):
        """Returns after the next look at which may_go_on() is true."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = may_go_on
        if not self._is_scheduled:
            self._schedule(_LONGEST_PAUSE)
        try:
            await future
        finally:
            del self._waiting[future]

    def _schedule(self, pause):
        self._is_scheduled = True
        asyncio.get_running_loop().call_later(pause, self._poll)

    def _poll(self):
        begin = thread_time()
        self._is_scheduled = False
        try:
            for future, may_go_on in list(self._waiting.items()):
                if not future.done() and may_go_on():
                    future.set_result(None)
        finally:  # also if a signal handler raises: the loop may run again
            if self._waiting:
                took = thread_time() - begin
                self._schedule(max(_LONGEST_PAUSE, took / _LONGEST_SHARE))


_pollers: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()  # by event loop


async def _retry(attempt, may_succeed, timeout, operation):
    """Calls attempt() until it returns something, and returns that. It isn't
    called while may_succeed() is false."""
    loop = asyncio.get_running_loop()
    if timeout is not None and not timeout >= 0:
        raise ValueError("a timeout must be 0 or more seconds")
    end = float("inf") if timeout is None else loop.time() + timeout
    poller = _pollers.setdefault(loop, _Poller())
    pause = _FIRST_PAUSE
    while (result := attempt()) is None:
        if loop.time() >= end:
            raise TimeoutError(f"{operation}: timed out")
        if pause < _LONGEST_PAUSE:
            await asyncio.sleep(pause)
            pause *= 2
        else:
            await poller.wait(lambda: loop.time() >= end or may_succeed())
    return result


def _may_have_record(ring):
    try:
        return ring.used > 0
    except (OSError, ValueError):
        return True  # try_recv() raises the same


async def recv(ring, timeout=None):
    return await _retry(ring.try_recv, lambda: _may_have_record(ring), timeout,
                        "recv")


async def send(ring, data, timeout=None):
    """Only an attempt tells whether the ring has room, and whether another sender
    is in the middle of a record. So there is one at every look."""
    await _retry(lambda: ring.try_send(data) or None, lambda: True, timeout,
                 "send")
