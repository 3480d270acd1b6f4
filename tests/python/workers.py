"""What the worker processes of test_hand_over.py do. A module of its own, which a
process that is started anew can import."""
import gc
import os

import mapped


def facts(thing):
    """What can be told of an object without its content."""
    names = ("mode", "offset", "file_offset", "readonly", "shape", "strides",
             "format", "itemsize")
    return {name: getattr(thing, name) for name in names
            if hasattr(type(thing), name)}


def content(thing):
    if hasattr(thing, "tolist"):
        return thing.tolist()
    return bytes(thing) if hasattr(thing, "tobytes") else None


def look(thing):
    return type(thing).__name__, facts(thing), content(thing)


def bump(thing):
    """Adds 1 to the first byte, for the sender to see, and returns what it was."""
    before = thing[0]
    thing[0] = (before + 1) % 256
    return before


def give_back(thing):
    """The same, as seen by this process."""
    bump(thing)
    return thing


kept = []


def keep(things):
    """Initializes a worker."""
    kept.extend(things)


def bump_kept(i):
    return bump(kept[i])


def add(atomic, count):
    for _ in range(count):
        atomic.add(1)


def add_locked(mutex, numbers, count):
    for _ in range(count):
        with mutex:
            numbers[0] += 1


def set_record(record):
    record.price += 1.5
    return record.id, record.price


def are_one(things):
    """Do all have the same region?"""
    return len({id(thing.region) for thing in things}) == 1


def send_bump(connection, thing):
    connection.send(bump(thing))
    connection.close()


def answer(questions, answers):
    """Bumps all that comes, up to None."""
    for thing in iter(questions.get, None):
        answers.put(bump(thing))


def held(things):
    """What this process holds."""
    del things[:]
    gc.collect()
    maps = open("/proc/self/maps").read()
    return (os.getpid(), len(os.listdir("/proc/self/fd")),
            maps.count("hand-over"), regions())


def regions():
    """How many there are, but for those that a hostile build's finalizers have."""
    hostile = os.environ.get("MAPPED_HOSTILE")
    return None if hostile else mapped.stats()["regions"]


def use(thing, things):
    bump(thing)
    return held(things)


def pickled(connection, length):
    """Sends a pickle of memory that ends with this process."""
    import pickle
    region = mapped.anonymous(length, shared=True)
    connection.send_bytes(pickle.dumps(region))
    connection.recv()
