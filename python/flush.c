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

METHOD_NAMED(view_flush, "flush", 0, 1, "wait")
{
    mapped_error error;
    int wait = values[0] == NULL ? 1 : PyObject_IsTrue(values[0]);
    if (wait < 0)
        return NULL;
    mapped_slice span = view_span(self);
    Unlocked unlocked = unlocked_begin(span.region, NULL, UNLOCKED_BYTES);
    mapped_status status = unlocked_end_access(
        &unlocked, mapped_flush(span, wait ? 0 : MAPPED_FLUSH_START, &error),
        &error);
    if (status != MAPPED_OK)
        return raise_of(view_owner(self), &error);
    Py_RETURN_NONE;
}
