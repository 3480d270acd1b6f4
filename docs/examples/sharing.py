"""Shared memory: by name, and without one across a fork."""
import os

import mapped

name = f"mapped-example-{os.getpid()}"
with mapped.shared(name, 1000, "x+") as maker:
    maker.set("I", 0, 17)
    with mapped.shared(name) as other:  # in any process
        assert other.get("I") == 17 and len(other) == 1000
    mapped.unlink(name)  # those who have it keep it

with mapped.anonymous(4096, shared=True) as region:
    region.seal()  # nobody can make it longer or shorter
    child = os.fork()
    if child == 0:
        region.set("I", 0, 42)
        os._exit(0)
    os.waitpid(child, 0)
    assert region.get("I") == 42
