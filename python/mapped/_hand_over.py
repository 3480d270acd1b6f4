"""Sends memory without a path or name to another process: its descriptor travels
as multiprocessing sends those of sockets.

While a process is started, it inherits the descriptor. At any other time a thread
of multiprocessing keeps a duplicate until the receiver asks for it, which only a
process of the same family can, and only once.

multiprocessing is imported only when it is needed.
"""
from errno import EBADF, ESTALE
from os import close

from . import _mapped


def send(descriptor, numbers):
    """Returns what pickle takes from __reduce_ex__: the call of receive() that
    maps the memory again. `numbers` are those of the region's origin."""
    from multiprocessing.reduction import DupFd
    return receive, (DupFd(descriptor), numbers)


def receive(sent, numbers):
    """Maps the memory of a descriptor that was sent, and returns its Region."""
    from multiprocessing import AuthenticationError
    try:
        descriptor = sent.detach()
    except (AuthenticationError, ConnectionError, EOFError, FileNotFoundError,
            RuntimeError) as error:
        raise _missing("its process has ended, or somebody has got it "
                       "before") from error
    try:
        return _mapped._open(descriptor, numbers)
    except OSError as error:
        if error.errno not in (EBADF, ESTALE):
            raise
        raise _missing(f"{descriptor} is another one") from error
    finally:
        _close(descriptor)


def _missing(why):
    return OSError(EBADF, f"the descriptor of the memory isn't there: {why}")


def _close(descriptor):
    try:
        close(descriptor)
    except OSError:
        pass  # it was no descriptor, which _open() has raised already
