"""Shared words and locks."""
import mapped

with mapped.open("counters.bin", "a+", length=4096) as region:
    word = region.atomic("I", 8)
    word.store(0, "release")
    assert word.add(5) == 0  # what it was
    assert word.sub(1) == 5
    assert word.or_(3) == 4 and word.and_(6) == 7 and word.xor(1) == 6
    assert word.exchange(1) == 7
    assert word.compare_exchange(1, 2) == 1  # so 2 was stored
    assert word.load("acquire") == 2
    mapped.fence()
    try:
        word.wait(2, timeout=0.001)  # sleeps while it is 2
    except TimeoutError:
        pass
    word.notify()  # wakes who waits, after a change
    assert word.region is region and word.offset == 8

    mutex = mapped.Mutex(region[64:])
    with mutex:
        assert not mutex.owner_died
    mutex.lock(timeout=1)
    mutex.abandon()  # leaves what it guards half changed
    assert mutex.lock()  # True: the last owner died, or abandoned it
    mutex.unlock()

    with region[4000:].lock(shared=True, timeout=1) as lock:
        assert lock.held
    lock = region[4000:].lock()
    lock.unlock()
