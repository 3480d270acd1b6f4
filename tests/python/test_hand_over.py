"""Guards against memory that is copied on its way to another process, that
arrives as other bytes or with more rights than it was sent with, and against
pickles that are out of date, made up, or leave something behind."""
import concurrent.futures
import contextlib
import copy
import errno
import gc
import multiprocessing
import multiprocessing.resource_sharer
import os
import pickle
import random
import signal
import subprocess
import sys
import threading

import pytest

import mapped
import support
import workers
from conftest import descriptors, mappings_of

# The workers of a fork server differ from spawned ones in nothing that their
# parent does.
SPAWNED = ["spawn", pytest.param("forkserver", marks=pytest.mark.children)]
METHODS = ["fork", *SPAWNED]
TRADES = "< id:u32 price:f64@8 name:char[16] levels:f32[3] size=64"


@contextlib.contextmanager
def pool_of(method, count=1):
    """A pool whose workers collect no garbage among what they have inherited,
    which under valgrind takes them longer than all else."""
    pool = multiprocessing.get_context(method).Pool(count, gc.freeze)
    try:
        yield pool
    finally:
        pool.close()
        pool.join()


@pytest.fixture(scope="module", params=METHODS)
def pool(request):
    with pool_of(request.param) as made:
        yield made


@pytest.fixture
def file(tmp_path):
    """Makes a file of the bytes 0 to 255, 16 times."""
    made = tmp_path / "hand-over.bin"
    made.write_bytes(bytes(range(256)) * 16)
    return made


@pytest.fixture
def name():
    made = f"mapped-hand-over-{os.getpid()}-{os.urandom(4).hex()}"
    yield made
    try:
        mapped.unlink(made)
    except FileNotFoundError:
        pass


def by_descriptor(file):
    with open(file, "r+b") as opened:
        return mapped.open(opened, "r+")


# How each kind of memory is made that others can have.
KINDS = {
    "path": lambda file, name: mapped.open(file, "r+"),
    "bytes": lambda file, name: mapped.open(os.fsencode(file), "r+"),
    "descriptor": lambda file, name: by_descriptor(file),
    "name": lambda file, name: mapped.shared(name, 4096, "x+"),
    "anonymous": lambda file, name: mapped.anonymous(4096, shared=True),
}


@pytest.fixture(params=KINDS)
def memory(request, file, name):
    with KINDS[request.param](file, name) as made:
        made[:4096] = bytes(range(256)) * 16
        yield made


def again(thing, protocol=None):
    return pickle.loads(pickle.dumps(thing, protocol))


def test_memory_is_mapped_by_a_worker_of_a_pool(pool, memory):
    assert pool.apply(workers.bump, (memory,)) == 0
    assert pool.apply(workers.bump, (memory[5:9],)) == 5
    assert (memory[0], memory[5]) == (1, 6)


def test_memory_comes_back_from_a_worker(pool, memory):
    there = pool.apply(workers.give_back, (memory[3:],))
    assert (memory[3], there[0]) == (4, 4)
    there[0] = 77
    assert memory[3] == 77 and there.region is not memory


@pytest.mark.parametrize("method", METHODS)
def test_memory_is_mapped_by_a_process_that_starts_with_it(method, memory):
    context = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    process = context.Process(target=workers.send_bump,
                              args=(theirs, memory[7:]))
    process.start()
    assert ours.recv() == 7 and memory[7] == 8
    process.join()
    assert process.exitcode == 0


@pytest.mark.parametrize("method", METHODS)
def test_memory_initializes_the_workers_of_a_pool(method, memory):
    """Each is started with a pickle of its own, also the later ones."""
    context = multiprocessing.get_context(method)
    with context.Pool(1, workers.keep, ([memory[:9], memory[9:]],),
                      maxtasksperchild=1) as pool:
        assert [pool.apply(workers.bump_kept, (i,)) for i in (0, 1, 1)] == [0, 9, 10]
        pool.close()
        pool.join()
    assert (memory[0], memory[9]) == (1, 11)


