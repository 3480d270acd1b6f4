/* flush: what a region or slice has reaches the disk, while other threads run.
 */
#include "binding.h"

const char view_flush_doc[] = PyDoc_STR(
    "flush($self, /, wait=True)\n--\n\n"
    "Write the bytes to the disk and wait until it has them, and the file's\n"
    "size, and its entry in the folder if it was created by this region. From\n"
    "then on they survive a loss of power. Without `wait` the writing only\n"
    "begins.\n\n"
    "OSError if the disk fails: then every later flush of the region fails "
    "too,\nbecause the system reports a failure once, until recover() has "
    "marked the\npages as changed again. TypeError on a read-only region,\n"
    "io.UnsupportedOperation on private memory and devices, ValueError if the\n"
    "region is closed, FaultError if a page is lost.");

static mapped_status flush_core(mapped_slice span, unsigned flags,
                                mapped_error *error)
{
    Unlocked unlocked = unlocked_begin(span.region, NULL, UNLOCKED_BYTES);
    return unlocked_end_access(&unlocked, mapped_flush(span, flags, error),
                               error);
}

METHOD_NAMED(view_flush, "flush", 0, 1, "wait")
{
    mapped_error error;
    int wait = values[0] == NULL ? 1 : PyObject_IsTrue(values[0]);
    if (wait < 0)
        return NULL;
    mapped_slice span = view_span(self);
    unsigned flags = wait ? 0 : MAPPED_FLUSH_START;
    if (SUCCEEDS(flush_core(span, flags, &error), &error))
        Py_RETURN_NONE;
    return raise_of(view_owner(self), &error);
}
