# The types of mapped.mmap. The constants are those of the standard module, which
# may have more.
import sys
from collections.abc import Iterator as _Iterator
from typing import Final as _Final
from typing import SupportsIndex as _Index
from typing_extensions import Never as _Never
from typing_extensions import Self as _Self

from ._mapped import Mmap as _Mmap

ACCESS_COPY: _Final[int]
ACCESS_DEFAULT: _Final[int]
ACCESS_READ: _Final[int]
ACCESS_WRITE: _Final[int]
ALLOCATIONGRANULARITY: _Final[int]
MADV_DODUMP: _Final[int]
MADV_DOFORK: _Final[int]
MADV_DONTDUMP: _Final[int]
MADV_DONTFORK: _Final[int]
MADV_DONTNEED: _Final[int]
MADV_FREE: _Final[int]
MADV_HUGEPAGE: _Final[int]
MADV_HWPOISON: _Final[int]
MADV_MERGEABLE: _Final[int]
MADV_NOHUGEPAGE: _Final[int]
MADV_NORMAL: _Final[int]
MADV_RANDOM: _Final[int]
MADV_REMOVE: _Final[int]
MADV_SEQUENTIAL: _Final[int]
MADV_UNMERGEABLE: _Final[int]
MADV_WILLNEED: _Final[int]
MAP_ANON: _Final[int]
MAP_ANONYMOUS: _Final[int]
MAP_DENYWRITE: _Final[int]
MAP_EXECUTABLE: _Final[int]
MAP_POPULATE: _Final[int]
MAP_PRIVATE: _Final[int]
MAP_SHARED: _Final[int]
MAP_STACK: _Final[int]
PAGESIZE: _Final[int]
PROT_EXEC: _Final[int]
PROT_READ: _Final[int]
PROT_WRITE: _Final[int]
if sys.version_info >= (3, 13):
    MAP_32BIT: _Final[int]
    MAP_NORESERVE: _Final[int]

error = OSError

class mmap(_Mmap):
    """A mapping of a file, or of anonymous memory if `fileno` is -1.

    fileno   a descriptor, which may be closed afterwards
    length   bytes, 0: to the end of the file
    flags    MAP_SHARED or MAP_PRIVATE, see the module's text for others
    prot     PROT_READ, and PROT_WRITE
    access   instead of both: ACCESS_READ, ACCESS_WRITE or ACCESS_COPY
    offset   where in the file it begins, any byte
    trackfd  False: size() and resize() refuse
    empty    True: there may be no bytes

    ValueError for arguments that contradict each other or the file's size,
    OverflowError for negative ones, OSError as the system says.
    """

    def __new__(
        cls,
        fileno: _Index,
        length: _Index,
        flags: _Index = ...,
        prot: _Index = ...,
        access: _Index = ...,
        offset: _Index = 0,
        *,
        trackfd: bool = True,
        empty: bool = False,
    ) -> _Self: ...
    def __enter__(self) -> _Self: ...
    def __exit__(self, *arguments: object) -> None: ...
    def __iter__(self) -> _Iterator[bytes]: ...
    def __reversed__(self) -> _Iterator[bytes]: ...
    def __contains__(self, item: object) -> bool: ...
    def __reduce__(self) -> _Never: ...
    @property
    def closed(self) -> bool:
        """True once the mapping was closed."""
    def close(self) -> None:
        """End all access. Closing twice is fine.

        BufferError while there are memoryviews or other exports; its __cause__
        says how many. FaultError if one of them has met lost pages: the mapping
        is closed all the same.
        """
    def size(self) -> int:
        """Return the size of the file in bytes: the mapping may be shorter.

        OSError if there is no file, or with trackfd=False.
        """
    def seekable(self) -> bool:
        """Return True."""
    def resize(self, newsize: _Index, /) -> None:
        """Make the mapping `newsize` bytes long, and the file to end with it.

        A file that goes on behind the mapping is not cut. TypeError if the
        mapping is read-only or copy-on-write; ValueError with trackfd=False;
        BufferError while there are exports that would lose bytes or have to
        move; OSError as the system says.
        """
    def flush(self, offset: _Index = 0, size: _Index | None = None, /) -> None:
        """Write the bytes to the disk and wait until it has them.

        Does nothing on a mapping whose bytes don't go to a file. ValueError if
        `size` bytes at `offset` are out of range, OSError if `offset` isn't a
        multiple of PAGESIZE or the disk fails, FaultError if a page is lost.
        """
    def move(self, dest: _Index, src: _Index, count: _Index, /) -> None:
        """Copy `count` bytes from `src` to `dest`; the two may overlap.

        ValueError if they are out of range, TypeError if the mapping is
        read-only.
        """
    def madvise(self, option: _Index, start: _Index = 0, length: _Index | None = None, /) -> None:
        """Tell the system how the bytes will be used.

        MADV_NORMAL, RANDOM, SEQUENTIAL, WILLNEED, HUGEPAGE and NOHUGEPAGE are
        advice. After MADV_DONTNEED private memory reads as zeros, or as the
        file, again, and shared pages are written back and evicted; after
        MADV_REMOVE shared memory reads as zeros. With MADV_FREE the system may
        drop private anonymous pages, and their bytes, before others. OSError
        (EINVAL) for other options, and if `start` isn't a multiple of PAGESIZE.
        """
