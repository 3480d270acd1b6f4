"""Guards against a compiler that splits an access in two or makes it twice. The
test compiles a function for each inline load and store; its code must have
exactly one operand in memory, of the right width."""
import os
import pathlib
import platform
import re
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
MACHINE = platform.machine()
# Matches objdump's text of an operand in memory that is not on the stack.
OPERAND = re.compile(r"\b(BYTE|WORD|DWORD|QWORD|XMMWORD) PTR "
                     r"(?:[cdefgs]s:)?\[(?!rsp|rbp|rip|esp|ebp)")
BYTES = {"BYTE": 1, "WORD": 2, "DWORD": 4, "QWORD": 8, "XMMWORD": 16}
FUNCTION = re.compile(r"^[0-9a-f]+ <(\w+)>:\n((?:.+\n)+)", re.M)
WIDTHS = [8, 16, 32, 64]
ORDERS = {"": "", "le": "mapped_le_u{0}", "be": "mapped_be_u{0}"}
SOURCE = ["#include <mapped/access.h>"]
EXPECTED = {}
for bits in WIDTHS:
    for order, swap in ORDERS.items():
        if bits == 8 and order:
            continue
        swap = swap.format(bits)
        SOURCE.append(
            f"uint{bits}_t load_u{bits}{order}(const void *p);"
            f"uint{bits}_t load_u{bits}{order}(const void *p)"
            f"{{ return {swap}(mapped_load_u{bits}(p)); }}"
            f"void store_u{bits}{order}(void *p, uint{bits}_t v);"
            f"void store_u{bits}{order}(void *p, uint{bits}_t v)"
            f"{{ mapped_store_u{bits}(p, {swap}(v)); }}")
        EXPECTED[f"load_u{bits}{order}"] = [bits // 8]
        EXPECTED[f"store_u{bits}{order}"] = [bits // 8]
    # Registers of devices are accessed by copying this number of bytes.
    SOURCE.append(f"void copy_u{bits}(void *to, const void *from);"
                  f"void copy_u{bits}(void *to, const void *from)"
                  f"{{ mapped__access_copy(to, from, {bits // 8}); }}")
    EXPECTED[f"copy_u{bits}"] = [bits // 8] * 2
    # An access whose result is not used must be made too.
    SOURCE.append(f"void drop_u{bits}(const void *p);"
                  f"void drop_u{bits}(const void *p)"
                  f"{{ (void)mapped_load_u{bits}(p); }}")
    EXPECTED[f"drop_u{bits}"] = [bits // 8]


def compilers():
    own = os.environ.get("MAPPED_CC", "gcc")
    return sorted({own, *filter(shutil.which, ["gcc", "clang"])})


def widths(code):
    """{function: widths of its operands in memory}. The fill between functions
    has some that are none."""
    return {name: [BYTES[size] for line in body.splitlines()
                   if not re.search(r"\bnop\b", line)
                   for size in OPERAND.findall(line)]
            for name, body in FUNCTION.findall(code + "\n")}


@pytest.mark.skipif(not shutil.which("objdump"), reason="no objdump here")
@pytest.mark.skipif(MACHINE != "x86_64", reason="reads the code of x86-64 alone")
@pytest.mark.parametrize("level", ["-O0", "-O1", "-O2", "-O3", "-Os"])
@pytest.mark.parametrize("compiler", compilers())
def test_one_access_in_the_generated_code(tmp_path, compiler, level):
    source, built = tmp_path / "access.c", tmp_path / "access.o"
    source.write_text("\n".join(SOURCE) + "\n")
    subprocess.run([compiler, "-std=c11", level, "-c", "-Wall", "-Wextra", "-Werror",
                    f"-I{TOP / 'core/include'}", source, "-o", built], check=True)
    code = subprocess.run(
        ["objdump", "-d", "-M", "intel", "--no-show-raw-insn", built],
        check=True, capture_output=True, text=True).stdout
    found = widths(code)
    # Without optimisation, a copy contains the code for all widths.
    expected = {name: sizes for name, sizes in EXPECTED.items()
                if level != "-O0" or not name.startswith("copy")}
    assert {name: found.get(name) for name in expected} == expected


def test_one_access_reads_what_objdump_prints():
    assert widths("""
0000000000000000 <two>:
   0:\tmovzx  eax,WORD PTR [rdi]
   3:\tmov    BYTE PTR [rsi+0x1],al
   5:\tmov    QWORD PTR [rbp-0x8],rdi
   6:\tret
   7:\tcs nop WORD PTR [rax+rax*1+0x0]
""") == {"two": [2, 1]}
