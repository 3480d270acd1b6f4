"""Sends memory that has no path and no name to another process: by a descriptor,
as multiprocessing sends those of sockets. While a process is started, the
descriptor is one that it inherits. At any other time a thread of multiprocessing
keeps a duplicate of it until the receiver asks for it, which only a process of
the same family can, and only once.

multiprocessing is imported only when it is needed."""
from errno import EBADF, ESTALE
from os import close

from . import _mapped


def send(descriptor, numbers):
    """Returns what pickle is to call, and its arguments, for a region that is
    known by its descriptor."""
    from multiprocessing.reduction import DupFd
    return receive, (DupFd(descriptor), numbers)


def receive(sent, numbers):
    """Maps the memory of a descriptor that was sent."""
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
        pass  # the exception that is being raised says it