@pytest.mark.parametrize("method", METHODS)
def test_memory_goes_through_queues(method, memory):
    context = multiprocessing.get_context(method)
    questions, answers = context.Queue(), context.SimpleQueue()
    process = context.Process(target=workers.answer, args=(questions, answers))
    process.start()
    for i in range(5):
        questions.put(memory[i:])
        assert answers.get() == i and memory[i] == i + 1
    questions.put(None)
    process.join()
    questions.close()
    questions.join_thread()
    assert process.exitcode == 0


@pytest.mark.parametrize("method", METHODS)
def test_memory_is_mapped_by_an_executor(method, memory):
    with concurrent.futures.ProcessPoolExecutor(
            1, multiprocessing.get_context(method)) as executor:
        found = executor.map(workers.bump, [memory[i:] for i in range(10)])
        assert list(found) == list(range(10))
    assert bytes(memory[:10]) == bytes(range(1, 11))


def parts_of(region):
    table = region[:640].records(TRADES)
    matrix = region[:96].cast("H", (4, 3, 4))
    nested = region[:40].records("a:u8 b:{x:u16be y:u8[2]}[2] _:u8")
    return {
        "region": region, "slice": region[3:77], "empty": region[9:9],
        "cast": region.cast("<q"), "native": region[:80].cast("P"),
        "named": region[:81].cast("u24be"), "float": region[:80].cast("bf16"),
        "matrix": matrix, "selected": matrix[1:, ::-2, 3],
        "backwards": region[100:3:-7], "no items": matrix[2:2],
        "records": table, "every third": table[9:0:-3], "column": table.column("price"),
        "texts": table.column("name"), "rows": table.column("levels"),
        "nested": nested, "inner": nested.column("b"),
        "inner column": nested.column("b").column("y"),
    }


@pytest.mark.parametrize("part", parts_of(mapped.anonymous(4096)))
def test_every_kind_of_view_arrives_as_it_was(pool, file, part):
    with mapped.open(file, "r+") as region:
        thing = parts_of(region)[part]
        assert pool.apply(workers.look, (thing,)) == workers.look(thing)
        arrived = again(thing)
        assert arrived == thing and arrived.region is not region
        arrived.region.close()


def test_native_codes_keep_their_limits(file):
    with mapped.open(file, "r+") as region:
        array = again(region.cast("P"))
        array[0] = -1
        assert region.get("Q") == 2**64 - 1
        array = again(region.cast("f"))
        array[0] = 1e300
        assert region.get("f") == float("inf")
        with pytest.raises(ValueError):
            again(region.cast("=f"))[0] = 1e300


def test_records_atomics_and_mutexes_work_there(pool, memory):
    memory[:] = bytes(len(memory))
    records = memory[512:1152].records(TRADES)
    records[2] = 7, 1.0, b"x", (1, 2, 3)
    assert pool.apply(workers.set_record, (records[2],)) == (7, 2.5)
    assert records[2].price == 2.5
    word = memory.atomic("u64be" if sys.byteorder == "little" else "<q", 8)
    pool.apply(workers.add, (word, 10))
    assert word.load() == 10
    mutex = mapped.Mutex(memory[64:])
    found = pool.apply_async(workers.add_locked,
                             (mutex, memory[128:136].cast("Q"), 1000))
    workers.add_locked(mutex, memory[128:136].cast("Q"), 1000)
    found.get()
    assert memory.get("Q", 128) == 2000


def test_what_shares_a_region_shares_it_there(pool, memory):
    things = [memory[1:5], memory[3:9].cast("H"), memory,
              memory[:64].records(TRADES)]
    assert pool.apply(workers.are_one, (things,))
    one, other = again((memory[1:5], memory[3:9]))
    assert one.region is other.region is not memory
    one[3] = 99
    assert other[1] == 99


def test_pickle_is_small(file):
    os.truncate(file, 8_000_000)
    with mapped.open(file, "r+") as region:
        assert len(pickle.dumps(region.cast("d"))) < 1024
        assert len(pickle.dumps(region[::8])) < 1024
        for i in range(32):
            region[10 * i:10 * i + 5].protect("r")
        assert len(pickle.dumps(region[3:])) < 1024


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_will_do(file, protocol):
    with mapped.open(file, "r+") as region:
        for thing in parts_of(region).values():
            assert again(thing, protocol) == thing
        assert again(mapped.layout(TRADES), protocol).size == 64


