"""mapped.mmap stands in for the standard module mmap."""
import os

import mapped.mmap

with open("data.bin", "w+b") as file:
    file.write(bytes(8192))
    file.flush()
    with mapped.mmap.mmap(file.fileno(), 0) as mapping:
        mapping[0:5] = b"hello"
        assert mapping.find(b"llo") == 2 and mapping.rfind(b"l") == 3
        mapping.move(10, 0, 5)
        mapping.seek(10)
        assert mapping.read(5) == b"hello" and mapping.tell() == 15
        mapping.write(b"!\n")
        mapping.write_byte(7)
        mapping.seek(17)
        assert mapping.seekable() and mapping.read_byte() == 7
        mapping.seek(10)
        assert mapping.readline() == b"hello!\n"
        mapping.madvise(mapped.mmap.MADV_SEQUENTIAL)
        mapping.flush()
        mapping.resize(12288)
        assert len(mapping) == mapping.size() == 12288
        os.truncate("data.bin", 4096)  # as others do
        try:
            mapping[5000]
        except mapped.FaultError:
            pass  # where the standard module ends the process

with mapped.mmap.mmap(-1, 4096) as mapping:  # memory that is no file
    mapping.close()
    assert mapping.closed
