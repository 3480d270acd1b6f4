"""Measures memory that is sent to another process, and prints a line of JSON for
each row: a worker of a pool gets an array, and reads one item of it. The two
sides take turns at every call: most of it is the system's, which wakes the
worker sooner or later."""
import multiprocessing
from multiprocessing import resource_tracker, shared_memory

import mapped
from timing import row

GIB = 1 << 30
ITEM = GIB // 8 // 2


def read(array):
    return array[ITEM]


def attach_and_read(name, shape):
    """What a user of SharedMemory does in the worker."""
    memory = shared_memory.SharedMemory(name)
    array = memory.buf.cast("B").cast("d", shape)
    value = array[ITEM]
    array.release()
    memory.close()
    return value


def bench(pool, memory, array):
    def ours():
        assert pool.apply(read, (array,)) == 3

    def by_hand():
        assert pool.apply(attach_and_read, (memory.name, array.shape)) == 3

    row("Python send a 1 GiB array to a pool worker", "SharedMemory by hand",
        1.00, (ours, by_hand), 2001)


def main():
    resource_tracker.ensure_running()  # so that the worker has the same one
    with multiprocessing.get_context("fork").Pool(1) as pool:
        memory = shared_memory.SharedMemory(create=True, size=GIB)
        try:
            with mapped.shared(memory.name) as region:
                array = region.cast("d")
                array[ITEM] = 3
                bench(pool, memory, array)
                del array
        finally:
            memory.close()
            memory.unlink()


if __name__ == "__main__":
    main()
