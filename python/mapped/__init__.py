"""Memory-mapped regions with bounds-checked, zero-copy slices.

    import mapped

    with mapped.open("data.bin") as region:
        header = region[:64]               # a Slice: no copy
        magic = header.get("<I")           # one typed value
        table = region[64:128].cast(">d")  # a typed array

A Region owns a mapping, a Slice views a part of it, and an Array has typed
elements. No access through them can crash the process: out of range is an
IndexError (from unpack and pack a PackRangeError, which is one), a closed region
a ValueError, a lost page a FaultError.

file() of a Region or a Slice is a binary file object over the same bytes, and
the module mapped.mmap stands in for the standard mmap.
"""

import io as _io

# Imported now, so that the extension finds it also when no descriptor is left.
from . import _layouts
from ._mapped import (
    Array,
    Atomic,
    FaultError,
    File,
    Layout,
    Lock,
    Mutex,
    PackRangeError,
    Record,
    Records,
    Region,
    Residency,
    Ring,
    Slice,
    Windows,
    __version__,
    anonymous,
    fence,
    guard,
    layout,
    open,
    shared,
    stats,
    unlink,
    windows,
    wrap,
)
from . import mmap

_io.BufferedIOBase.register(File)

__all__ = [
    "Array",
    "Atomic",
    "FaultError",
    "File",
    "Layout",
    "Lock",
    "Mutex",
    "PackRangeError",
    "Record",
    "Records",
    "Region",
    "Residency",
    "Ring",
    "Slice",
    "Windows",
    "anonymous",
    "fence",
    "guard",
    "layout",
    "mmap",
    "open",
    "shared",
    "stats",
    "unlink",
    "windows",
    "wrap",
]
