"""What all suites of pytest share."""
import os


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: left out under valgrind")


def pytest_collection_modifyitems(config, items):
    """`scons test only=NAME` runs the tests with NAME in their names alone."""
    only = os.environ.get("MAPPED_ONLY", "")
    left_out = [item for item in items if only not in item.nodeid]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if only in item.nodeid]
