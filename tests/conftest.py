"""What all suites of pytest share."""


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: left out under valgrind")
