# The types of the extension module, with the texts of its help.
import struct
from collections.abc import Callable
from collections.abc import Coroutine as _Coroutine, Iterable, Iterator as _Iterator
from collections.abc import Sequence
from io import BufferedIOBase
from os import PathLike
from types import EllipsisType, GenericAlias, TracebackType
from typing import Any, BinaryIO, ClassVar, Final, Literal, NamedTuple, Protocol
from typing import SupportsFloat, SupportsIndex, TypeVar, final, overload, type_check_only

from _typeshed import ReadableBuffer as Buffer
from typing_extensions import Never, Self, TypeAlias

__version__: Final[str]

_Advice: TypeAlias = Literal["normal", "sequential", "random", "willneed", "cold", "pageout", "hugepage", "nohugepage"]
_Mode: TypeAlias = Literal["r", "r+", "a+", "c", "w+", "x+"]
_Keys: TypeAlias = SupportsIndex | slice | EllipsisType | tuple[SupportsIndex | slice | EllipsisType, ...]

# The codes by what their values are in Python.
_IntCode: TypeAlias = Literal[
    "b", "B", "h", "H", "i", "I", "l", "L", "q", "Q", "@b", "@B", "@h", "@H", "@i", "@I",
    "@l", "@L", "@q", "@Q", "=b", "=B", "=h", "=H", "=i", "=I", "=l", "=L", "=q", "=Q",
    "<b", "<B", "<h", "<H", "<i", "<I", "<l", "<L", "<q", "<Q", ">b", ">B", ">h", ">H",
    ">i", ">I", ">l", ">L", ">q", ">Q", "!b", "!B", "!h", "!H", "!i", "!I", "!l", "!L",
    "!q", "!Q", "n", "N", "P", "@n", "@N", "@P", "i8", "i16", "i16le", "i16be", "i24",
    "i24le", "i24be", "i32", "i32le", "i32be", "i40", "i40le", "i40be", "i48", "i48le",
    "i48be", "i56", "i56le", "i56be", "i64", "i64le", "i64be", "i72", "i72le", "i72be",
    "i80", "i80le", "i80be", "i88", "i88le", "i88be", "i96", "i96le", "i96be", "i104",
    "i104le", "i104be", "i112", "i112le", "i112be", "i120", "i120le", "i120be", "i128",
    "i128le", "i128be", "u8", "u16", "u16le", "u16be", "u24", "u24le", "u24be", "u32",
    "u32le", "u32be", "u40", "u40le", "u40be", "u48", "u48le", "u48be", "u56", "u56le",
    "u56be", "u64", "u64le", "u64be", "u72", "u72le", "u72be", "u80", "u80le", "u80be",
    "u88", "u88le", "u88be", "u96", "u96le", "u96be", "u104", "u104le", "u104be", "u112",
    "u112le", "u112be", "u120", "u120le", "u120be", "u128", "u128le", "u128be"
]
_FloatCode: TypeAlias = Literal[
    "e", "f", "d", "@e", "@f", "@d", "=e", "=f", "=d", "<e", "<f", "<d", ">e", ">f", ">d",
    "!e", "!f", "!d", "f16", "f16le", "f16be", "bf16", "bf16le", "bf16be", "f32", "f32le",
    "f32be", "f64", "f64le", "f64be"
]
_BoolCode: TypeAlias = Literal[
    "?", "@?", "=?", "<?", ">?", "!?", "bool"
]
_BytesCode: TypeAlias = Literal[
    "c", "@c", "=c", "<c", ">c", "!c", "char"
]

_T = TypeVar("_T")

_Row: TypeAlias = Iterable[Any] | dict[str, Any]

@type_check_only
class _HasFileno(Protocol):
    def fileno(self) -> int: ...

@type_check_only
class _Dtype(Protocol):
    """What is used of a numpy.dtype."""

    @property
    def names(self) -> tuple[str, ...] | None: ...
    @property
    def fields(self) -> Any: ...
    @property
    def itemsize(self) -> int: ...

_File: TypeAlias = str | bytes | PathLike[str] | PathLike[bytes] | int | _HasFileno

class PackRangeError(struct.error, IndexError):
    """What a format describes lies outside of the bytes.

    An IndexError, as everywhere in mapped, and a struct.error, as in
    struct.
    """

class FaultError(OSError):
    """A page of a mapping is lost: the file shrank, the disk is full or
    failed.

    An OSError; `offset` and `length` tell in bytes what was touched.
    """

    offset: int
    length: int

class Residency(NamedTuple):
    """How much of some bytes is in memory, as a named tuple.

    `page_size` in bytes; the numbers of `pages` that have a byte of these,
    of those `resident` in memory, and of those that wait to be written
    back, `dirty`, or are being written back, `writeback`, both None where
    the system doesn't tell; and `map`, bytes with a bit for each page, or
    None.
    """

    page_size: int
    pages: int
    resident: int
    dirty: int | None
    writeback: int | None
    map: bytes | None

@type_check_only
class _Exporter:
    """What has the buffer protocol."""

    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __release_buffer__(self, buffer: memoryview, /) -> None: ...

