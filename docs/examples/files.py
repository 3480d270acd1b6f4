"""File objects over the bytes, for libraries that want a file."""
import csv
import io
import zipfile

import mapped

region = mapped.anonymous(1000)
file = region.file()
assert file.readable() and file.seekable() and file.writable()
assert not file.isatty() and file.name is None and "b" in file.mode

file.write(b"name,price\nore,7\n")
file.writelines([b"coal,", b"3\n"])  # in the memory at once
file.flush()
length = file.tell()
file.seek(0)
assert file.readline() == b"name,price\n" and file.peek(3)[:3] == b"ore"
assert file.read(3) == b"ore" and file.read1(2) == b",7"
rest = bytearray(3)
assert file.readinto(rest) == 3 and file.readinto1(rest) == 3
assert len(file.readlines()) >= 1
for call in (file.fileno, file.detach, file.truncate):
    try:
        call()
    except io.UnsupportedOperation:
        pass  # it is no file of the system, and as long as it is
assert len(file.getbuffer()) == 1000
file.close()
assert file.closed

with region[:length].file() as part:  # of a slice, too
    rows = list(csv.DictReader(io.TextIOWrapper(part)))
assert rows[1] == {"name": "coal", "price": "3"}

with zipfile.ZipFile("data.zip", "w") as archive:
    archive.writestr("ore.txt", "7")
with mapped.open("data.zip") as archive:
    assert zipfile.ZipFile(archive.file()).read("ore.txt") == b"7"
