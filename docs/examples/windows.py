"""Large files: a walk in windows; searches and lines don't see their edges."""
import mapped

with open("huge.log", "wb") as file:
    file.write(b"one\ntwo\nthree\n")

with mapped.windows("huge.log", 4) as windows:
    for window in windows:
        print(window.region.file_offset, bytes(window))
    assert windows.size == 14
    assert windows.find(b"e\nt") == 2 and windows.count(b"\n") == 3
    assert [bytes(line) for line in windows.lines()] == [b"one", b"two", b"three"]
    windows.seek(4)  # go on from there
    assert bytes(next(windows)) == b"two\n"
    windows.close()
    assert windows.closed