@type_check_only
class _Memory(_Exporter):
    """What Region, Slice, Array and Records have in common."""

    @property
    def nbytes(self) -> int:
        """The length in bytes, as len() gives it. ValueError once closed."""
    @property
    def readonly(self) -> bool:
        """True if a byte of it can't be written."""
    @property
    def closed(self) -> bool:
        """True once the region was closed."""
    @property
    def region(self) -> Region:
        """The Region whose bytes these are; of a Region, itself."""
    @property
    def offset(self) -> int:
        """Where in the region this begins, in bytes; of a Region, 0."""
    @property
    def format(self) -> str:
        """'B': the items are bytes."""
    @property
    def itemsize(self) -> int:
        """1: the items are bytes."""
    @property
    def ndim(self) -> int:
        """1: the bytes have one dimension."""
    @property
    def shape(self) -> tuple[int, ...]:
        """(nbytes,): the length. ValueError once closed."""
    @property
    def strides(self) -> tuple[int, ...]:
        """(1,): the bytes follow each other."""
    @property
    def suboffsets(self) -> tuple[int, ...]:
        """(): no item is behind a pointer."""
    @property
    def c_contiguous(self) -> bool:
        """True if the items follow each other without gaps, the last dimension
        varying fastest.
        """
    @property
    def f_contiguous(self) -> bool:
        """True if the items follow each other without gaps, the first dimension
        varying fastest.
        """
    @property
    def contiguous(self) -> bool:
        """True if it is contiguous in one of the two orders."""
    @property
    def obj(self) -> Buffer:
        """Whose memory it is: the wrapped object, or else the Region."""
    def __len__(self) -> int: ...
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    __hash__: None  # type: ignore[assignment]
    def __delitem__(self, key: Never, /) -> Never: ...
    def __bytes__(self) -> bytes: ...
    def __reduce_ex__(self, protocol: SupportsIndex, /) -> tuple[Any, ...]: ...
    def __copy__(self) -> Never: ...
    def __deepcopy__(self, memo: object, /) -> Never: ...
    def tobytes(self) -> bytes:
        """Return a copy of all bytes, like bytes(self).

        ValueError if the region is closed, FaultError if a page is lost.
        """
    def hex(self, sep: str | bytes | None = None, bytes_per_sep: SupportsIndex = 1) -> str:
        """Return the bytes as hexadecimal digits. As bytes.hex: `sep`, one
        character, goes between groups of `bytes_per_sep`, counted from the
        right or, if that is negative, from the left.
        """
    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the bytes as a str. As bytes.decode: UnicodeDecodeError, which is
        a ValueError, if they are no text in that encoding.
        """

@type_check_only
class _View(_Memory, Sequence[Any]):
    # Its items are int. But a checker that knows that refuses `b"x" in view`.

    """What a Region and a Slice have in common."""

    def __iter__(self) -> _Iterator[int]: ...
    def __reversed__(self) -> _Iterator[int]: ...
    def __contains__(self, key: object, /) -> bool: ...  # Buffer | SupportsIndex
    @overload
    def __getitem__(self, key: SupportsIndex, /) -> int: ...
    # A slice with a step returns an Array, and most type checkers don't know whether
    # a slice has one.
    @overload
    def __getitem__(self, key: slice, /) -> Slice | Any: ...
    @overload
    def __setitem__(self, key: SupportsIndex, value: SupportsIndex, /) -> None: ...
    @overload
    def __setitem__(self, key: slice, value: Buffer, /) -> None: ...
    def tolist(self) -> list[int]:
        """Return all bytes as a list of integers."""
    def toreadonly(self) -> Slice:
        """Return the same, over the same memory, but read-only. Of a Region
        that is a Slice.
        """
    def slice(self, offset: SupportsIndex, length: SupportsIndex) -> Slice:
        """Return `length` bytes from `offset` on as a Slice, without a copy. A
        negative offset counts from the end.

        Strict, unlike [a:b]: IndexError if they don't all exist. ValueError if
        the region is closed.
        """
    @overload
    def get(self, code: _IntCode, offset: SupportsIndex = 0) -> int:
        """Return the value of type `code`, a struct code such as '<I' or '>d' or
        a layout's name such as 'u24be', at byte `offset`, which counts from
        the end if negative, at any alignment.

        IndexError if it lies outside, ValueError if the code is unknown or the
        region closed, FaultError if the page is lost.
        """
    @overload
    def get(self, code: _FloatCode, offset: SupportsIndex = 0) -> float: ...
    @overload
    def get(self, code: _BoolCode, offset: SupportsIndex = 0) -> bool: ...
    @overload
    def get(self, code: _BytesCode, offset: SupportsIndex = 0) -> bytes: ...
    @overload
    def get(self, code: str, offset: SupportsIndex = 0) -> Any: ...
    @overload
    def set(self, code: _IntCode, offset: SupportsIndex, value: SupportsIndex) -> None:
        """Store `value` as type `code`, a struct code such as '<I' or '>d' or a
        layout's name such as 'u24be', at byte `offset`, which counts from the
        end if negative, at any alignment. As
        in struct, a native 'f' that overflows is an infinity, and a 'P' may be
        negative.

        IndexError if it lies outside, ValueError if the code is unknown, the
        value out of the type's range or the region closed, TypeError for a
        wrong kind of value or a read-only region, FaultError if the page is
        lost.
        """
    @overload
    def set(self, code: _FloatCode, offset: SupportsIndex, value: SupportsFloat | SupportsIndex) -> None: ...
    @overload
    def set(self, code: _BytesCode, offset: SupportsIndex, value: bytes) -> None: ...
    @overload
    def set(self, code: str, offset: SupportsIndex, value: Any) -> None: ...
    def unpack(self, format: str | bytes, offset: SupportsIndex = 0) -> tuple[Any, ...]:
        """Return a tuple of the values that `format`, in the language of struct,
        finds at byte `offset`, which counts from the end if negative.

        The values and errors of struct.unpack_from. PackRangeError, which is
        an IndexError too, where the bytes end early, ValueError if the region
        is closed, FaultError if a page is lost.
        """
    def pack(self, format: str | bytes, offset: SupportsIndex, /, *values: Any) -> None:
        """Store `values` as `format`, in the language of struct, says, at byte
        `offset`, which counts from the end if negative.

        The bytes and errors of struct.pack_into, but nothing is written if a
        value can't be. PackRangeError, which is an IndexError too, if it lies
        outside, TypeError if the region is read-only, ValueError if it is
        closed, FaultError if a page is lost.
        """
    def records(self, layout: str | Layout | _Dtype, /) -> Records:
        """Return the Records of a layout, a Layout or its text or a NumPy dtype,
        over the same bytes.

        ValueError if the bytes aren't a whole number of records, if the text
        is malformed or the region closed.
        """
    @overload
    def cast(self, code: _IntCode, shape: None = None) -> Array[int]:
        """Return an Array of values of type `code`, a struct code such as '<I' or
        a layout's name such as 'u32le', over the same bytes. `shape` is a
        sequence of lengths for more than one dimension, the last one varying
        fastest. Any alignment will do.

        ValueError if the bytes aren't a whole number of items or don't match
        the shape, if the code is unknown, or the region closed.
        """
    @overload
    def cast(self, code: _FloatCode, shape: None = None) -> Array[float]: ...
    @overload
    def cast(self, code: _BoolCode, shape: None = None) -> Array[bool]: ...
    @overload
    def cast(self, code: _BytesCode, shape: None = None) -> Array[bytes]: ...
    @overload
    def cast(self, code: str, shape: Sequence[SupportsIndex] | None = None) -> Array[Any]: ...
    def lock(self, shared: bool = False, timeout: float | None = None) -> Lock:
        """Lock these bytes of the file, with others who share them or alone, and
        return the Lock, which ends with its `with` block or with unlock().
        Waits for `timeout` seconds at most for those who have them; other
        Python threads run meanwhile, and signals are handled.

        It keeps out all who ask for a lock: in other processes, also by fcntl,
        in other threads, and in this one. If its holder dies it is free.

        TimeoutError; TypeError for a lock alone of a read-only region;
        io.UnsupportedOperation if the memory is no file; ValueError for no
        bytes, a negative timeout, or when the region is closed.
        """
    def atomic(self, code: str | bytes, offset: SupportsIndex = 0) -> Atomic:
        """Return the Atomic of type `code` at byte `offset`: an integer of 32 or
        64 bits, signed or not, such as 'u32' or '<q'. It must lie at a
        multiple of its size in memory.

        A negative offset counts from the end.

        IndexError if it lies outside, ValueError if the code is unknown or no
        such integer, if the word is misaligned or the region closed,
        io.UnsupportedOperation on a device.
        """
    def copy_from(self, data: Buffer, offset: SupportsIndex = 0) -> None:
        """Store all bytes of `data`, any buffer, from `offset` on, which counts
        from the end if negative. The two may overlap.

        IndexError if it doesn't fit, TypeError on a read-only region,
        ValueError if the region is closed, FaultError if a page is lost.
        """
    def copy_to(self, dest: Buffer, /) -> None:
        """Copy all bytes to the beginning of `dest`, a writable buffer.

        ValueError if `dest` is too small or a region is closed, TypeError if
        it can't be written, FaultError if a page is lost.
        """
    def fill(self, byte: SupportsIndex, /) -> None:
        """Set every byte to `byte`.

        ValueError if that is not from 0 to 255, TypeError on a read-only region,
        ValueError if the region is closed, FaultError if a page is lost.
        """
    def flush(self, wait: bool = True) -> None:
        """Write the bytes to the disk and wait until it has them, and the file's
        size, and its entry in the folder if it was created by this region. From
        then on they survive a loss of power. Without `wait` the writing only
        begins.

        OSError if the disk fails: then every later flush of the region fails
        too, because the system reports a failure once, until recover() has
        marked the pages as changed again. TypeError on a read-only region,
        io.UnsupportedOperation on private memory and devices, ValueError if the
        region is closed, FaultError if a page is lost.
        """
    def move(self, dest: SupportsIndex, src: SupportsIndex, n: SupportsIndex) -> None:
        """Copy `n` bytes from offset `src` to offset `dest`, which count
        from the end if negative; the two may overlap.

        IndexError if it doesn't fit, TypeError on a read-only region,
        ValueError if the region is closed, FaultError if a page is lost.
        """
    def find(self, x: Buffer | SupportsIndex, start: SupportsIndex | None = None, end: SupportsIndex | None = None) -> int:
        """Return the lowest index where `x` begins in [start:end], or -1.

        As bytes.find: `x` is a bytes-like object or an integer from 0 to 255.
        Other threads run meanwhile if it takes long. FaultError if a page was
        lost that the answer depends on.
        """
    def rfind(self, x: Buffer | SupportsIndex, start: SupportsIndex | None = None, end: SupportsIndex | None = None) -> int:
        """Like find, but return the highest index."""
    def index(self, x: Buffer | SupportsIndex, start: SupportsIndex | None = None, end: SupportsIndex | None = None) -> int:
        """Like find, but raise ValueError where find returns -1."""
    def rindex(self, x: Buffer | SupportsIndex, start: SupportsIndex | None = None, end: SupportsIndex | None = None) -> int:
        """Like rfind, but raise ValueError where rfind returns -1."""
    def count(self, x: Buffer | SupportsIndex, start: SupportsIndex | None = None, end: SupportsIndex | None = None) -> int:
        """Return how many occurrences of `x` that don't overlap are in
        [start:end].
        """
    def find_all(self, x: Buffer | SupportsIndex, start: SupportsIndex | None = None, end: SupportsIndex | None = None) -> _Iterator[int]:
        """Return an iterator over the indexes of all occurrences of `x` in
        [start:end] that don't overlap: the ones that count counts. It is an
        error if the region is closed before it is exhausted.
        """
    def startswith(self, prefix: Buffer | tuple[Buffer, ...], start: SupportsIndex | None = None, end: SupportsIndex | None = None) -> bool:
        """Return True if [start:end] begins with `prefix`, a bytes-like object,
        or with one of a tuple of them.
        """
    def endswith(self, suffix: Buffer | tuple[Buffer, ...], start: SupportsIndex | None = None, end: SupportsIndex | None = None) -> bool:
        """Return True if [start:end] ends with `suffix`, a bytes-like object, or
        with one of a tuple of them.
        """
    def lines(self, keepends: bool = False) -> _Iterator[Slice]:
        """Return an iterator over the lines, each a Slice.

        A line ends with b'\\n', which `keepends` makes part of it, or with the
        data. As when a binary file is read line by line, b'\\r' is nothing
        special.
        """
    def split(self, sep: Buffer | SupportsIndex, maxsplit: SupportsIndex = -1) -> _Iterator[Slice]:
        """Return an iterator over what lies between the separators, each a Slice.

        As bytes.split with a separator: always one more than there are
        separators; after `maxsplit` separators, if that isn't negative, the
        last part is all of the rest. ValueError if `sep` is empty.
        """
    def file(self) -> File:
        """Return a File over these bytes: a binary file object that reads and
        writes them in place. Of a Region it follows the length.

        ValueError if the region is closed.
        """
    def advise(self, kind: _Advice, /) -> None:
        """Tell the system how the bytes will be used. No advice changes a byte.

        'sequential': read ahead far; 'random': don't; 'willneed': begin to
        read; 'cold': may go first if memory is short; 'pageout': write back and
        let go now; 'hugepage' and 'nohugepage': transparent huge pages or not;
        'normal': as if nothing had been said. It holds for whole pages.
        ValueError for any other kind; io.UnsupportedOperation where the system
        has no such advice.
        """
    def discard(self) -> None:
        """Make every byte zero, and give back what the bytes took: memory, or
        blocks of the file, whose length stays.

        What is written there later needs room again: on a full disk its page is
        lost. TypeError on a read-only region; io.UnsupportedOperation in mode
        'c', for wrapped buffers, and if the file system can't; FaultError if a
        page is lost.
        """
    def revert(self) -> None:
        """Drop the private changes of a region in mode 'c': the bytes are those of
        the file again.

        io.UnsupportedOperation in other modes; FaultError if a page is lost;
        OSError if the file is needed, for parts of pages, and can't be opened
        again.
        """
    def prefetch(self, wait: bool = True, progress: Callable[[int, int], object] | None = None) -> None:
        """Bring the bytes into memory, and wait until they are there, or with
        `wait` false read them ahead in the background until the region is
        closed.

        `progress(done, total)` is called every few MiB of a prefetch that
        waits; an exception that it raises ends it, and so does one of a
        signal's handler. Other threads run meanwhile. FaultError if a page is
        lost.
        """
    def residency(self, map: bool = False) -> Residency:
        """Return what the system tells of the pages that these bytes take, now: a
        named tuple of `page_size`, and the numbers of `pages`, of those that
        are `resident`, `dirty` and in `writeback`. The last two are None where
        the system doesn't tell; Linux does of files since 6.5.

        With `map` true it is also bytes with a bit for each page, the first
        page in the lowest bit of the first byte, set for what is in memory.
        io.UnsupportedOperation where the system doesn't tell.
        """
    def mlock(self) -> None:
        """Keep the bytes in memory until munlock() or the end of the region.

        Whole pages are locked, and locks don't add up. A region that moves to
        grow loses them. OSError if the process may not lock so much
        (RLIMIT_MEMLOCK); FaultError if a page is lost; io.UnsupportedOperation
        for wrapped buffers.
        """
    def munlock(self) -> None:
        """Let the pages of these bytes go out of memory again."""
    def protect(self, mode: Literal["r", "r+"], /) -> None:
        """With 'r', refuse every write from now on, as if the region had been
        opened for reading, except for growth; with 'r+', end that. Of a Slice
        it holds for a write if one of the Slice's bytes lies in what the write
        spans from its first byte to its last.

        BufferError while there are exports, which may write; TypeError for 'r+'
        if it was opened for reading; io.UnsupportedOperation for more than 32
        stretches that don't touch.
        """

@type_check_only
class _Items(_Memory, Sequence[_T]):
    """What an Array and Records have in common."""

    def __iter__(self) -> _Iterator[_T]: ...
    def __reversed__(self) -> _Iterator[_T]: ...
    def __getitem__(self, key: Any, /) -> Any: ...
    def toreadonly(self) -> Self:
        """Return the same, over the same memory, but read-only."""
    @overload
    def cast(self, code: _IntCode, shape: None = None) -> Array[int]:
        """Return an Array of values of type `code` over the same bytes, as cast()
        of a Slice does. TypeError if there are gaps between the items.
        """
    @overload
    def cast(self, code: _FloatCode, shape: None = None) -> Array[float]: ...
    @overload
    def cast(self, code: _BoolCode, shape: None = None) -> Array[bool]: ...
    @overload
    def cast(self, code: _BytesCode, shape: None = None) -> Array[bytes]: ...
    @overload
    def cast(self, code: str, shape: Sequence[SupportsIndex] | None = None) -> Array[Any]: ...
    def index(self, value: Any, start: SupportsIndex | None = None, stop: SupportsIndex | None = None, /) -> int:
        """Return the first index of an item that equals `value`, in [start:stop].
        ValueError if there is none.
        """
    def count(self, value: Any, /) -> int:
        """Return how many items equal `value`."""
    def copy_to(self, dest: Buffer, /) -> None:
        """Copy the bytes of all items, in order, to the beginning of `dest`, a
        writable buffer.

        ValueError if `dest` is too small or a region is closed, TypeError if
        it can't be written, FaultError if a page is lost.
        """
    def fill(self, value: Any, /) -> None:
        """Store one value, or one record, into all items. Raises what
        assigning an item does.
        """
    def __contains__(self, key: object, /) -> bool: ...

@final
class Slice(_View):
    """Bytes of a Region, viewed and not copied.

    Made by slicing a Region or a Slice, and by mapped.wrap(). It is a
    sequence of integers like bytes, supports the buffer protocol, and
    keeps its Region alive. Every access is checked: once the region is
    closed it raises ValueError.
    """

    def release(self) -> None:
        """End the access through this Slice, which raises ValueError from now on,
        as of a closed region. Other slices and the region go on; but if this
        was the only one of a wrapped buffer, the buffer is given back, unless
        its memory is exported. Releasing twice is fine.
        """
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        type: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class Region(_View):
    """Memory that is really a file, or anonymous pages, or somebody's buffer.

    Made by mapped.open() and mapped.anonymous(). It is a sequence of
    integers like bytes, supports the buffer protocol, and is a context
    manager that closes it. A Region can be used wherever a Slice can.
    """

    @property
    def size(self) -> int:
        """The size in bytes of the file or memory behind the region as it is now,
        which another process may have changed. OSError if the system doesn't
        know it, ValueError once closed.
        """
    @property
    def file_offset(self) -> int:
        """Where in its file the region begins, in bytes; 0 if there is no file."""
    @property
    def mode(self) -> _Mode:
        """The mode: 'r', 'r+', 'a+', 'c', 'w+' or 'x+'."""
    @property
    def name(self) -> str | bytes | int | None:
        """The path or descriptor that was opened, or None for memory without one."""
    def close(self) -> None:
        """End all access: slices and arrays of this region raise ValueError from
        now on. Closing twice is fine.

        BufferError, which tells how many, and nothing changes, while
        memoryviews, numpy arrays or other exports of the memory exist.
        FaultError, but the region is closed, if one of them has met lost pages
        and check() has not said so since.
        """
    def release(self) -> None:
        """The same as close(), by its name in memoryview."""
    def resize(self, length: SupportsIndex) -> None:
        """Make the region, and the file behind it, `length` bytes long. A file
        that others have made longer meanwhile keeps what they added.

        Growing never disturbs exports of the memory: those of a file and of
        shared memory go on showing the same bytes. BufferError, and nothing
        changes, if it would shrink while there are any, or move memory that is
        neither. TypeError if it is read-only; io.UnsupportedOperation in mode
        'c' and for wrapped buffers; ValueError past the reserve or if closed;
        OSError if the disk is full.
        """
    def append(self, data: Buffer, /) -> None:
        """Grow the region, and its file, by the bytes of `data`, any buffer. They
        go to the region's end: where others append too, hold a lock and call
        refresh() first.

        The file gets longer in steps, ahead of the data, until it is trimmed by
        close() or resize(). If the process is killed before, it ends with a
        trailer that open() knows: the region has the data only.

        Raises what resize() raises, and FaultError if a page is lost: then the
        region is as long as before.
        """
    def refresh(self) -> Literal["unchanged", "longer", "shorter", "replaced",
                                 "removed"]:
        """Follow a file that others make longer, cut, replace or remove.

        Returns what was found, one thing at a time:

        'longer'     so is the region, up to the length it was opened with, if
                     it was given one
        'shorter'    so is the region; exports read zeros behind its end
        'replaced'   another file has the path, and nothing was left to show of
                     the old one: the region shows the new one
        'removed'    no file has the path; the region still shows the old one
        'unchanged'

        From then on the region holds a descriptor. BufferError if it would have
        to move, or to go over to another file, while there are exports;
        ValueError past the reserve or if closed; FaultError if pages are lost
        and there is no reserve; io.UnsupportedOperation where there is no file.
        """
    def fileno(self) -> int:
        """Return the descriptor that the region holds, which stays the region's.

        io.UnsupportedOperation if it holds none, as in modes 'r' and 'c';
        ValueError once closed.
        """
    @property
    def faults(self) -> list[FaultError]:
        """What was lost so far: a list of FaultError, each with `errno`, `offset`
        and `length` in bytes; ENODATA says that the file was truncated, ENOSPC
        that there was no space, EIO that the device or the memory failed.
        Empty for most. ValueError once closed.
        """
    def seal(
        self, *, grow: bool = True, shrink: bool = True, write: bool = False
    ) -> None:
        """Seal shared anonymous memory for good: no process that has its
        descriptor can make it longer, cut it from under the others, or map it
        for writing from now on. resize() raises OSError then.

        io.UnsupportedOperation for other regions; ValueError once closed, and
        if there is nothing to seal.
        """
    def check(self) -> None:
        """Raise FaultError if pages of the region are lost, with `offset` and
        `length` of the first lost range in bytes; ValueError if the region is
        closed.

        It touches no page: what has not been touched yet is not known to be
        lost.
        """
    def recover(self) -> None:
        """Map the file back over lost pages and try each of them.

        FaultError with the first range that is still lost; OSError if the file
        can't be opened again; ValueError if the region is closed. Exports stay
        valid and show the file again.
        """
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        type: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

# At run time it is registered with io.BufferedIOBase, and inherits nothing.
@final
class File(BufferedIOBase, BinaryIO):  # type: ignore[misc]
    """A binary file object over the bytes of a Region or a Slice.

    Made by file() of either, with a position of its own at 0. It has the
    methods of io.BufferedRandom, so zipfile, tarfile, csv, json, pickle,
    gzip, io.TextIOWrapper and shutil.copyfileobj take it. It reads in
    place: what a call returns is copied, and nothing else. Closing it does
    not close the region.

    Threads may share one: none of them gets bytes that another has got.
    """

    @property
    def closed(self) -> bool:
        """True once the file or the region was closed."""
    @property
    def mode(self) -> str:
        """'rb+', or 'rb' if a byte of it can't be written."""
    @property
    def name(self) -> str | bytes | int | None:  # type: ignore[override]
        """The name of the Region: a path, a descriptor or None."""
    def __iter__(self) -> Self: ...
    def __next__(self) -> bytes: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        type: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...
    def read(self, size: SupportsIndex | None = -1) -> bytes:
        """Return the next `size` bytes, or what there is; all of it with -1 or
        None; b'' at the end. Other threads run while many bytes are copied.

        ValueError if the file or the region is closed, FaultError if a page
        is lost: then the position stays.
        """
    def read1(self, size: SupportsIndex | None = -1) -> bytes:
        """Like read(), but with -1 or None return 8 KiB at most."""
    def readline(self, size: SupportsIndex | None = -1) -> bytes:
        """Return the next line with its b'\\n', which the last one may lack, or
        its first `size` bytes; b'' at the end.

        ValueError if the file or the region is closed, FaultError if a page
        is lost: then the position stays.
        """
    def readlines(self, hint: SupportsIndex | None = -1) -> list[bytes]:
        """Return a list of the lines that are left, or of so many that they have
        `hint` bytes, if that is more than 0.

        ValueError if the file or the region is closed, FaultError if a page
        is lost: then the position stays.
        """
    def peek(self, size: SupportsIndex | None = 0) -> bytes:
        """Return the next bytes, 8 KiB at most whatever `size` is, and stay there."""
    def readinto(self, buffer: Buffer, /) -> int:
        """Read into a writable buffer, and return how many bytes: fewer than it
        takes only at the end.

        ValueError if the file or the region is closed, FaultError if a page
        is lost: then the position stays.
        """
    def readinto1(self, buffer: Buffer, /) -> int:
        """The same as readinto()."""
    def write(self, data: Buffer, /) -> int:
        """Store all bytes of `data`, any buffer, at the position; return how many.
        They are in the memory, and so in the file behind it, at once.

        ValueError, and nothing is written, if they don't fit: a File never
        makes the memory longer. io.UnsupportedOperation if it is read-only,
        ValueError if the file or the region is closed, FaultError if a page is
        lost.
        """
    def writelines(self, lines: Iterable[Buffer], /) -> None:
        """Write each of `lines`, which have their newlines already."""
    def seek(self, offset: SupportsIndex, whence: SupportsIndex = 0) -> int:
        """Move to `offset` bytes from the start (0), the position (1) or the end
        (2), and return the new position, which may be past the end.

        OSError if it is before the start, ValueError for another `whence` or if
        the file or the region is closed.
        """
    def tell(self) -> int:
        """Return the position."""
    def truncate(self, size: SupportsIndex | None = None) -> Never:
        """Raise io.UnsupportedOperation: resize() of the Region does that."""
    def readable(self) -> bool:
        """Return True."""
    def seekable(self) -> bool:
        """Return True."""
    def writable(self) -> bool:
        """Return whether the memory can be written."""
    def isatty(self) -> bool:
        """Return False."""
    def flush(self) -> None:
        """Do nothing: there is no buffer. flush() of the Region or the Slice is
        what survives a loss of power.
        """
    def getbuffer(self) -> memoryview:
        """Return a memoryview of all the bytes, without a copy. While it exists,
        close() of the Region raises BufferError.
        """
    def fileno(self) -> Never:
        """Raise io.UnsupportedOperation: no descriptor has this position."""
    def detach(self) -> Never:
        """Raise io.UnsupportedOperation: there is no raw file below."""
    def close(self) -> None:
        """Close the file, and not the region. Closing twice is fine."""

