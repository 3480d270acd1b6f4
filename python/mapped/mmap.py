"""Stands in for the standard module mmap, and keeps the guarantees of mapped.

    import sys, mapped.mmap
    sys.modules["mmap"] = mapped.mmap    # or: from mapped import mmap

Names, arguments, results, errors and their texts are those of the standard
module of this Python, with these exceptions:

- A file that is cut short raises mapped.FaultError, which is an OSError, where
  the standard module ends the process. So does a full disk.
- `offset` is any byte of the file, not only a multiple of
  ALLOCATIONGRANULARITY.
- mmap(fileno, 0, empty=True) maps an empty file, and mmap(-1, 0, empty=True)
  nothing; without `empty` both are refused, as by the standard module.
- The mapping keeps the descriptor, and closes it with itself. `trackfd=False`,
  which every version takes here, only makes size() and resize() refuse. Shared
  memory without a file has a descriptor too.
- An array of NumPy that was made with buffer= never reads memory that is gone:
  after close() it reads zeros, and after resize() the file, or zeros if there
  is none.
- resize() never cuts off what lies in the file behind the mapping, and makes
  shared anonymous memory longer too. It raises mapped.FaultError, and changes
  nothing, if somebody has cut the file.
- flush() returns when the bytes survive a loss of power.
- Memory is never executable: PROT_EXEC raises PermissionError. Flags other than
  MAP_SHARED, MAP_PRIVATE, MAP_ANONYMOUS and MAP_POPULATE, and those without an
  effect, are refused with OSError (EINVAL); so is advice without a counterpart
  (see madvise).

Many bytes are read, written, searched and flushed without the interpreter's
lock. Threads may share an object; none of them gets bytes by read() or
readline() that another has got.
"""
import errno as _errno
import mmap as _standard
import os as _os
import stat as _stat
import sys as _sys
# The constants, and `error`, of this Python's own module; its class mmap is
# replaced below.
from mmap import *
from operator import index as _index

from . import _mapped

# What C has, and the standard module not in every version.
_MAP_TYPE = 0x0f  # the bits of flags that say MAP_SHARED or MAP_PRIVATE
_MAP_SHARED_VALIDATE = 3
_MAP_POPULATE = getattr(_standard, "MAP_POPULATE", 0)
_FLAGS_WITHOUT_EFFECT = (getattr(_standard, "MAP_DENYWRITE", 0)
                         | getattr(_standard, "MAP_EXECUTABLE", 0)
                         | getattr(_standard, "MAP_NORESERVE", 0x4000)
                         | getattr(_standard, "MAP_STACK", 0))

_MADV_DONTNEED = getattr(_standard, "MADV_DONTNEED", None)
_MADV_REMOVE = getattr(_standard, "MADV_REMOVE", None)
# For MADV_DONTNEED, mmap._advise does something else to private memory that can
# be written.
_ADVICE = {getattr(_standard, name): kind for name, kind in (
    ("MADV_NORMAL", "normal"), ("MADV_RANDOM", "random"),
    ("MADV_SEQUENTIAL", "sequential"), ("MADV_WILLNEED", "willneed"),
    ("MADV_DONTNEED", "pageout"), ("MADV_FREE", "cold"),
    ("MADV_HUGEPAGE", "hugepage"), ("MADV_NOHUGEPAGE", "nohugepage"),
) if hasattr(_standard, name)}


def _invalid(what=None):
    text = _os.strerror(_errno.EINVAL)
    return OSError(_errno.EINVAL, f"{text}: {what}" if what else text)


def _size(value):
    """Converts a number as the standard module does."""
    value = _index(value)
    if not ~_sys.maxsize <= value <= _sys.maxsize:
        raise OverflowError("Python int too large to convert to C ssize_t")
    return value


def _is_private(flags):
    return flags & _MAP_TYPE == MAP_PRIVATE


def _flags_and_access(flags, prot, access):
    """Makes the arguments, which may say the same twice, agree.

    PROT_READ | PROT_WRITE becomes ACCESS_DEFAULT, for reading and writing; then
    only the flags say whether the mapping is private.
    """
    if access != ACCESS_DEFAULT:
        if flags != MAP_SHARED or prot != PROT_READ | PROT_WRITE:
            raise ValueError("mmap can't specify both access and flags, prot.")
        if access not in (ACCESS_READ, ACCESS_WRITE, ACCESS_COPY):
            raise ValueError("mmap invalid access parameter.")
        return MAP_PRIVATE if access == ACCESS_COPY else MAP_SHARED, access
    if prot & PROT_READ and prot & PROT_WRITE:
        return flags, ACCESS_DEFAULT
    return flags, ACCESS_WRITE if prot & PROT_WRITE else ACCESS_READ


