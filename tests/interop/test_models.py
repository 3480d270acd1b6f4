"""Guards against a mutex that two hold, a wake-up that is lost and a record that
is lost, torn or received twice, in any order of the steps of the processes, as
far as the models in tests/models have them. Every state is visited. And guards
against models that find nothing: each mistake that they know is found."""
import pathlib
import re
import shutil
import subprocess

import pytest

for needed in "spin", "gcc":
    if not shutil.which(needed):
        pytest.skip(f"no {needed} here", allow_module_level=True)

pytestmark = pytest.mark.slow
MODELS = pathlib.Path(__file__).resolve().parents[1] / "models"
SMALL_RING = {"SENDERS": 1, "RECEIVERS": 1, "RECORDS": 3}
DYING = {"DEATHS": 2, "LOOKS": 1, "ROUNDS": 1}
RIGHT = [
    ("mutex", {}),
    ("mutex", {"GIVE_UP": 1}),
    ("mutex", DYING),
    ("mutex", {"DEATHS": 1, "LOOKS": 1, "ROUNDS": 3, "PROCESSES": 2}),
    ("ring", SMALL_RING),
    ("ring", {**SMALL_RING, "START": 6}),
    ("ring", {"RECORDS": 1}),
    ("ring", {"RECORDS": 1, "RECEIVERS": 1, "DEATHS": 1, "BUFFERED": 0}),
    ("ring", {"RECORDS": 2, "SENDERS": 1, "DEATHS": 1, "BUFFERED": 0}),
]
WRONG = [
    *(("mutex", {"MUTANT": mutant}) for mutant in (1, 2, 3)),
    *(("mutex", {"MUTANT": mutant, **DYING}) for mutant in (4, 5)),
    *(("ring", {"MUTANT": mutant, **SMALL_RING}) for mutant in (1, 2, 3, 4, 5)),
]


def text_of(model_and_values):
    model, values = model_and_values
    return "-".join([model, *(f"{name}_{value}" for name, value in values.items())])


def check(model, values, folder, level="-O1"):
    """Visits the states of a model until there is an error. Returns how many
    errors there were. The end of a process isn't an error: the models tell
    themselves what may not come to an end."""
    defines = [f"-D{name}={value}" for name, value in values.items()]
    for command in (
            ["spin", "-a", *defines, str(MODELS / f"{model}.pml")],
            ["gcc", level, "-DSAFETY", "-DCOLLAPSE", "-DVECTORSZ=1024", "-DMEMLIM=2000",
             "-w", "-o", "pan", "pan.c"],
            ["nice", "./pan", "-E", "-m1000000", "-w24"]):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True,
                              timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
    errors = re.search(r"errors: (\d+)$", done.stdout, re.M)
    assert errors and "max search depth too small" not in done.stdout, done.stdout
    if errors[1] == "0":
        assert "Search not completed" not in done.stdout, done.stdout
    return int(errors[1])


@pytest.mark.parametrize("model", RIGHT, ids=text_of)
def test_models_have_no_error(model, tmp_path):
    assert check(*model, tmp_path) == 0


@pytest.mark.parametrize("model", WRONG, ids=text_of)
def test_models_have_mistakes_found(model, tmp_path):
    assert check(*model, tmp_path, "-O0") == 1
