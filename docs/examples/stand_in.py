"""mapped.mmap stands in for the standard module mmap."""
import os

import mapped.mmap

with open("data.bin", "w+b") as file:
    file.write(bytes(8192))
    file.flush()
    with mapped.mmap.mmap(file.fileno(), 0) as mapping:
        mapping[0:5] = b"hello"
        assert mapping.find(b"llo") == 2 and mapping.readline()[:5] == b"hello"
        os.truncate("data.bin", 4096)  # as others do
        try:
            mapping[5000]
        except mapped.FaultError:
            pass  # where the standard module ends the process
