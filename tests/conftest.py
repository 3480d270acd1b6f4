"""Selects the tests that a run of pytest includes, for all suites."""
import os

import pytest

VALGRIND = "vgpreload" in os.environ.get("LD_PRELOAD", "")


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: left out under valgrind")
    config.addinivalue_line("markers", "children: skipped under valgrind, which "
                            "doesn't follow the programs that do its work")


def pytest_collection_modifyitems(config, items):
    """Selects tests. `scons test only=NAME` sets MAPPED_ONLY, and then only
    tests with NAME in their names run."""
    only = os.environ.get("MAPPED_ONLY", "")
    left_out = [item for item in items if only not in item.nodeid]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if only in item.nodeid]
    for item in items:
        if VALGRIND and item.get_closest_marker("children"):
            item.add_marker(pytest.mark.skip(
                reason=f"valgrind doesn't follow the programs of {item.originalname}"))