# The base of mapped.mmap.mmap.
class Mmap(_Exporter):
    """The bytes and the position of a mapped.mmap.mmap."""

    @property
    def _region(self) -> Region:
        """The Region that the bytes are of."""
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, key: SupportsIndex, /) -> int: ...
    @overload
    def __getitem__(self, key: slice, /) -> bytes: ...
    @overload
    def __setitem__(self, key: SupportsIndex, value: SupportsIndex, /) -> None: ...
    @overload
    def __setitem__(self, key: slice, value: Buffer, /) -> None: ...
    def __delitem__(self, key: Never, /) -> Never: ...
    def read(self, n: SupportsIndex | None = None) -> bytes:
        """Return up to `n` bytes from the position, all with None, and move on."""
    def readline(self) -> bytes:
        """Return the next line with its b'\\n', and move past it."""
    def read_byte(self) -> int:
        """Return the next byte as a number. ValueError at the end."""
    def write(self, data: Buffer, /) -> int:
        """Store all of `data` at the position, move past it, return its length.
        ValueError, and nothing is written, if it doesn't fit.
        """
    def write_byte(self, byte: SupportsIndex, /) -> None:
        """Store a number from 0 to 255 at the position, and move past it."""
    def tell(self) -> int:
        """Return the position."""
    def seek(self, pos: SupportsIndex, whence: SupportsIndex = 0) -> int:
        """Move to `pos` bytes from the start (0), the position (1) or the end (2),
        and return the new position. ValueError if it is out of range.
        """
    def find(self, sub: Buffer, start: SupportsIndex = ..., end: SupportsIndex = ...) -> int:
        """Return the lowest index where the bytes `sub` begin in [start:end], or
        -1. `start` is the position if it is left out.
        """
    def rfind(self, sub: Buffer, start: SupportsIndex = ..., end: SupportsIndex = ...) -> int:
        """Like find(), but return the highest index."""

