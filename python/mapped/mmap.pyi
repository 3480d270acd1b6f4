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
    def closed(self) -> bool: ...
    def close(self) -> None: ...
    def size(self) -> int: ...
    def seekable(self) -> bool: ...
    def resize(self, newsize: _Index, /) -> None: ...
    def flush(self, offset: _Index = 0, size: _Index | None = None, /) -> None: ...
    def move(self, dest: _Index, src: _Index, count: _Index, /) -> None: ...
    def madvise(self, option: _Index, start: _Index = 0, length: _Index | None = None, /) -> None: ...
