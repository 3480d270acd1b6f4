"""Rings: records from one process to another."""
import asyncio

import mapped

region = mapped.anonymous(4096, shared=True)
ring = mapped.Ring(region)
assert ring.capacity > 2 * ring.longest - 16 and ring.used == 0
assert ring.region is region and ring.offset == 0

ring.send(b"hello", timeout=1)
assert ring.recv(timeout=1) == b"hello"
assert ring.try_send(b"now") and ring.try_recv() == b"now"
assert ring.try_recv() is None
try:
    ring.recv(timeout=0)
except TimeoutError:
    pass

assert ring.send_many([b"a", b"bc"]) == 2
assert ring.recv_many() == [b"a", b"bc"]

# Written and read where they lie.
record = ring.reserve(100)
record.set("<I", 0, 42)
ring.commit(4)
assert ring.peek().get("<I") == 42
ring.release()
ring.reserve(100)
ring.cancel()  # dropped
assert ring.senders_died == ring.receivers_died == 0


async def talk():
    await ring.send_async(b"later")
    return await ring.recv_async()

assert asyncio.run(talk()) == b"later"
ring.send(b"last")
for text in ring:  # for ever; async for does the same
    assert text == b"last"
    break