_Order: TypeAlias = Literal["seq_cst", "relaxed", "acquire", "release", "acq_rel"]

@final
class Atomic:
    """A word of a Region that every thread and process can change in one step.

    Made by atomic() of a Region or a Slice. C's <stdatomic.h> and every
    other language's atomics of that width mean the same by it.
    """

    @property
    def region(self) -> Region:
        """The Region whose bytes these are; of a Region, itself."""
    @property
    def offset(self) -> int:
        """Where the word begins, in bytes of the region."""
    def load(self, order: _Order = "seq_cst") -> int:
        """Return the word.
        `order` is 'seq_cst', 'relaxed', 'acquire', 'release' or 'acq_rel',
        as far as it makes sense, and as C11 has them.

        ValueError for an unknown order or if the region is closed,
        FaultError if the page is lost.
        """
    def store(self, value: SupportsIndex, order: _Order = "seq_cst") -> None:
        """Store `value`.
        `order` is 'seq_cst', 'relaxed', 'acquire', 'release' or 'acq_rel',
        as far as it makes sense, and as C11 has them.

        ValueError if the word can't hold the value, for an unknown order
        or if the region is closed; TypeError on a read-only region;
        FaultError if the page is lost.
        """
    def exchange(self, value: SupportsIndex, order: _Order = "seq_cst") -> int:
        """Store `value` and return what the word was.
        `order` is 'seq_cst', 'relaxed', 'acquire', 'release' or 'acq_rel',
        as far as it makes sense, and as C11 has them.

        ValueError if the word can't hold the value, for an unknown order
        or if the region is closed; TypeError on a read-only region;
        FaultError if the page is lost.
        """
    def compare_exchange(self, expected: SupportsIndex, desired: SupportsIndex, order: _Order = "seq_cst") -> int:
        """Store `desired` if the word is `expected`. Return what the word was: if
        that is `expected`, it was stored.
        `order` is 'seq_cst', 'relaxed', 'acquire', 'release' or 'acq_rel',
        as far as it makes sense, and as C11 has them.

        ValueError if the word can't hold the value, for an unknown order
        or if the region is closed; TypeError on a read-only region;
        FaultError if the page is lost.
        """
    def add(self, value: SupportsIndex, order: _Order = "seq_cst") -> int:
        """Add `value`, wrapping around and return what the word was.
        `order` is 'seq_cst', 'relaxed', 'acquire', 'release' or 'acq_rel',
        as far as it makes sense, and as C11 has them.

        ValueError if the word can't hold the value, for an unknown order
        or if the region is closed; TypeError on a read-only region;
        FaultError if the page is lost.
        """
    def sub(self, value: SupportsIndex, order: _Order = "seq_cst") -> int:
        """Subtract `value`, wrapping around and return what the word was.
        `order` is 'seq_cst', 'relaxed', 'acquire', 'release' or 'acq_rel',
        as far as it makes sense, and as C11 has them.

        ValueError if the word can't hold the value, for an unknown order
        or if the region is closed; TypeError on a read-only region;
        FaultError if the page is lost.
        """
    def and_(self, value: SupportsIndex, order: _Order = "seq_cst") -> int:
        """Store the bits that both the word and `value` have and return what the word was.
        `order` is 'seq_cst', 'relaxed', 'acquire', 'release' or 'acq_rel',
        as far as it makes sense, and as C11 has them.

        ValueError if the word can't hold the value, for an unknown order
        or if the region is closed; TypeError on a read-only region;
        FaultError if the page is lost.
        """
    def or_(self, value: SupportsIndex, order: _Order = "seq_cst") -> int:
        """Store the bits that the word or `value` has and return what the word was.
        `order` is 'seq_cst', 'relaxed', 'acquire', 'release' or 'acq_rel',
        as far as it makes sense, and as C11 has them.

        ValueError if the word can't hold the value, for an unknown order
        or if the region is closed; TypeError on a read-only region;
        FaultError if the page is lost.
        """
    def xor(self, value: SupportsIndex, order: _Order = "seq_cst") -> int:
        """Flip the bits that `value` has and return what the word was.
        `order` is 'seq_cst', 'relaxed', 'acquire', 'release' or 'acq_rel',
        as far as it makes sense, and as C11 has them.

        ValueError if the word can't hold the value, for an unknown order
        or if the region is closed; TypeError on a read-only region;
        FaultError if the page is lost.
        """
    def wait(self, value: SupportsIndex, timeout: float | None = None) -> int:
        """Sleep while the word is `value`, and return what it is then. Who
        changes it calls notify() after that, in whatever thread or process.
        `timeout` is in seconds; other Python threads run meanwhile, and
        signals are handled.

        TimeoutError if it is `value` still. ValueError if the word can't be
        `value`, if the timeout is negative or no number, or when the region
        is closed; FaultError when the page is lost.
        """
    def notify(self, count: SupportsIndex | None = None) -> int:
        """Wake at most `count` threads that wait for the word, in any process,
        or all. Return how many, or 0 where the system doesn't tell.

        ValueError for a negative count or if the region is closed.
        """
    def __reduce_ex__(self, protocol: SupportsIndex, /) -> tuple[Any, ...]: ...
    def __copy__(self) -> Never: ...
    def __deepcopy__(self, memo: object, /) -> Never: ...