def test_options_arrive(file):
    with mapped.open(file, "r+", offset=77, length=1000, reserve=1 << 20,
                     sparse=True) as region:
        there = again(region)
        assert workers.facts(there) == workers.facts(region)
        assert (len(there), there.name) == (1000, str(file))
        there.resize(1 << 20)
        assert len(file.read_bytes()) == 77 + (1 << 20)
        assert os.stat(file).st_blocks * 512 < 1 << 20
        with pytest.raises(ValueError, match="reserve"):
            there.resize((1 << 20) + 1)


def test_device_arrives_as_one(file):
    with mapped.open(file, "r+", device=True) as region:
        there = again(region)
        with pytest.raises(ValueError, match="misaligned"):
            there.get("I", 1)


@pytest.mark.parametrize("length, change", [(None, "longer"), (4096, "unchanged")])
def test_region_follows_its_file_as_far_as_the_one_that_was_sent(file, length,
                                                                change):
    with mapped.open(file, length=length) as region:
        there = again(region)
        os.truncate(file, 5000)
        assert there.refresh() == change


@pytest.mark.parametrize("mode", ["w+", "x+", "a+"])
def test_mode_that_makes_a_file_arrives_as_one_that_does_not(tmp_path, mode):
    path = tmp_path / "made"
    with mapped.open(path, mode, length=10) as region:
        region[3] = 3
        sent = pickle.dumps(region)
        there = pickle.loads(sent)
        assert there.mode == "r+" and there[3] == 3 and len(there) == 10
        path.unlink()
        with pytest.raises(FileNotFoundError):
            pickle.loads(sent)
        assert not path.exists()


def test_read_only_arrives_read_only(file, name):
    with mapped.open(file) as region, mapped.open(file, "r+") as other:
        other.protect("r")
        for sent in region, other, region[3:], other.cast("I"):
            there = again(sent)
            assert there.readonly
            with pytest.raises(TypeError):
                there[0] = 1
        assert again(region).mode == "r"
    with mapped.open(file, "r+") as region:
        view = region[8:40].toreadonly()
        records = view.records("a:u32")
        for sent in view, view.cast("I"), records, records[1]:
            assert again(sent) == sent
            with pytest.raises(TypeError, match="read-only"):
                again(sent)[0] = sent[0]
        with pytest.raises(TypeError, match="read-only"):
            again(view.atomic("u32")).store(1)
    with mapped.shared(name, 10, "x+") as region:
        region[2:4].protect("r")
        there = again(region)
        assert [there[i:i + 1].readonly for i in range(5)] == [0, 0, 1, 1, 0]
        assert not again(mapped.shared(name)).readonly


def test_relative_path_is_found_from_another_directory(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    with mapped.open(file.name) as region:
        monkeypatch.chdir("/")
        there = again(region)
        assert there == region and there.name == str(file)


def test_odd_paths(tmp_path):
    for odd in "sp ace\n", "ü", os.fsdecode(b"\xff\xfe"), "a" * 255:
        path = tmp_path / odd
        path.write_bytes(b"abc")
        with mapped.open(path) as region:
            assert bytes(again(region)) == b"abc"
            assert again(region).name == str(path)
        with mapped.open(os.fsencode(path)) as region:
            assert again(region).name == os.fsencode(path)


def test_empty_file(tmp_path):
    (tmp_path / "empty").touch()
    with mapped.open(tmp_path / "empty") as region:
        assert len(again(region)) == 0


def test_region_that_was_appended_to_arrives_without_the_spare(file):
    with mapped.open(file, "r+") as region:
        region.append(b"abc")
        assert os.path.getsize(file) > len(region)
        assert again(region) == region


# Out of date ------------------------------------------------------------------

def replace(file):
    other = file.with_suffix(".new")
    other.write_bytes(file.read_bytes())
    os.replace(other, file)


def remake(file):
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content)


