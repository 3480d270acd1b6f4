"""What the Python benchmarks share: a clock, and rows as JSON for run.py."""
import json
import time


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def report(title, against, at_most, ours, peer):
    """Prints a row of lists of nanoseconds."""
    print(json.dumps({"row": title, "against": against, "at_most": at_most,
                      "unit": "ns", "ours": ours, "peer": peer}), flush=True)


def row(title, against, at_most, functions, rounds, operations=1):
    """Measures and prints a row. Both sides take turns."""
    times = [[], []]
    for _ in range(rounds):
        for side, function in zip(times, functions):
            side.append(round(seconds(function) / operations * 1e9, 2))
    report(title, against, at_most, *times)