@final
class Lock:
    """Bytes of a file that are locked.

    Made by lock() of a Region or a Slice, and ends with its `with`
    block, unlock(), or its last reference.
    """

    @property
    def held(self) -> bool:
        """True until the lock has ended."""
    def unlock(self) -> None:
        """End the lock. ValueError if it has ended."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        type: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class Ring:
    """A queue of records in shared memory, from any number of senders to any
    number of receivers, in all processes that map it.

    A Region or a Slice of zeros becomes an empty ring; one that is a ring
    is attached to. Each record is received once, in the order in which
    they were sent. Whoever dies, at any moment, takes no record with him:
    one that he had not sent is not there, and one that he had not
    received is received by the next. Iterating receives for ever, also
    with async for.

    ValueError if it is neither zero nor a ring, or of another size;
    io.UnsupportedOperation of another version or byte order; IndexError
    below 320 bytes; TypeError if it is read-only.
    """

    def __new__(cls, slice: Region | Slice, /) -> Self: ...
    @property
    def capacity(self) -> int:
        """Bytes for all records, 8 more for each."""
    @property
    def longest(self) -> int:
        """How long a record can be, in bytes."""
    @property
    def used(self) -> int:
        """Bytes that records take now, 8 more for each."""
    @property
    def senders_died(self) -> int:
        """How many died in the middle of a send."""
    @property
    def receivers_died(self) -> int:
        """How many died in the middle of a receive."""
    @property
    def region(self) -> Region:
        """The Region whose bytes these are; of a Region, itself."""
    @property
    def offset(self) -> int:
        """Where in the region the ring begins, in bytes."""
    def __reduce_ex__(self, protocol: SupportsIndex, /) -> tuple[Any, ...]: ...
    def __copy__(self) -> Never: ...
    def __deepcopy__(self, memo: object, /) -> Never: ...
    def send(self, data: Buffer, timeout: float | None = None) -> None:
        """Send a copy of `data`, any buffer, as one record. Waits for room for
        `timeout` seconds at most; other Python threads run meanwhile, and
        signals are handled; if a handler raises, the record may have been
        sent.

        TimeoutError; IndexError if it is longer than `longest`.

        ValueError when the region is closed, TypeError if a byte of the
        ring is protected, FaultError if a page is lost.
        """
    def try_send(self, data: Buffer, /) -> bool:
        """Send a copy of `data` if there is room now, and nobody else in the
        middle of a send. Return whether it was sent.

        IndexError if it is longer than `longest`.

        ValueError when the region is closed, TypeError if a byte of the
        ring is protected, FaultError if a page is lost.
        """
    def send_many(self, records: Iterable[Buffer], timeout: float | None = None) -> int:
        """Send a copy of each of the iterable's buffers as a record, in as few
        steps as there is room for, and return how many were sent: fewer than
        all only if `timeout` seconds were not enough.

        IndexError if one is longer than `longest`; then none is
        sent.

        ValueError when the region is closed, TypeError if a byte of the
        ring is protected, FaultError if a page is lost.
        """
    def recv(self, timeout: float | None = None) -> bytes:
        """Receive the next record, as bytes. Waits for it for `timeout` seconds at
        most; other Python threads run meanwhile, and signals are handled.

        TimeoutError; ValueError if the memory is damaged.

        ValueError when the region is closed, TypeError if a byte of the
        ring is protected, FaultError if a page is lost.
        """
    def try_recv(self) -> bytes | None:
        """Receive the next record, as bytes, if there is one now, and nobody
        else in the middle of a receive, else None.

        ValueError when the region is closed, TypeError if a byte of the
        ring is protected, FaultError if a page is lost.
        """
    def recv_many(
        self, most: SupportsIndex = 256, timeout: float | None = None
    ) -> list[bytes]:
        """Wait for a record, and receive all that are there, at most `most`, 256
        and about 64 KiB, in one step. Return a list of bytes.

        TimeoutError; ValueError if `most` is 0.

        ValueError when the region is closed, TypeError if a byte of the
        ring is protected, FaultError if a page is lost.
        """
    def reserve(self, n: SupportsIndex, timeout: float | None = None) -> Slice:
        """Reserve the next record of `n` bytes, and return a Slice to write it in
        place, until commit(). Nobody else sends meanwhile. Several records can
        be reserved, and are then sent in one step. Waits for room for `timeout`
        seconds at most, but not while others are reserved.

        TimeoutError; IndexError if it is longer than `longest`.

        ValueError when the region is closed, TypeError if a byte of the
        ring is protected, FaultError if a page is lost.
        """
    def commit(self, length: SupportsIndex | None = None) -> None:
        """Send the records that are reserved, in one step. `length` makes the
        last of them shorter.

        ValueError if none is reserved; IndexError if it is shorter than
        `length`.

        ValueError when the region is closed, TypeError if a byte of the
        ring is protected, FaultError if a page is lost.
        """
    def peek(self, timeout: float | None = None) -> Slice:
        """Return a Slice of the next record, which stays in the ring until
        release(). Nobody else receives meanwhile. Several records can be
        peeked at. Waits for one for `timeout` seconds at most, but not while
        others are peeked at.

        TimeoutError.

        ValueError when the region is closed, TypeError if a byte of the
        ring is protected, FaultError if a page is lost.
        """
    def release(self) -> None:
        """Take the records that were peeked at out of the ring, in one step.
        Their Slices show other records from then on.

        ValueError if there is none.

        ValueError when the region is closed, TypeError if a byte of the
        ring is protected, FaultError if a page is lost.
        """
    def cancel(self) -> None:
        """Drop the records that are reserved, and leave those that were peeked at
        in the ring. Does nothing if there are none.
        """
    def recv_async(self, timeout: float | None = None) -> _Coroutine[Any, Any, bytes]:
        """recv() for asyncio, to be awaited: other tasks run meanwhile. It looks
        at the ring again and again, after a millisecond at most; later where
        the loop's tasks wait for so many rings that the looks would take a
        tenth of its time.

        ValueError when the region is closed, TypeError if a byte of the
        ring is protected, FaultError if a page is lost.
        """
    def send_async(
        self, data: Buffer, timeout: float | None = None
    ) -> _Coroutine[Any, Any, None]:
        """send() for asyncio, to be awaited.

        ValueError when the region is closed, TypeError if a byte of the
        ring is protected, FaultError if a page is lost.
        """
    def __iter__(self) -> Self: ...
    def __next__(self) -> bytes: ...
    def __aiter__(self) -> Self: ...
    def __anext__(self) -> _Coroutine[Any, Any, bytes]: ...

@final
class Mutex:
    """A robust lock in shared memory, for all processes that map it.

    It is the first eight bytes of a Region or a Slice, which are zero while
    it is free and must lie at a multiple of eight in memory. When its owner
    dies, the next one gets it and is told so.
    """

    def __new__(cls, slice: Region | Slice, /) -> Self: ...
    @property
    def owner_died(self) -> bool:
        """True if the owner before died with it, when it was last taken here."""
    def __reduce_ex__(self, protocol: SupportsIndex, /) -> tuple[Any, ...]: ...
    def __copy__(self) -> Never: ...
    def __deepcopy__(self, memo: object, /) -> Never: ...
    def lock(self, timeout: float | None = None) -> bool:
        """Take the mutex, and return True if its last owner died with it: then
        what it guards may be half changed. Waits for `timeout` seconds at most;
        other Python threads run meanwhile, and signals are handled. A process
        that locks it twice waits for itself, and any of its threads may unlock
        it.

        TimeoutError; ValueError for a negative timeout or when the region is
        closed; FaultError if the page is lost.
        """
    def unlock(self) -> None:
        """Give the mutex back. ValueError if this process doesn't hold it, or if
        the region is closed; FaultError if the page is lost.
        """
    def abandon(self) -> None:
        """Give the mutex back with what it guards half changed: the next one to
        lock it is told that its owner died. Raises as unlock().
        """
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        type: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class Windows:
    """An iterator over a file of any size, made by mapped.windows().

    It yields Slices of at most the size asked for. It can be closed, and is
    a context manager.
    """

    @property
    def closed(self) -> bool:
        """True once closed."""
    @property
    def size(self) -> int:
        """The size in bytes of the file as it is now."""
    def __iter__(self) -> Self: ...
    def __next__(self) -> Slice: ...
    def find(self, x: Buffer | SupportsIndex, start: SupportsIndex = 0) -> int:
        """Return the lowest offset in the file, at or after `start`, where `x`
        begins, or -1.

        `x` is a bytes-like object or an integer from 0 to 255. Edges of windows
        hide nothing, and the iteration stays where it is. Other threads run
        meanwhile. ValueError if `start` is negative or the windows are closed;
        FaultError if a page was lost that the answer depends on.
        """
    def count(self, x: Buffer | SupportsIndex, /) -> int:
        """Return how many occurrences of `x` that don't overlap are in the file."""
    def lines(self, keepends: bool = False) -> _Iterator[Slice]:
        """Return an iterator over all lines of the file, each a Slice.

        A line ends with b'\\n', which `keepends` makes part of it, or with the
        file. None is cut by the edge of a window: for one that is longer, as
        much is mapped as it takes. A line's offset in the file is
        `line.region.file_offset + line.offset`.
        """
    def seek(self, offset: SupportsIndex, /) -> None:
        """Let the next window begin at `offset` in the file."""
    def __reduce_ex__(self, protocol: SupportsIndex, /) -> Never: ...
    def close(self) -> None:
        """Close the file. Windows and lines that somebody holds stay valid.
        Closing twice is fine.
        """
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        type: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class Array(_Items[_T]):
    """Values of one type over the bytes of a Region, without a copy.

    Made by cast() of a Region or Slice. Supports items, slices with any
    step, several dimensions, and the buffer protocol with its format,
    shape and strides. Every access is checked.

    What is assigned to a slice, or to [...] for all, is any buffer or
    sequence of the same shape, or one value for all items. Where both are
    of one type and without gaps, the bytes are copied directly;
    everything else is converted in memory of its own first, so that a
    value that doesn't fit changes nothing.
    """

    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...
    def tolist(self) -> list[_T]:
        """Return all items as a list, of lists if there is more than one
        dimension. Records are tuples.
        """
    @overload
    def __getitem__(self, key: SupportsIndex, /) -> _T: ...
    @overload
    def __getitem__(self, key: slice | EllipsisType, /) -> Array[_T]: ...
    @overload
    def __getitem__(self, key: tuple[SupportsIndex | slice | EllipsisType, ...], /) -> Any: ...
    def __setitem__(self, key: _Keys, value: Any, /) -> None: ...

