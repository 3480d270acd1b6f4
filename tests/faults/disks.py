"""Makes disks that really fail, for test_disks.py. It must run as root in a
mount namespace of its own (unshare -m), which removes all mounts when it ends.

Usage: disks.py NAME FOLDER PROBE..., where PROBE is the command of a probe."""
import ctypes
import errno
import io
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

PAGE = 4096
HERE = pathlib.Path(__file__).parent


def sh(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def probe(command, path, how, *pages):
    """Runs a probe, and returns {page: errno} and the list of lost (page,
    count)."""
    done = subprocess.run([*command, str(path), how, *map(str, pages)],
                          capture_output=True, text=True)
    assert done.returncode == 0, (done.returncode, done.stderr)
    lines = [line.split() for line in done.stdout.splitlines()]
    lost = sorted((int(a), int(b)) for w, *ab in [
        line for line in lines if line[0] == "lost"] for a, b in [ab])
    return {int(a): int(b) for a, b in [
        line for line in lines if line[0] != "lost"]}, lost


def fill(path):
    with open(path, "wb", buffering=0) as file:
        try:
            while file.write(b"x" * PAGE):
                pass
        except OSError as error:
            assert error.errno == errno.ENOSPC


def sparse(path, pages):
    with open(path, "wb") as file:
        file.truncate(pages * PAGE)
        file.write(b"S" * PAGE)
        file.flush()
        os.fsync(file.fileno())


def full(folder, command):
    """Tests a sparse file on a full disk. Its first page has blocks and can be
    written; the other pages can't."""
    sparse(folder / "sparse", 40)
    fill(folder / "rest")
    seen, lost = probe(command, folder / "sparse", "write", 0, 7, 8, 30)
    assert seen == {0: 0, 7: errno.ENOSPC, 8: errno.ENOSPC,
                    30: errno.ENOSPC}, seen
    assert lost == [(7, 2), (30, 1)], lost


def tmpfs(folder, command):
    sh("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder))
    full(folder, command)


def ext4(folder, command):
    image = folder.parent / "image"
    with open(image, "wb") as file:
        file.truncate(8 << 20)
    sh("mkfs.ext4", "-q", "-m", "0", str(image))
    sh("mount", "-o", "loop", str(image), str(folder))
    full(folder, command)


def io_errors(folder, command):
    """Tests pages that a file system can't read until it is repaired."""
    server = subprocess.Popen(
        [sys.executable, str(HERE / "fuse.py"), str(folder), "16", "3", "4",
         "9"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "mounted\n"
    try:
        pages = [0, 2, 3, 4, 5, 9, 15]
        bad = {3: errno.EIO, 4: errno.EIO, 9: errno.EIO}
        seen, lost = probe(command, folder / "file", "read", *pages)
        assert seen == {page: bad.get(page, 0) for page in pages}, seen
        assert lost == [(3, 2), (9, 1)], lost
        if "probe.py" in command[-1]:
            told = subprocess.run(
                [sys.executable, "-m", "mapped", "lost", str(folder / "file")],
                capture_output=True, text=True)
            assert told.returncode == 1, told
            assert told.stdout == "".join(
                f"{folder}/file: page at {page * PAGE} lost: Input/output error\n"
                for page in bad), told
            heal(folder / "file", server)
    finally:
        sh("umount", "-l", str(folder))
        server.kill()


def heal(path, server):
    import mapped
    with mapped.open(path) as region:
        for attempt in ("bad", "bad", "healed"):
            if attempt == "healed":
                server.send_signal(signal.SIGUSR1)
                region.recover()
                assert region.faults == []
                assert region[3 * PAGE] == ord("S")
                continue
            try:
                region[3 * PAGE] if region.faults == [] else region.recover()
            except mapped.FaultError as fault:
                assert fault.errno == errno.EIO
            else:
                raise AssertionError("nothing said of a bad page")


def write_errors(folder, command):
    """Tests that a failed write-back is told until the pages are marked as
    changed again, and that then they are really written."""
    import mapped
    server = subprocess.Popen(
        [sys.executable, str(HERE / "fuse.py"), str(folder), "8", "3"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "mounted\n"

    def refused(region):
        try:
            region.flush()
        except OSError as error:
            assert error.errno == errno.EIO, error
            assert error.filename == str(folder / "file"), error
            return " ".join(error.__notes__)
        raise AssertionError("nothing said of what was not written")
    try:
        # Reading the whole page first would fail; the disk is repaired for it.
        server.send_signal(signal.SIGUSR1)
        region = mapped.open(folder / "file", "r+")
        region[::PAGE] = b"w" * 8
        server.send_signal(signal.SIGHUP)
        assert server.stdout.readline() == "broken\n"
        assert "msync" in refused(region)
        written = {server.stdout.readline() for _ in range(7)}
        assert written == {f"wrote {page} {ord('w')}\n" for page in range(8)
                           if page != 3}, written
        assert "an earlier flush" in refused(region)
        server.send_signal(signal.SIGUSR1)
        assert "an earlier flush" in refused(region)
        region.recover()
        region.flush()
        assert f"wrote 3 {ord('w')}\n" in {
            server.stdout.readline() for _ in range(8)}
        region.close()
    finally:
        sh("umount", "-l", str(folder))
        server.kill()


def call_while_busy(region, call, server):
    """Makes a call while another thread uses the region and waits for its disk.
    The disk answers only after a third thread has had the interpreter's
    lock."""
    import mapped
    server.send_signal(signal.SIGUSR2)
    assert server.stdout.readline() == "slow\n"
    busy = threading.Thread(target=lambda: region.size)
    busy.start()
    assert server.stdout.readline() == "asked\n"

    def answer():
        time.sleep(0.2)
        os.write(server.stdin.fileno(), b"x")
    disk = threading.Thread(target=answer)
    disk.start()
    try:
        call()
    except (mapped.FaultError, io.UnsupportedOperation):
        pass
    disk.join()
    busy.join()


def act_while_slow(act, server):
    """Does what waits for the disk, which answers only after another thread has
    had the interpreter's lock. If it never gets it, the server is killed."""
    watch = subprocess.Popen([sys.executable, "-c", (
        f"import os, time; time.sleep(20); os.kill({server.pid}, 9)")])
    server.send_signal(signal.SIGUSR2)
    assert server.stdout.readline() == "slow\n"

    def answer():
        asked.append(server.stdout.readline())
        os.write(server.stdin.fileno(), b"x")
    asked = []
    disk = threading.Thread(target=answer)
    disk.start()
    act()
    disk.join()
    watch.kill()
    assert watch.wait() < 0 and asked == ["asked\n"], "the lock was kept"


def closes(folder, server):
    """Tests that whatever closes a descriptor runs unlocked."""
    import mapped
    path = folder / "file"
    held = [mapped.open(path, "r+"), mapped.open(path, "r+"),
            mapped.windows(path, PAGE), mapped.windows(path, PAGE),
            mapped.windows(path, PAGE)]
    held[1].refresh()
    lines = held[4].lines()

    def search():
        try:
            next(lines)
        except mapped.FaultError:  # one page can't be read
            pass
    for act in (held[0].close, held[2].close, lambda: held.__setitem__(1, None),
                lambda: held.__setitem__(3, None), search):
        act_while_slow(act, server)


def waits(folder, command):
    """Tests that every call which waits for a busy region runs unlocked."""
    import mapped
    server = subprocess.Popen(
        [sys.executable, str(HERE / "fuse.py"), str(folder), "4", "1"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "mounted\n"
    try:
        region = mapped.open(folder / "file")
        lost = region[PAGE:2 * PAGE]
        try:
            lost[0]
        except mapped.FaultError:
            pass
        for call in (lambda: region[PAGE], region.check, region.fileno,
                     lambda: region.faults, lambda: memoryview(lost),
                     lambda: lost[0], lambda: lost.get("<I"), region.recover,
                     region.close):
            call_while_busy(region, call, server)
        closes(folder, server)
    finally:
        server.stdin.close()
        sh("umount", "-l", str(folder))
        server.kill()


def huge(folder, command):
    """Tests a child that must copy a huge page when the kernel has none
    left."""
    import mapped
    pool = pathlib.Path("/proc/sys/vm/nr_hugepages")
    before = pool.read_text()
    pool.write_text("1")
    try:
        if int(pool.read_text()) != 1:
            raise SystemExit("SKIP no huge page to be had")
        region = mapped.anonymous(2 << 20, huge=2 << 20)
        region[0] = 1
        child = os.fork()
        if child == 0:
            try:
                region[0] = 2
            except mapped.FaultError as fault:
                os._exit(fault.errno)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]
                                         ) == errno.ENOSPC
        assert region[0] == 1
        region.close()
    finally:
        pool.write_text(before)


def main():
    name, folder, *command = sys.argv[1:]
    libc = ctypes.CDLL(None)
    assert libc.mount(None, b"/", None, 1 << 18 | 1 << 14, None) == 0
    {"tmpfs": tmpfs, "ext4": ext4, "fuse": io_errors, "waits": waits,
     "write_errors": write_errors, "huge": huge}[name](pathlib.Path(folder), command)


if __name__ == "__main__":
    main()