@pytest.mark.parametrize("mode", ["r", "r+"])
@pytest.mark.parametrize("change", [replace, remake])
def test_file_that_was_replaced_is_not_mapped(file, mode, change):
    with mapped.open(file, mode) as region:
        sent = pickle.dumps(region[5:])
        change(file)
        for act in lambda: pickle.loads(sent), lambda: pickle.dumps(region):
            with pytest.raises(OSError, match="names another file now") as caught:
                act()
            assert caught.value.errno == errno.ESTALE
            assert caught.value.filename == str(file)


def test_file_that_was_removed_is_named(file):
    with mapped.open(file, "r+") as region:
        sent = pickle.dumps(region)
        file.unlink()
        for act in lambda: pickle.loads(sent), lambda: pickle.dumps(region):
            with pytest.raises(FileNotFoundError) as caught:
                act()
            assert caught.value.filename == str(file)


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_file_that_was_cut_is_an_error_and_stays_cut(file, mode):
    with mapped.open(file, mode) as region:
        sent = pickle.dumps(region)
    os.truncate(file, 4095)
    with pytest.raises(ValueError, match="hand-over.bin: open: it has been cut"):
        pickle.loads(sent)
    assert os.path.getsize(file) == 4095


def test_file_that_got_longer_arrives_as_it_was(file):
    with mapped.open(file) as region:
        sent = pickle.dumps(region)
    os.truncate(file, 10_000)
    assert len(pickle.loads(sent)) == 4096


def test_shared_memory_that_was_unlinked_or_made_anew(name):
    with mapped.shared(name, 10, "x+") as region:
        sent = pickle.dumps(region)
        mapped.unlink(name)
        with pytest.raises(FileNotFoundError):
            pickle.loads(sent)
        mapped.shared(name, 10, "x+").close()
        with pytest.raises(OSError, match="names another file now"):
            pickle.loads(sent)


@pytest.fixture
def quiet(monkeypatch):
    """Keeps the thread that sends descriptors from printing what it is asked for
    in vain."""
    monkeypatch.setattr(sys, "excepthook", lambda *_: None)


def test_descriptor_is_handed_over_once(quiet):
    region = mapped.anonymous(10, shared=True)
    sent = pickle.dumps(region)
    region[3] = 3
    assert pickle.loads(sent)[3] == 3
    with pytest.raises(OSError, match="descriptor of the memory isn't there"):
        pickle.loads(sent)


def test_descriptor_outlives_its_region():
    region = mapped.anonymous(10, shared=True)
    region[3] = 3
    sent = pickle.dumps(region[2:])
    region.close()
    assert pickle.loads(sent)[1] == 3


def test_descriptor_of_a_process_that_has_ended(quiet):
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=workers.pickled, args=(theirs, 100))
    process.start()
    sent = ours.recv_bytes()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with pytest.raises(OSError, match="descriptor of the memory isn't there") \
            as caught:
        pickle.loads(sent)
    assert caught.value.errno == errno.EBADF


def test_descriptor_of_something_else_is_refused(file):
    region = mapped.anonymous(4096, shared=True)
    receive, (sent, numbers) = region.__reduce_ex__(4)
    os.close(sent.detach())

    class Other:
        def detach(self):
            return os.open(file, os.O_RDWR)

    gc.collect()
    before = len(descriptors())
    with pytest.raises(OSError, match="isn't there"):
        receive(Other(), numbers)
    Other.detach = lambda self: 10_000
    with pytest.raises(OSError, match="isn't there"):
        receive(Other(), numbers)
    assert len(descriptors()) <= before  # fewer: garbage of tests before


# Refused ----------------------------------------------------------------------

@pytest.mark.parametrize("make, why", [
    (lambda file: mapped.anonymous(10), "private memory belongs"),
    (lambda file: mapped.open(file, "c"), "mode \"c\" keeps its changes"),
    (lambda file: mapped.wrap(bytearray(64)), "wrapped memory belongs"),
    (lambda file: mapped.windows(file, 10), "call windows"),
], ids=["anonymous", "c", "wrap", "windows"])
def test_private_memory_refuses_and_says_why(file, make, why):
    thing = make(file)
    things = [thing]
    if not isinstance(thing, mapped.Windows):
        things += [thing[1:3], thing[:8].cast("H"), thing[:4].records("a:u8"),
                   thing[:4].records("a:u8")[0], thing[:0]]
    for each in things:
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError,
                               match=f"cannot pickle <.* object>: {why}"):
                pickle.dumps(each, protocol)


