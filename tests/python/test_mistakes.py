"""Guards against messages that don't say what is wrong, why, with which numbers,
and what would be right, of the mistakes that come naturally. Their table is
mistakes.tsv; to write the texts into it as they are now, run this file."""
import pathlib
import tempfile

import numpy
import pytest

import mapped

TABLE = pathlib.Path(__file__).with_name("mistakes.tsv")


def rows():
    for line in TABLE.read_text().splitlines():
        if not line.startswith("#"):
            yield line.split("\t")


def objects(directory):
    path = pathlib.Path(directory) / "file"
    path.write_bytes(bytes(range(64)))
    m = mapped.anonymous(64)
    cl = mapped.anonymous(8)
    cl.close()
    return {"mapped": mapped, "numpy": numpy, "d": str(directory), "p": str(path),
            "ro": mapped.open(path), "rw": mapped.open(path, "r+"), "m": m,
            "s": m[8:24], "a": m.cast("I"), "rec": m.records("< id:u32 price:f32"),
            "w": mapped.wrap(b"bytes"), "cl": cl}


def message_of(mistake):
    """What the interpreter prints of the exception. The directory has a short
    name, because messages cut the beginning off a long one."""
    with tempfile.TemporaryDirectory() as scratch:
        try:
            exec(mistake, objects(scratch))
        except Exception as error:
            return f"{type(error).__name__}: {error}".replace(scratch, "D")
    return "no error"


@pytest.mark.parametrize("mistake, expected", rows(),
                         ids=range(len(list(rows()))))
def test_mistake_is_explained(mistake, expected):
    assert message_of(mistake) == expected


def test_there_are_a_hundred():
    assert len(list(rows())) > 100
    assert not any("no error" in text for _, text in rows())


if __name__ == "__main__":
    comment = [line for line in TABLE.read_text().splitlines() if line[0] == "#"]
    found = [f"{mistake}\t{message_of(mistake)}" for mistake, _ in rows()]
    TABLE.write_text("\n".join(comment + found) + "\n")