@final
class Layout:
    """What a record looks like. Made by mapped.layout().

    Layouts are equal, and have the same hash, if their fields have
    the same names, types and offsets, and records the same size.
    """

    @property
    def size(self) -> int:
        """Bytes from one record to the next."""
    @property
    def names(self) -> tuple[str, ...]:
        """A tuple of the fields' names, in the order of the text."""
    @property
    def fields(self) -> tuple[tuple[str, str, int], ...]:
        """A tuple of (name, type, offset in bytes) for each field, in the order
        of the text.
        """
    @property
    def format(self) -> str:
        """The format of a record, as exported to other libraries (PEP 3118)."""
    @property
    def dtype(self) -> dict[str, Any]:
        """The record as numpy.dtype() takes it: a dict of names, formats, offsets
        and itemsize. What NumPy has no type for, such as u24 and bf16, is its
        bytes.
        """
    @property
    def struct_format(self) -> str:
        """The format in the language of struct that unpacks a record to the same
        values, except for texts, which keep the zero bytes that fill them up,
        and for fields that repeat, each of whose items is a value.

        ValueError if there is none: for records in records, for types without
        a code, for fields in two byte orders or in another order than that of
        their offsets.
        """
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce_ex__(self, protocol: SupportsIndex, /) -> tuple[Any, ...]: ...