def test_closed_region_refuses(file):
    region = mapped.open(file, "r+")
    things = [*parts_of(region).values(), region[:4].records("a:u8")[0],
              region.atomic("I"), mapped.Mutex(region[8:])]
    region.close()
    for thing in things:
        with pytest.raises(ValueError, match="pickle: attempt to use a closed"):
            pickle.dumps(thing)


def test_view_that_lies_outside_refuses(file):
    with mapped.open(file, "r+") as region:
        things = [region[4000:], region.cast("I"), region.records("a:u32")[1000]]
        region.resize(3000)
        for thing in things:
            with pytest.raises(IndexError, match="pickle: out of range"):
                pickle.dumps(thing)


def test_locks_and_iterators_are_not_handed_over(file):
    with mapped.open(file, "r+") as region:
        for thing in region.lock(), iter(region), region.lines(), region.split(b"x"):
            with pytest.raises(TypeError, match="cannot pickle"):
                pickle.dumps(thing)


@pytest.mark.parametrize("act", [copy.copy, copy.deepcopy])
def test_copies_are_refused_whatever_they_would_mean(memory, act):
    gc.collect()
    before = descriptors()
    private = mapped.anonymous(16)
    for thing in (memory, memory[1:5], memory.cast("I"), memory.records("a:u8"),
                  memory.records("a:u8")[0], memory.atomic("I"),
                  mapped.Mutex(memory), private, private[:3]):
        with pytest.raises(TypeError, match="cannot copy <.* object>: slices"):
            act(thing)
    with pytest.raises(TypeError, match="cannot pickle"):
        act(mapped.windows(__file__, 10))
    assert descriptors() == before
    assert act(mapped.layout(TRADES)).fields == mapped.layout(TRADES).fields


# Layouts ----------------------------------------------------------------------

@pytest.mark.parametrize("make", [
    lambda: mapped.layout(TRADES), lambda: mapped.layout("align a:u8 b:u64"),
    lambda: mapped.layout("<i3sH", ["a", "b", "c"]),
    lambda: mapped.anonymous(8).records("a:{x:u16 y:u8[2]}[2]").column("a").layout,
], ids=["text", "aligned", "struct", "inner"])
def test_layout_arrives_exactly(make):
    layout = make()
    there = again(layout)
    for name in "size", "names", "fields", "format", "dtype":
        assert getattr(there, name) == getattr(layout, name)
    assert repr(there) == repr(layout)


def test_layout_of_a_dtype_arrives_exactly(file):
    numpy = pytest.importorskip("numpy")
    inner = numpy.dtype([("x", ">f4"), ("y", "i1", 3)])
    dtype = numpy.dtype({
        "names": ["first name", "_", "size=8", "ü", "1x"], "itemsize": 100,
        "formats": ["<u2", "S7", inner, (inner, 2), "?"],
        "offsets": [90, 0, 8, 20, 50]})
    layout = mapped.layout(dtype)
    for there in again(layout), again(again(layout)):
        assert numpy.dtype(there.dtype) == numpy.dtype(layout.dtype)
        assert there.fields == layout.fields
    with mapped.open(file, "r+") as region:
        records = region[:4000].records(dtype)
        one, other = map(numpy.asarray, (again(records), records))
        assert one.dtype == other.dtype and one.tobytes() == other.tobytes()


# Made up ----------------------------------------------------------------------

ALLOWED = TypeError, ValueError, OverflowError, LookupError, OSError, MemoryError
WRONG = [None, True, "", "x", b"/", "/dev/null", (), (1,), -1, 0, 1, 7, 10**6,
         2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -2**63, 1e300,
         [1], {}, (0,) * 10, (2**63 - 1,) * 10, (0, 0), (4096, 1), (1, -1),
         mapped.layout("a:u8"), mapped.layout("a:u64 b:char[4000]"), "P", "u24", "B"]


def forged(arguments, chance):
    """The same with something else in it."""
    if isinstance(arguments, tuple) and arguments and chance.random() < 0.9:
        i = chance.randrange(len(arguments))
        return (*arguments[:i], forged(arguments[i], chance), *arguments[i + 1:])
    return chance.choice(WRONG)