def _check_flags(flags, prot):
    if flags & _MAP_TYPE not in (MAP_SHARED, MAP_PRIVATE, _MAP_SHARED_VALIDATE):
        raise _invalid()
    unknown = flags & ~(_MAP_TYPE | MAP_ANONYMOUS | _MAP_POPULATE
                        | _FLAGS_WITHOUT_EFFECT)
    if unknown:
        raise _invalid(f"mapped.mmap has no flags {unknown:#x}")
    if prot & PROT_EXEC:
        raise PermissionError(_errno.EPERM, "mapped memory is never executable")


def _length_in_file(fileno, length, offset, empty):
    """Checks the length against a regular file, and returns it; 0 stands for all
    from `offset` on."""
    status = _os.fstat(fileno)
    if not _stat.S_ISREG(status.st_mode):
        return length
    size = status.st_size
    if length > 0:
        if offset > size or size - offset < length:
            raise ValueError("mmap length is greater than file size")
        return length
    if size == 0 and not empty:
        raise ValueError("cannot mmap an empty file")
    if offset > size or (offset == size and not empty):
        raise ValueError("mmap offset is greater than file size")
    return size - offset


def _map_shared(length):
    """Maps shared memory, whose pages are allocated when they are used."""
    descriptor = _os.memfd_create("mapped.mmap")
    try:
        return _mapped.open(descriptor, "r+", length=length, sparse=True)
    finally:
        _os.close(descriptor)


def _map_anonymous(length, flags, access):
    region = (_mapped.anonymous(length) if _is_private(flags)
              else _map_shared(length))
    if access == ACCESS_READ:
        region.protect("r")
    return region


def _map_file(fileno, length, offset, flags, access):
    mode = ("r" if access == ACCESS_READ else
            "c" if _is_private(flags) else "r+")
    return _mapped.open(fileno, mode, offset=offset, length=length,
                        populate=bool(flags & _MAP_POPULATE))


