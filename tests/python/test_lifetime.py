"""Guards against access to memory after close, in whatever order objects end,
also when a conversion closes the region in the middle of a call."""
import gc
import os
import sys
import weakref

import pytest

import mapped


@pytest.fixture
def region():
    made = mapped.anonymous(64)
    made[:] = bytes(range(64))
    return made


def every_use(region):
    """Returns every kind of access as a function, made while the region is
    open."""
    part, array, grid = region[8:40], region.cast("I"), region.cast("H", (4, 8))
    iterator, rows = iter(part), iter(grid)
    uses = []
    for view in region, part:
        uses += [
            lambda v=view: v[0], lambda v=view: v[-1], lambda v=view: v[1:3],
            lambda v=view: v[:0], lambda v=view: v[::2], lambda v=view: v[9**9:],
            lambda v=view: v.__setitem__(0, 1),
            lambda v=view: v.__setitem__(slice(0, 1), b"x"),
            lambda v=view: v.__setitem__(slice(0, 0), b""),
            lambda v=view: v.__setitem__(slice(0, 2, 2), b"x"),
            lambda v=view: len(v), lambda v=view: v.nbytes, lambda v=view: list(v),
            lambda v=view: bool(v), lambda v=view: 5 in v,
            lambda v=view: list(reversed(v)),
            lambda v=view: bytes(v), lambda v=view: v.tobytes(),
            lambda v=view: memoryview(v), lambda v=view: mapped.wrap(v),
            lambda v=view: v.slice(0, 1), lambda v=view: v.slice(0, 0),
            lambda v=view: v.get("I"), lambda v=view: v.set("I", 0, 1),
            lambda v=view: v.cast("I"), lambda v=view: v.cast("B", (1, 64)),
            lambda v=view: v.copy_from(b"x"), lambda v=view: v.copy_from(b""),
            lambda v=view: v.copy_to(bytearray(64)),
            lambda v=view: v.copy_to(mapped.anonymous(64)),
            lambda v=view: mapped.anonymous(64).copy_from(v),
            lambda v=view: v.fill(0), lambda v=view: v.move(0, 1, 2)]
    for items in array, grid:
        uses += [
            lambda a=items: a[0], lambda a=items: a[0:1], lambda a=items: a[:0],
            lambda a=items: a.__setitem__(0, a), lambda a=items: len(a),
            lambda a=items: list(a), lambda a=items: a.tolist(),
            lambda a=items: bytes(a), lambda a=items: a.tobytes(),
            lambda a=items: memoryview(a)]
    uses += [lambda: array.__setitem__(0, 1), lambda: grid[0, 0],
             lambda: array.__setitem__(slice(0, 2), [1, 2]),
             lambda: next(iterator), lambda: next(rows),
             lambda: region.resize(1), lambda: region.append(b"x"),
             lambda: region.refresh(), lambda: region.size, lambda: region.fileno(),
             lambda: region.__enter__()]
    return uses


def test_every_use_after_close_is_refused(region):
    uses = every_use(region)
    region.close()
    for number, use in enumerate(uses):
        try:
            with pytest.raises(ValueError, match="closed"):
                use()
        except TypeError:
            assert "__setitem__" in use.__code__.co_names
        except pytest.fail.Exception:
            pytest.fail(f"use {number} went through")


def test_what_only_describes_works_after_close(region):
    part, array = region[8:40], region.cast("I")
    region.close()
    assert region.closed and part.closed and array.closed
    assert part.region is region and part.offset == 8
    assert region.mode == "r+" and region.name is None
    assert array.shape == (16,) and array.format == "I" and array.itemsize == 4
    assert not part.readonly and "closed" in repr(array)


def test_close_twice_is_fine(region):
    region.close()
    region.close()
    with pytest.raises(ValueError):
        with region:
            pass


def test_with_closes_and_returns_the_region(region):
    with region as same:
        assert same is region and not region.closed
    assert region.closed
    with pytest.raises(KeyError):
        with mapped.anonymous(1) as other:
            raise KeyError
    assert other.closed