def works_or_is_refused(act):
    try:
        return act()
    except ALLOWED:
        return None


def use(made):
    if isinstance(made, mapped.Layout):
        return made.fields, made.dtype
    if isinstance(made, mapped.Region):
        return made[:1], made[-1:], made.size
    if isinstance(made, (mapped.Atomic, mapped.Mutex)):
        return repr(made), made.__reduce_ex__(2)
    if isinstance(made, mapped.Record):
        return repr(made), list(made)
    return (repr(made), bytes(made), list(made), made[-1:].tobytes(), made == made,
            made[::-1].tolist(), memoryview(made), made[0])


@pytest.mark.parametrize("seed", range(8))
def test_made_up_pickle_is_refused_or_harmless(file, seed):
    chance = random.Random(seed)
    with mapped.open(file, "r+") as region:
        sent = [thing.__reduce_ex__(2) for thing in (
            *parts_of(region).values(), mapped.layout("<i3s", ["a", "b"]),
            region[:8].records("a:u8")[1], region.atomic("I"),
            mapped.Mutex(region))]
        for _ in range(1500):
            function, arguments = chance.choice(sent)
            wrong = forged(arguments, chance)
            if not isinstance(wrong, tuple):
                wrong = (wrong,)
            made = works_or_is_refused(lambda: function(*wrong))
            if made is not None:
                works_or_is_refused(lambda: use(made))
    assert os.path.getsize(file) == 4096


def test_made_up_pickle_has_no_more_power_than_it_asks_for(file):
    with mapped.open(file, "r+") as region:
        open_, (path, numbers) = region.__reduce_ex__(2)
    os.chmod(file, 0o444)
    there = open_(path, (0, *numbers[1:]))
    assert there.readonly and there.mode == "r"
    gc.collect()
    before = descriptors()
    for i, wrong in [(0, 2), (1, 1 << 31), (1, 2), (1, 8), (1, 2**32), (3, 4097),
                     (3, 2**64 - 1), (2, 2**64 - 1), (2, 1), (5, 4095), (6, 4096),
                     (7, numbers[7] + 1), (8, numbers[8] + 1)]:
        with pytest.raises((ValueError, OverflowError, OSError)):
            open_(path, (*numbers[:i], wrong, *numbers[i + 1:]))
    made = int(support.run("stat", "-c", "%W", file))
    if made > 0:  # else the file system doesn't tell
        assert numbers[9] // 10**9 == made
        with pytest.raises(OSError, match="names another file now"):
            open_(path, (*numbers[:9], numbers[9] + 1))
    for more in (0,), (0, 4097), (5, 5), (6, 5), (0, 1) * 33:
        with pytest.raises(ValueError):
            open_(path, (*numbers, *more))
    assert descriptors() == before and file.read_bytes()[:2] == b"\0\1"


def test_made_up_array_lies_inside(file):
    with mapped.open(file, "r+") as region:
        array = region.cast("B").__reduce_ex__(2)[0]
        for offset, length, first, shape, strides in [
                (0, 4097, 0, (1,), (1,)), (4096, 1, 0, (1,), (1,)),
                (-1, 1, 0, (1,), (1,)), (0, -1, 0, (1,), (1,)),
                (0, 4096, 4096, (1,), (1,)), (0, 4096, -1, (1,), (1,)),
                (0, 4096, 0, (4097,), (1,)), (0, 4096, 0, (2,), (4096,)),
                (0, 4096, 0, (2,), (-1,)), (0, 4096, 0, (4097,), (0,)),
                (0, 4096, 0, (2**62, 4), (0, 0)), (0, 4096, 0, (-1,), (1,)),
                (0, 0, 1, (0,), (1,)), (0, 0, 0, (2**40, 2**40, 0), (0, 0, 0)),
                (0, 1, 0, (), ()), (0, 1, 0, (1, 1), (1,)),
                (0, 1, 0, (1,) * 65, (1,) * 65)]:
            with pytest.raises((ValueError, IndexError, OverflowError)):
                array(region, "u8", offset, length, first, shape, strides)
        assert array(region, "u8", 9, 2, 1, (2,), (-1,)).tolist() == [10, 9]