@final
class Record(Sequence[Any]):
    """One record in place: each field is an attribute, read and written where
    it lies, and an item by name, which alone reaches a field that has a
    name of Python's own such as __len__. Otherwise it is a sequence of the
    values in the order of the layout, and equals a tuple of them; a method
    is hidden by a field of its name.

    Records are the items of Records. Called, the type makes one in memory
    of its own: of zeros, or of what can be assigned to a record.

    Numbers are int, float or bool; char[n] is bytes without the zero bytes
    that fill it up; other fields with [n] are tuples.
    """

    __match_args__: ClassVar[Any]  # positional patterns are the values in order
    def __new__(cls, layout: str | Layout | _Dtype, values: _Row | None = None) -> Self: ...
    def __getattribute__(self, name: str, /) -> Any: ...  # a field
    def __setattr__(self, name: str, value: Any, /) -> None: ...
    def __delattr__(self, name: Never, /) -> Never: ...  # type: ignore[override]
    def __len__(self) -> int: ...
    def __iter__(self) -> _Iterator[Any]: ...
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    __hash__: None  # type: ignore[assignment]
    @overload
    def __getitem__(self, key: str | SupportsIndex, /) -> Any: ...
    @overload
    def __getitem__(self, key: slice, /) -> tuple[Any, ...]: ...
    def __setitem__(self, key: str | SupportsIndex, value: Any, /) -> None: ...
    def keys(self) -> list[str]:
        """Return a list of the fields' names, so that dict(record) works
        if none of them is 'keys'.
        """
    def _asdict(self) -> dict[str, Any]:
        """Return a dict of the fields' names and values."""
    def index(self, value: Any, /, *bounds: SupportsIndex) -> int:
        """As that of a tuple of the values."""
    def count(self, value: Any, /) -> int:
        """As that of a tuple of the values."""
    def __delitem__(self, key: Never, /) -> Never: ...
    def __dir__(self) -> list[str]: ...
    def __reduce_ex__(self, protocol: SupportsIndex, /) -> tuple[Any, ...]: ...
    def __copy__(self) -> Never: ...
    def __deepcopy__(self, memo: object, /) -> Never: ...