def test_slices_keep_their_region_alive():
    part = mapped.anonymous(64)[8:40]
    array = part.cast("I")
    gc.collect()
    part[0] = 5
    assert array[0] == 5
    del part
    array.region.close()
    with pytest.raises(ValueError):
        array[0]


def actions(region, index):
    """Returns every call that converts an integer, with an integer that closes
    the region."""
    part, array, grid = region[8:40], region.cast("I"), region.cast("H", (4, 8))

    def at(value):
        return index(value, region.close)
    for view in region, part:
        yield from [
            lambda v=view: v[at(1)], lambda v=view: v[at(1):3],
            lambda v=view: v[1:at(3)], lambda v=view: v[1:3:at(1)],
            lambda v=view: v[1:3:at(2)],
            lambda v=view: v.__setitem__(at(0), 1),
            lambda v=view: v.__setitem__(0, at(1)),
            lambda v=view: v.__setitem__(slice(at(0), 1), b"x"),
            lambda v=view: v.__setitem__(slice(0, 3, at(2)), b"xy"),
            lambda v=view: v.slice(at(0), 1), lambda v=view: v.slice(0, at(1)),
            lambda v=view: v.get("I", at(0)),
            lambda v=view: v.set("I", at(0), 1),
            lambda v=view: v.set("I", 0, at(1)),
            lambda v=view: v.cast("I", (at(8),)),
            lambda v=view: v.copy_from(b"x", at(0)),
            lambda v=view: v.fill(at(1)), lambda v=view: v.move(at(0), 1, 1),
            lambda v=view: v.move(0, at(1), 1),
            lambda v=view: v.move(0, 1, at(1)),
            lambda v=view: at(1) in v]
    yield from [
        lambda: array[at(0)], lambda: array[at(0):1], lambda: grid[0, at(0)],
        lambda: grid[at(0)], lambda: array.__setitem__(at(0), 1),
        lambda: array.__setitem__(0, at(1)),
        lambda: array.__setitem__(slice(0, 2), [1, at(1)]),
        lambda: region.resize(at(100))]


def test_index_that_closes_the_region_in_mid_call_is_refused(index):
    count = len(list(actions(mapped.anonymous(64), index)))
    assert count > 40
    for number in range(count):
        region = mapped.anonymous(64)
        with pytest.raises(ValueError):
            list(actions(region, index))[number]()
            pytest.fail(f"action {number} went through")
        assert region.closed


def test_index_that_shrinks_the_region_in_mid_call_is_refused(index):
    for use in (lambda r, i: r[i], lambda r, i: r.get("I", i),
                lambda r, i: r.__setitem__(i, 1),
                lambda r, i: r[8:].__setitem__(i, 1),
                lambda r, i: r.set("I", i, 1), lambda r, i: r.slice(i, 1),
                lambda r, i: r.cast("I")[i] and r.cast("I")[i]):
        region = mapped.anonymous(64)
        region.fill(1)
        with pytest.raises(IndexError):
            use(region, index(12, lambda: region.resize(4)))
        assert len(region) == 4


def test_values_that_close_the_region_in_mid_call_are_refused():
    class Float:
        def __float__(self):
            region.close()
            return 1.0

    class Truth:
        def __bool__(self):
            region.close()
            return True

    for code, value in ("d", Float()), ("?", Truth()):
        region = mapped.anonymous(64)
        with pytest.raises(ValueError, match="closed"):
            region.set(code, 0, value)
        region = mapped.anonymous(64)
        with pytest.raises(ValueError, match="closed"):
            region.cast(code)[0] = value


@pytest.mark.skipif(sys.version_info < (3, 12),
                    reason="__buffer__ in Python code needs 3.12")
def test_buffer_method_that_closes_the_region_in_mid_call_is_refused():
    class Data:
        def __buffer__(self, flags):
            region.close()
            return memoryview(bytearray(8))

    for use in (lambda: region.copy_from(Data()),
                lambda: region.__setitem__(slice(0, 8), Data()),
                lambda: region.copy_to(Data()), lambda: region.append(Data())):
        region = mapped.anonymous(8)
        with pytest.raises(ValueError, match="closed"):
            use()