# Nothing is left --------------------------------------------------------------

@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_in_either_process(pool, file, name, kind):
    with KINDS[kind](file, name) as region:
        pool.apply(workers.use, (region, [region]))
        regions = workers.regions()
        there = pool.apply(workers.held, ([],))
        gc.collect()
        here = descriptors()
        for _ in range(20):
            pool.apply(workers.use, (region[1:], [region[:5].cast("B")]))
        assert pool.apply(workers.held, ([],)) == there
        gc.collect()
        assert descriptors() == here
        assert workers.regions() == regions
    assert mappings_of(file) == 0


def test_nothing_is_left_of_a_pickle_that_fails(file):
    with mapped.open(file, "r+") as region:
        sent = pickle.dumps([region[5:], region.cast("I")])
    os.truncate(file, 10)
    counts = [sys.getrefcount(thing) for thing in (region, mapped, file)]
    gc.collect()
    before = descriptors(), workers.regions()
    for _ in range(50):
        with pytest.raises(ValueError):
            pickle.loads(sent)
    assert (descriptors(), workers.regions()) == before
    assert [sys.getrefcount(thing) for thing in (region, mapped, file)] == counts


def test_pickling_drops_every_reference(file):
    with mapped.open(file, "r+") as region:
        things = [*parts_of(region).values(), mapped.layout(TRADES)]
        for thing in things:
            thing.__reduce_ex__(2)
        before = [sys.getrefcount(thing) for thing in things]
        for _ in range(100):
            for thing in things:
                again(thing)
        assert [sys.getrefcount(thing) for thing in things] == before


@pytest.mark.parametrize("method", SPAWNED)
def test_resource_tracker_leaves_shared_memory_alone(tmp_path, name, method):
    """Neither the end of a worker nor that of the sender unlinks it, and nobody
    is warned of anything."""
    script = tmp_path / "sender.py"
    script.write_text(f"""if True:
        import sys
        sys.path.append({os.path.dirname(workers.__file__)!r})
        import multiprocessing, mapped, workers
        if __name__ == "__main__":
            region = mapped.shared({name!r}, 100, "x+")
            with multiprocessing.get_context({method!r}).Pool(2) as pool:
                assert pool.map(workers.bump, [region] * 2, 1) in ([0, 1], [1, 0])
                pool.close()
                pool.join()
            assert region[0] == 2
    """)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    with mapped.shared(name, mode="r") as region:
        assert region[0] == 2


def test_threads_pickle_while_garbage_is_collected(memory):
    """Regions that are only part of a cycle go at any time, in any thread."""
    failed, stop = [], threading.Event()

    def collect():
        while not stop.is_set():
            gc.collect()

    def send():
        try:
            for i in range(50):
                cycle = [again(memory[i:])]
                cycle.append(cycle)
                assert cycle[0][0] == memory[i]
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=send) for _ in range(3)]
    collector = threading.Thread(target=collect)
    collector.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    collector.join()
    assert failed == []


# Others' pools ----------------------------------------------------------------

@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_joblib_maps_it(memory, backend):
    joblib = pytest.importorskip("joblib", reason="joblib is not installed")
    jobs = joblib.Parallel(2, backend=backend)
    found = jobs(joblib.delayed(workers.bump)(memory[i:]) for i in range(10))
    assert found == list(range(10))
    assert bytes(memory[:10]) == bytes(range(1, 11))


def test_dask_maps_it(memory):
    dask = pytest.importorskip("dask", reason="dask is not installed")
    jobs = [dask.delayed(workers.bump)(memory[i:]) for i in range(10)]
    found = dask.compute(*jobs, scheduler="processes", num_workers=2)
    assert found == tuple(range(10))
    assert bytes(memory[:10]) == bytes(range(1, 11))


def test_stdlib_thread_of_descriptors_can_be_stopped():
    """Leaves the next test no thread and no descriptor."""
    region = mapped.anonymous(10, shared=True)
    before = len(descriptors())
    pickle.dumps(region)
    assert len(descriptors()) > before
    multiprocessing.resource_sharer.stop()
    gc.collect()
    assert len(descriptors()) <= before