@final
class Records(_Items[Any]):
    """Records of one layout over the bytes of a Region, without a copy.

    Made by records() of a Region or Slice, and of fields that are
    records. Items are Records in place, slices are Records again, and
    [name] is a column; assign a tuple in the order of the layout, a dict
    or a Record, and the latter two to a slice for all of its records.
    numpy.asarray() makes a structured array of it, in place.
    """

    def tolist(self) -> list[Any]:
        """Return all items as a list, of lists if there is more than one
        dimension. Records are tuples.
        """
    @property
    def layout(self) -> Layout:
        """The Layout of the records."""
    # Those of a repeated field have more dimensions than one, whose items are
    # Records: that only newer checkers can tell.
    def __iter__(self) -> _Iterator[Record | Any]: ...
    def __reversed__(self) -> _Iterator[Record | Any]: ...
    @overload
    def __getitem__(self, key: SupportsIndex, /) -> Record | Any: ...
    @overload
    def __getitem__(self, key: slice, /) -> Records: ...
    @overload
    def __getitem__(self, key: str, /) -> Array[Any] | Any: ...
    @overload
    def __getitem__(self, key: tuple[SupportsIndex | slice, ...] | EllipsisType, /) -> Any: ...
    @overload
    def __setitem__(self, key: SupportsIndex, value: _Row, /) -> None: ...
    @overload
    def __setitem__(self, key: slice | EllipsisType, value: Iterable[_Row] | _Row, /) -> None: ...
    @overload
    def __setitem__(self, key: str | tuple[SupportsIndex | slice, ...], value: Any, /) -> None: ...
    def column(self, name: str, /) -> Array[Any] | Any:
        """Return one field of all records as an Array, without a copy: it exports
        its format and strides, so that numpy.asarray() reads and writes it in
        place. A field with [n], char too, makes one dimension more; a field of
        records gives Records.

        records[name] is the same, and can be assigned.

        KeyError if there is no such field, ValueError if the region is closed.
        """

def open(
    file: _File,
    mode: _Mode = "r",
    *,
    offset: SupportsIndex = 0,
    length: SupportsIndex | None = None,
    reserve: SupportsIndex | None = None,
    sparse: bool = False,
    populate: bool = False,
    huge: bool | SupportsIndex | None = None,
    device: bool = False,
    permissions: SupportsIndex = 0o666,
) -> Region:
    """Map a file and return its Region.

    file      a path, a descriptor, or an object with fileno()
    mode      'r' read-only, 'r+' shared read-write, 'c' private
              copy-on-write, 'w+' create or truncate, 'x+' create, fail if
              it exists, 'a+' create if it is missing and keep what is there
    offset    where in the file the region begins, any byte
    length    bytes, None: to the end of the file; a writable mode extends a
              shorter file
    reserve   bytes of address space to keep for growth without moving
    sparse    extend the file without allocating its blocks
    populate  bring all pages into memory before returning
    huge      True: transparent huge pages where possible
    device    every access is one of exactly its width
    permissions  of a created file, less the umask

    OSError as the system says; ValueError for an unknown mode, a negative
    number, or in 'r' and 'c' an end past the end of the file.
    """
def shared(
    name: str | bytes | PathLike[str] | PathLike[bytes],
    length: SupportsIndex | None = None,
    mode: _Mode = "r+",
    *,
    offset: SupportsIndex = 0,
    reserve: SupportsIndex | None = None,
    sparse: bool = False,
    populate: bool = False,
    huge: bool | SupportsIndex | None = None,
    permissions: SupportsIndex = 0o600,
) -> Region:
    """Map the shared memory that has this name and return its Region. It is
    what shm_open in C and multiprocessing's SharedMemory have under the
    name, with or without a slash before it, and stays until unlink().

    length    bytes, exactly; None: all there are
    mode      'r+' attach, 'x+' create, fail if it exists, 'a+' attach or
              create, 'w+' create or truncate, 'r' attach read-only,
              'c' attach private copy-on-write
    permissions  of what is created, less the umask

    The other options are those of open(). OSError as the system says,
    ValueError for a name that none can have and for what open() raises it.
    """
def anonymous(
    length: SupportsIndex,
    *,
    shared: bool = False,
    reserve: SupportsIndex | None = None,
    huge: bool | SupportsIndex | None = None,
) -> Region:
    """Return a Region of `length` zero bytes that is no file.

    shared    the memory crosses fork() and has a descriptor
    reserve   bytes of address space to keep for growth without moving
    huge      True: transparent huge pages, a number: pages of that size

    OSError if there is no memory, ValueError for a negative number and for
    one that no memory can have.
    """
def wrap(buffer: Buffer, /) -> Slice:
    """Return a Slice over the memory of any bytes-like object, without a copy.

    It can be written if the object can, and keeps the object's memory in
    place until it is gone or its region is closed. If the object maps a
    file and a page of it is lost, access through the Slice raises
    FaultError, and the object itself reads zeros.

    The collector doesn't see through a memoryview, nor through a __buffer__
    method: an object that has a wrap of a memoryview of itself stays until
    the wrap's region is closed.

    TypeError if the object is no buffer, BufferError if it isn't
    contiguous.
    """
@overload
def layout(text: str | Layout | _Dtype, names: None = None) -> Layout:
    """Return the Layout of records that a line of text describes, such as '<
    id:u32 price:f64@8 name:char[16] levels:f32[3] size=64'.

    Fields are name:type, name:type[count] and name:type@offset; types are
    u8 to u128 and i8 to i128, f16 bf16 f32 f64, bool and char, with le or
    be behind for a byte order, and records in braces: 'corners:{x:f32
    y:f32}[4]'. A field named _ is padding. Before the first field: < > or
    = for the byte order of all, `align` for the alignment of C. size=n
    makes records longer than their fields.

    `text` may be a NumPy dtype with fields instead. With `names` it is a
    format in the language of struct, each of whose codes gets one of the
    names; one with a count is a field that repeats.

    ValueError, with the place in the text, if it is malformed or if fields
    overlap, and for what a layout has no type for.
    """
@overload
def layout(text: str | bytes, names: Iterable[str]) -> Layout: ...
def guard(enabled: bool | None = None) -> bool:
    """Switch the fault guard of the whole process off or on, and return
    whether it was on. Off, a lost page kills the process as it does with
    mmap.

    Switching it on puts it on top of handlers for SIGBUS that were
    installed later, such as faulthandler's.
    """
def windows(file: _File, size: SupportsIndex, overlap: SupportsIndex = 0) -> Windows:
    """Return an iterator over a file of any size, which yields a Slice for
    each `size` bytes and maps no more than that.

    Each Slice but the first begins with the last `overlap` bytes of the
    one before; `window.region.file_offset` is where in the file it
    begins. It is read-only, and stays valid for as long as somebody holds
    it. The end is that of the file as it is then, so what others append
    meanwhile comes, too.

    file as for open(). OSError as the system says; ValueError if `size`
    is 0 or not more than `overlap`.
    """
def stats() -> dict[str, int]:
    """Return a dict of what this process has through mapped: `regions` that
    are open (or closed by the end of a `with` block with exports left), the
    `bytes` of the open ones, `exports` that there are, and `faults`, the
    lost pages met since it began. Other interpreters and languages in the
    process count only if they share the library.
    """
def unlink(name: str | bytes | PathLike[str] | PathLike[bytes], /) -> None:
    """Remove the name of shared memory, see shared(). Those who have it
    mapped keep it.

    OSError as the system says, ValueError for a name that none can have.
    """
def fence(order: _Order = "seq_cst") -> None:
    """Order this thread's accesses before and after the call, as C11's
    atomic_thread_fence does. ValueError for an unknown order.
    """
