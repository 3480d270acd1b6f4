"""Guards against an iteration, in either direction, that ends without an error
when the rest of its bytes no longer exists."""
import operator

import pytest

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
