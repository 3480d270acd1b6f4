"""Guards against an iteration, in either direction, that ends without an error
when the rest of its bytes no longer exists."""
import gc
import operator

import pytest

import mapped

VIEWS = {
    "region": lambda r: r,
    "slice": lambda r: r[10:20],
    "array": lambda r: r.cast("H"),
    "grid": lambda r: r.cast("B", (8, 8)),
    "records": lambda r: r.records("a:u32"),
}


@pytest.mark.parametrize("make", VIEWS)
def test_reversed_gives_the_same_items_backwards(region, make):
    view = VIEWS[make](region)
    assert list(reversed(view)) == list(view)[::-1]
    assert operator.length_hint(reversed(view)) == len(view)
    assert list(reversed(region[:0])) == []


@pytest.mark.parametrize("direction", [iter, reversed])
@pytest.mark.parametrize("make", sorted(set(VIEWS) - {"region"}))
def test_view_that_lost_its_end_does_not_end_early(region, make, direction):
    view = VIEWS[make](region)
    region.resize(6)
    with pytest.raises(IndexError):
        list(item.a if make == "records" else list(item) if make == "grid"
             else item for item in direction(view))


@pytest.mark.parametrize("direction", [iter, reversed])
@pytest.mark.parametrize("make", VIEWS)
def test_shrinking_in_mid_iteration_is_an_error(region, make, direction):
    items = direction(VIEWS[make](region))
    next(items)
    region.resize(0)
    with pytest.raises(IndexError):
        for item in items:
            list(item)


@pytest.mark.parametrize("make", VIEWS)
def test_reversed_of_something_closed_is_an_error(region, make):
    view = VIEWS[make](region)
    items = reversed(view)
    region.close()
    with pytest.raises(ValueError, match="closed"):
        next(items)
    with pytest.raises(ValueError, match="closed"):
        reversed(view)


@pytest.mark.parametrize("order", [iter, reversed])
@pytest.mark.parametrize("make, key", [
    (lambda region: region.records("a:u8 b:u8"), lambda record: record.a),
    (lambda region: region.cast("B", (32, 2)), lambda row: row[0]),
    (lambda region: region.cast("H"), lambda number: number)],
    ids=["records", "grid", "array"])
def test_no_item_is_lost_if_a_collection_takes_some(make, key, order):
    """Two users of one iterator may get the same item."""
    items = make(mapped.wrap(bytearray(range(64))))
    expected = {key(item) for item in items}
    iterator, taken, busy = order(items), [], []

    def take(phase, info):
        if phase == "start" and not busy and len(taken) < 8:
            busy.append(True)
            taken.append(next(iterator))
            busy.clear()
    threshold = gc.get_threshold()
    gc.collect()
    gc.callbacks.append(take)
    gc.set_threshold(1)
    try:
        rest = list(iterator)
    finally:
        gc.callbacks.remove(take)
        gc.set_threshold(*threshold)
    assert {key(item) for item in taken + rest} == expected
