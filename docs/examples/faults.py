"""Lost pages and exports."""
import errno
import os

import mapped

assert mapped.guard()
region = mapped.open("cut.bin", "w+", length=8192)
os.truncate("cut.bin", 4096)  # by another process, say
try:
    region[5000]
except mapped.FaultError as error:
    assert error.errno == errno.ENODATA and error.offset <= 5000
    assert error.length > 0
assert region[0] == 0  # the rest is there
assert len(region.faults) == 1
try:
    region.check()
except mapped.FaultError as error:
    print(error)

os.truncate("cut.bin", 8192)
region.recover()
assert region[5000] == 0
region.check()

view = memoryview(region)  # an export
try:
    region.close()
except BufferError as error:
    print(error)
view.release()
region.close()