def test_path_that_opens_and_closes_others_is_harmless(path, content):
    class Path:
        def __fspath__(self):
            mapped.open(path).close()
            return str(path)

    with mapped.open(Path()) as region:
        assert region == content


def test_iteration_over_a_shrunken_region_is_an_error(path):
    with mapped.open(path, "r+") as region:
        iterator = iter(region[:100])
        assert next(iterator) == 0
        region.resize(1)
        with pytest.raises(IndexError):
            list(iterator)


def test_sequence_that_changes_while_it_is_stored_is_harmless(index):
    array = mapped.anonymous(16).cast("I")
    values = [1, 2, 3, 4]
    values[0] = index(1, values.clear)
    array[:] = values
    assert array.tolist() == [1, 2, 3, 4]


def test_moving_growth_keeps_slices_alive(path, content):
    with mapped.open(path, "r+") as region:
        part, array = region[100:200], region[:1024].cast("I")
        before = array.tolist()
        blockers = [mapped.anonymous(1 << 16) for _ in range(8)]
        region.resize(64 << 20)
        assert part == content[100:200] and array.tolist() == before
        part[0] = 7
        del blockers
    assert path.read_bytes()[100] == 7


def test_append_of_its_own_bytes_works(path, content):
    with mapped.open(path, "r+") as region:
        region.append(region)
        assert region == content * 2
        region.append(region[:0])
        assert len(region) == 2 * len(content)


def test_resize_that_fails_changes_nothing(path, content):
    with mapped.open(path, "r+") as region:
        for length, error in ((-1, ValueError), (2**64, ValueError),
                              (2**63, ValueError), ("1", TypeError),
                              (None, TypeError), (1 << 62, (OSError,
                                                           ValueError))):
            with pytest.raises(error):
                region.resize(length)
        assert region == content and path.read_bytes() == content


def test_resize_of_what_cannot_be_resized_is_refused(path):
    with mapped.open(path, "c") as region, pytest.raises(OSError):
        region.resize(1)
    with pytest.raises(OSError):
        mapped.wrap(bytearray(5)).region.resize(1)


def test_size_is_that_of_the_file_now(path):
    with mapped.open(path, length=10) as region:
        assert region.size == path.stat().st_size
        with path.open("ab") as file:
            file.write(b"more")
        assert region.size == path.stat().st_size
        path.rename(path.with_name("moved"))
        with pytest.raises(FileNotFoundError):
            region.size


def test_everything_can_be_weakly_referenced(region):
    for thing in region, region[1:3], region.cast("I"), region.cast("I")[::2]:
        seen = []
        weak = weakref.ref(thing, seen.append)
        assert weak() is thing
        del thing
        if weak() is None:
            assert seen == [weak]


def test_reused_memory_of_slices_has_no_old_weak_references(region):
    for _ in range(100):
        part = region[1:3]
        weak = weakref.ref(part)
        del part
        assert weak() is None


def test_references_are_balanced(region):
    class Bad:
        def __index__(self):
            raise KeyError

    gc.collect()
    before = sys.getrefcount(region)
    types = [sys.getrefcount(kind) for kind in (
        mapped.Region, mapped.Slice, mapped.Array)]
    for _ in range(50):
        for use in every_use(region)[:-6] + [
                lambda: region[Bad()], lambda: region.get("I", Bad()),
                lambda: region[1:3][Bad():], lambda: region.get("x"),
                lambda: region.cast("I", (Bad(),)), lambda: region.resize(-1),
                lambda: region.cast("I")[Bad()],
                lambda: region.cast("I").__setitem__(slice(1), [Bad()])]:
            try:
                use()
            except (KeyError, TypeError, ValueError, IndexError):
                pass
    del use
    gc.collect()
    assert sys.getrefcount(region) == before
    assert [sys.getrefcount(kind) for kind in (
        mapped.Region, mapped.Slice, mapped.Array)] == types


