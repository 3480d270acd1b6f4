"""Guards against wrong counts of a process's regions, mapped bytes, exports and
faults."""
import os
import threading

import mapped
import pytest

pytestmark = pytest.mark.skipif(bool(os.environ.get("MAPPED_HOSTILE")),
                                reason="finalizers hold regions")


def differences(before):
    return {name: value - before[name]
            for name, value in mapped.stats().items() if value != before[name]}


def test_stats_follow_regions_and_exports(path):
    before = mapped.stats()
    assert list(before) == ["regions", "bytes", "exports", "faults"]
    with mapped.open(path) as region:
        view = memoryview(region)
        assert differences(before) == {
            "regions": 1, "bytes": len(region), "exports": 1}
        view.release()
    assert differences(before) == {}


def test_stats_count_faults(path):
    with mapped.open(path, length=4096) as region:
        before = mapped.stats()["faults"]
        os.truncate(path, 0)
        for _ in range(3):
            try:
                region[0]
            except mapped.FaultError:
                pass
        assert mapped.stats()["faults"] == before + 1


def test_stats_while_other_threads_open_and_close():
    before = mapped.stats()

    def open_and_close():
        for _ in range(500):
            mapped.anonymous(100).close()

    threads = [threading.Thread(target=open_and_close) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert 0 <= differences(before).get("regions", 0) <= 3
    assert differences(before) == {}