# The base class is C (python/mmap.c): it has the Region, as _region, and read,
# write, find, seek, subscripts and the buffer.
class mmap(_mapped.Mmap):
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

    __slots__ = ("_access", "_is_private", "_is_file", "_trackfd", "_empty")

    def __new__(cls, fileno, length, flags=MAP_SHARED,
                prot=PROT_READ | PROT_WRITE, access=ACCESS_DEFAULT, offset=0,
                *, trackfd=True, empty=False):
        fileno, length, offset = map(_index, (fileno, length, offset))
        flags, prot, access = map(_index, (flags, prot, access))
        if length < 0:
            raise OverflowError("memory mapped length must be positive")
        if offset < 0:
            raise OverflowError("memory mapped offset must be positive")
        length, offset = _size(length), _size(offset)
        flags, access = _flags_and_access(flags, prot, access)
        _check_flags(flags, prot)
        _sys.audit("mmap.__new__", fileno, length, access, offset)
        is_file = fileno != -1 and not flags & MAP_ANONYMOUS
        if is_file:
            length = _length_in_file(fileno, length, offset, empty)
        if length == 0 and not empty:
            raise _invalid()
        region = (_map_file(fileno, length, offset, flags, access) if is_file
                  else _map_anonymous(length, flags, access))
        self = _mapped._new_mmap(cls, region)
        self._access, self._is_private = access, _is_private(flags)
        self._is_file, self._trackfd = is_file, bool(trackfd)
        self._empty = bool(empty)
        return self

    def __repr__(self):
        region = self._region
        if region.closed:
            return "<mmap.mmap closed=True>"
        access = ("ACCESS_DEFAULT", "ACCESS_READ", "ACCESS_WRITE",
                  "ACCESS_COPY")[self._access]
        return (f"<mmap.mmap closed=False, access={access}, "
                f"length={len(region)}, pos={self.tell()}, "
                f"offset={region.file_offset}>")

    def __reduce__(self):
        raise TypeError("cannot pickle 'mmap.mmap' object")

    def __enter__(self):
        self._open_region()
        return self

    def __exit__(self, *arguments):
        self.close()

    def __iter__(self):
        """Iterate over the bytes, each as bytes of length 1."""
        index = 0
        while byte := self[index:index + 1]:
            yield byte
            index += 1

    def __reversed__(self):
        for index in range(len(self) - 1, -1, -1):
            yield self[index:index + 1]

    def __contains__(self, item):
        if isinstance(item, (bytes, bytearray)):
            return len(item) == 1 and self.find(item, 0) >= 0
        return any(byte == item for byte in self)

    @property
    def closed(self):
        """True once the mapping was closed."""
        return self._region.closed

    def _open_region(self):
        """The Region, or ValueError if it is closed."""
        if self._region.closed:
            raise ValueError("mmap closed or invalid")
        return self._region

    def close(self):
        """End all access. Closing twice is fine.

        BufferError while there are memoryviews or other exports; its __cause__
        says how many. FaultError if one of them has met lost pages: the mapping
        is closed all the same.
        """
        try:
            self._region.close()
        except BufferError as busy:
            raise BufferError("cannot close exported pointers exist") from busy

    def size(self):
        """Return the size of the file in bytes: the mapping may be shorter.

        OSError if there is no file, or with trackfd=False.
        """
        region = self._open_region()
        if not self._is_file or not self._trackfd:
            raise OSError(_errno.EBADF, _os.strerror(_errno.EBADF))
        return region.size

    def seekable(self):
        """Return True."""
        return True

    def resize(self, newsize, /):
        """Make the mapping `newsize` bytes long, and the file to end with it.

        A file that goes on behind the mapping is not cut. TypeError if the
        mapping is read-only or copy-on-write; ValueError with trackfd=False;
        BufferError while there are exports that would lose bytes or have to
        move; OSError as the system says.
        """
        self._open_region()
        newsize = _size(newsize)
        region = self._open_region()  # the conversion may have closed it
        if not self._trackfd:
            raise ValueError("mmap can't resize with trackfd=False.")
        if self._access not in (ACCESS_DEFAULT, ACCESS_WRITE) or (
                region.mode == "c"):
            raise TypeError(
                "mmap can't resize a readonly or copy-on-write memory map.")
        if not 0 <= newsize <= _sys.maxsize - region.file_offset:
            raise ValueError("new size out of range")
        if newsize == 0 and not self._empty:
            raise _invalid()
        try:
            region.resize(newsize)
        except BufferError as busy:
            raise BufferError(
                "mmap can't resize with extant buffers exported.") from busy

    def flush(self, offset=0, size=None, /):
        """Write the bytes to the disk and wait until it has them.

        Does nothing on a mapping whose bytes don't go to a file. ValueError if
        `size` bytes at `offset` are out of range, OSError if `offset` isn't a
        multiple of PAGESIZE or the disk fails, FaultError if a page is lost.
        """
        self._open_region()
        offset = _size(offset)
        if size is not None:
            size = _size(size)
        region = self._open_region()  # a conversion may have closed it
        room = len(region) - offset
        if size is None:
            size = room
        if offset < 0 or not 0 <= size <= room:
            raise ValueError("flush values out of range")
        if self._access == ACCESS_READ or self._is_private:
            return
        if offset % PAGESIZE:
            raise _invalid()
        region[offset:offset + size].flush()

    def move(self, dest, src, count, /):
        """Copy `count` bytes from `src` to `dest`; the two may overlap.

        ValueError if they are out of range, TypeError if the mapping is
        read-only.
        """
        dest, src, count = _size(dest), _size(src), _size(count)
        region = self._open_region()
        if region.readonly:
            raise TypeError("mmap can't modify a readonly memory map.")
        room = len(region) - max(dest, src)
        if min(dest, src, count) < 0 or count > room:
            raise ValueError("source, destination, or count out of range")
        region.move(dest, src, count)

    def madvise(self, option, start=0, length=None, /):
        """Tell the system how the bytes will be used.

        MADV_NORMAL, RANDOM, SEQUENTIAL, WILLNEED, HUGEPAGE and NOHUGEPAGE are
        advice. After MADV_DONTNEED private memory reads as zeros, or as the
        file, again, and shared pages are written back and evicted; after
        MADV_REMOVE shared memory reads as zeros. With MADV_FREE the system may
        drop private anonymous pages, and their bytes, before others. OSError
        (EINVAL) for other options, and if `start` isn't a multiple of PAGESIZE.
        """
        self._open_region()
        option, start = _index(option), _size(start)
        if length is not None:
            length = _size(length)
        region = self._open_region()  # a conversion may have closed it
        if length is None:
            length = len(region)
        if not 0 <= start < len(region):
            raise ValueError("madvise start out of bounds")
        if length < 0:
            raise ValueError("madvise length invalid")
        if start + length > _sys.maxsize:
            raise OverflowError("madvise length too large")
        if start % PAGESIZE:
            raise _invalid()
        self._advise(region[start:start + length], option)

    def _advise(self, memory, option):
        if option == _MADV_REMOVE and not self._is_private:
            memory.discard()
        elif (option == _MADV_DONTNEED and self._is_private
              and not memory.readonly):  # else no byte was changed
            if self._is_file:
                memory.revert()
            else:
                memory.discard()
        elif option in _ADVICE:
            memory.advise(_ADVICE[option])
        else:
            raise _invalid(f"mapped.mmap has no advice {option}")