def test_cycle_through_a_wrap_is_collected():
    class Data(bytearray):
        pass

    for keep in (lambda s: s, lambda s: s.region, lambda s: s.cast("B"),
                 lambda s: iter(s), lambda s: memoryview(s),
                 lambda s: s.region[1:3].cast("B")[::2]):
        data = Data(b"hello")
        data.cycle = keep(mapped.wrap(data))
        weak = weakref.ref(data)
        del data
        gc.collect()
        assert weak() is None


@pytest.mark.skipif(sys.version_info < (3, 12),
                    reason="the method __buffer__ is new in Python 3.12")
def test_collector_sees_no_memoryview_through_a_buffer_method(child):
    """Else it clears the memoryview first, and CPython crashes."""
    child("""
        import gc, mapped
        gc.disable()
        class Buffer:
            def __buffer__(self, flags):
                return self.memory
        memory = memoryview(bytearray(1 << 20))
        made = Buffer()
        made.memory, made.cycle = memory, made
        made.wrap = mapped.wrap(made)
        del made, memory
        gc.collect()
    """)


@pytest.mark.parametrize("end", ["del made", "cycle = [made]; cycle.append(cycle); "
                                 "del made, cycle; gc.collect()"])
@pytest.mark.parametrize("step", ["memoryview(made)", "made",
                                  "memoryview(made).cast('B')"])
def test_wraps_of_wraps_end_without_a_deep_stack(child, step, end):
    assert child(f"""
        import gc, threading, mapped
        def nest():
            made = bytearray(8)
            for _ in range(20_000):
                made = mapped.wrap({step})
            {end}
        threading.stack_size(256 * 1024)
        thread = threading.Thread(target=nest)
        thread.start()
        thread.join()
        print("fine")""", finalizers=False) == "fine\n"


def test_only_wraps_are_tracked_by_the_collector(region):
    assert not gc.is_tracked(region) and not gc.is_tracked(region[1:3])
    assert not gc.is_tracked(region.cast("I"))
    view = mapped.wrap(bytearray(8))
    assert gc.is_tracked(view) and gc.is_tracked(view.region)
    assert gc.is_tracked(view[1:3]) and gc.is_tracked(view.cast("I"))
    assert gc.is_tracked(iter(view))


def test_types_cannot_be_made_or_changed():
    for kind in mapped.Region, mapped.Slice, mapped.Array:
        with pytest.raises(TypeError):
            kind()
        with pytest.raises(TypeError):
            kind.extra = 1
        with pytest.raises(TypeError):
            type("Derived", (kind,), {})


def test_interpreter_ends_with_everything_open(child, path):
    child("""
        import mapped, sys
        region = mapped.open(sys.argv[1], "r+")
        parts = [region[i:] for i in range(100)]
        array = region[:8].cast("I")
        view = memoryview(array)
        data = bytearray(8)
        cycle = [mapped.wrap(data)]
        cycle.append(cycle)
        class Late:
            def __del__(self):
                parts[3][0]
        late = Late()
        sys.kept = [region, parts, late]
        """, path)


def test_interpreter_frees_its_types_after_their_objects(child):
    child("""
        import mapped
        region = mapped.anonymous(64)
        parts = [region[i:] for i in range(64)]
        del parts
        late = region[1:]
        """, env={**os.environ, "PYTHONMALLOC": "debug"})


SUBINTERPRETER = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
CODE = '''
import mapped
region = mapped.anonymous(64)
region.set("<I", 4, 7)
assert region.cast("I")[1] == 7 and region[4:5] == b"\\\\7"
try:
    mapped.open("/does/not/exist")
except FileNotFoundError:
    pass
kept = region[1:]
'''
import mapped
mine = mapped.anonymous(8)[1:]
for _ in range(3):
    name = interpreters.create()
    failed = interpreters.run_string(name, CODE)
    assert not failed, failed
    interpreters.destroy(name)
assert mine == bytes(7)
assert mine[2:4] == bytes(2)
"""


def test_subinterpreters_each_import_their_own(child):
    child(SUBINTERPRETER)
