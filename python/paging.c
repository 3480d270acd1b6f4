/* The methods about pages: what will be used soon, what stays in memory and
 * what is there, what may be written, and what the disk has. They run unlocked,
 * because they may wait for disks. */
#include "unlocked.h"

typedef mapped_status Operation(mapped_slice slice, mapped_error *error);

static mapped_status operate_core(mapped_slice span, Operation *operation,
                                  mapped_error *error)
{
    Unlocked unlocked = unlocked_begin_blocking(span.region);
    return unlocked_end_access(&unlocked, operation(span, error), error);
}

/* Runs an operation of the core on all of the bytes. */
static PyObject *operate(PyObject *self, const char *name, Operation *operation)
{
    mapped_error error;
    if (TRY_TWICE(operate_core(view_span(self), operation, &error), &error))
        Py_RETURN_NONE;
    return raise_in(view_owner(self), name, &error);
}

const char view_advise_doc[] = PyDoc_STR(
    "advise($self, kind, /)\n--\n\n"
    "Tell the system how the bytes will be used. No advice changes a byte.\n\n"
    "'sequential': read ahead far; 'random': don't; 'willneed': begin to\n"
    "read; 'cold': may go first if memory is short; 'pageout': write back and\n"
    "let go now; 'hugepage' and 'nohugepage': transparent huge pages or not;\n"
    "'normal': as if nothing had been said. It holds for whole pages.\n"
    "ValueError for any other kind; io.UnsupportedOperation where the system\n"
    "has no such advice.");

static mapped_status advise_core(mapped_slice span, mapped_advice advice,
                                 mapped_error *error)
{
    Unlocked unlocked = unlocked_begin_blocking(span.region);
    return unlocked_end(&unlocked, mapped_advise(span, advice, error));
}

METHOD_ONE(view_advise)
{
    Py_ssize_t length;
    mapped_advice advice;
    mapped_error error;
    const char *text = convert_word(argument, "advice must be str", &length);
    if (text == NULL)
        return NULL;
    if (mapped_advice_parse(text, (size_t)length, &advice, NULL) != MAPPED_OK)
        return raise_about(PyExc_ValueError,
                           "%s must be 'normal', 'sequential', 'random', "
                           "'willneed', 'cold', 'pageout', 'hugepage' or "
                           "'nohugepage', not %U",
                           "advice", argument);
    if (TRY_TWICE(advise_core(view_span(self), advice, &error), &error))
        Py_RETURN_NONE;
    return raise_of(view_owner(self), &error);
}

const char view_discard_doc[] = PyDoc_STR(
    "discard($self, /)\n--\n\n"
    "Make every byte zero, and give back what the bytes took: memory, or\n"
    "blocks of the file, whose length stays.\n\n"
    "What is written there later needs room again: on a full disk its page is\n"
    "lost. TypeError on a read-only region; io.UnsupportedOperation in mode\n"
    "'c', for wrapped buffers, and if the file system can't; FaultError if a\n"
    "page is lost.");

METHOD_NONE(view_discard)
{
    return operate(self, "discard", mapped_discard);
}

const char view_revert_doc[] = PyDoc_STR(
    "revert($self, /)\n--\n\n"
    "Drop the private changes of a region in mode 'c': the bytes are those of\n"
    "the file again.\n\n"
    "io.UnsupportedOperation in other modes; FaultError if a page is lost;\n"
    "OSError if the file is needed, for parts of pages, and can't be opened\n"
    "again.");

METHOD_NONE(view_revert)
{
    return operate(self, "revert", mapped_revert);
}

const char view_flush_doc[] = PyDoc_STR(
    "flush($self, /, wait=True)\n--\n\n"
    "Write the bytes to the disk and wait until it has them, and the file's\n"
    "size, and its entry in the folder if it was created by this region. From\n"
    "then on they survive a loss of power. Without `wait` the writing only\n"
    "begins.\n\n"
    "OSError if the disk fails: then every later flush of the region fails\n"
    "too, because the system reports a failure once, until recover() has\n"
    "marked the pages as changed again. TypeError on a read-only region,\n"
    "io.UnsupportedOperation on private memory and devices, ValueError if the\n"
    "region is closed, FaultError if a page is lost.");

/* An argument `wait` is true if it is left out. */
static int convert_wait(PyObject *object, uint32_t *wait)
{
    *wait = 0;
    return convert_flag(object != NULL ? object : Py_True, 1, wait);
}

static mapped_status flush_core(mapped_slice span, unsigned flags,
                                mapped_error *error)
{
    Unlocked unlocked = unlocked_begin_blocking(span.region);
    return unlocked_end_access(&unlocked, mapped_flush(span, flags, error),
                               error);
}

METHOD_NAMED(view_flush, "flush", 0, 1, "wait")
{
    mapped_error error;
    uint32_t wait;
    if (convert_wait(values[0], &wait) < 0)
        return NULL;
    mapped_slice span = view_span(self);
    unsigned flags = wait != 0 ? 0 : MAPPED_FLUSH_START;
    if (TRY_TWICE(flush_core(span, flags, &error), &error))
        Py_RETURN_NONE;
    return raise_in(view_owner(self), "flush", &error);
}

const char view_mlock_doc[] = PyDoc_STR(
    "mlock($self, /)\n--\n\n"
    "Keep the bytes in memory until munlock() or the end of the region.\n\n"
    "Whole pages are locked, and locks don't add up. A region that moves to\n"
    "grow loses them. OSError if the process may not lock so much\n"
    "(RLIMIT_MEMLOCK); FaultError if a page is lost; io.UnsupportedOperation\n"
    "for wrapped buffers.");

METHOD_NONE(view_mlock)
{
    return operate(self, "mlock", mapped_mlock);
}

const char view_munlock_doc[] =
    PyDoc_STR("munlock($self, /)\n--\n\n"
              "Let the pages of these bytes go out of memory again.");

METHOD_NONE(view_munlock)
{
    return operate(self, "munlock", mapped_munlock);
}

const char view_protect_doc[] = PyDoc_STR(
    "protect($self, mode, /)\n--\n\n"
    "With 'r', refuse every write from now on, as if the region had been\n"
    "opened for reading, except for growth; with 'r+', end that. Of a Slice\n"
    "it holds for a write if one of the Slice's bytes lies in what the write\n"
    "spans from its first byte to its last.\n\n"
    "BufferError while there are exports, which may write; TypeError for 'r+'\n"
    "if it was opened for reading; io.UnsupportedOperation for more than 32\n"
    "stretches that don't touch.");

static int convert_protection(PyObject *object, mapped_mode *mode)
{
    Py_ssize_t length;
    const char *text = convert_word(object, "mode must be str", &length);
    if (text == NULL)
        return -1;
    if (mapped_mode_parse(text, (size_t)length, mode, NULL) == MAPPED_OK &&
        (*mode == MAPPED_MODE_READ || *mode == MAPPED_MODE_READ_WRITE))
        return 0;
    raise_about(PyExc_ValueError, "%s must be 'r' or 'r+', not %U", "mode",
                object);
    return -1;
}

/* The core protects the pages themselves only where no write can be under way:
 * where nobody else has a reference to the region. While this thread has the
 * interpreter's lock, another one can be in the middle of a write only if it
 * runs unlocked, and then it has a reference. In a Python without that lock any
 * thread can, so the reference of `unlocked` keeps the core from protecting
 * pages. */
static mapped_status protect_core(mapped_slice span, mapped_mode mode,
                                  mapped_error *error)
{
#ifdef Py_GIL_DISABLED
    Unlocked unlocked = unlocked_begin_blocking(span.region);
    return unlocked_end(&unlocked, mapped_protect(span, mode, error));
#else
    return mapped_protect(span, mode, error);
#endif
}

METHOD_ONE(view_protect)
{
    mapped_mode mode;
    mapped_error error;
    if (convert_protection(argument, &mode) < 0)
        return NULL;
    if (TRY_TWICE(protect_core(view_span(self), mode, &error), &error))
        Py_RETURN_NONE;
    return raise_of(view_owner(self), &error);
}

static mapped_status prefetch_piece(mapped_slice span, size_t *done,
                                    mapped_error *error)
{
    Unlocked unlocked = unlocked_begin_blocking(span.region);
    mapped_status status = mapped_prefetch_next(span, done, error);
    return unlocked_end_access(&unlocked, status, error);
}

/* Prefetches piece by piece. `progress`, which may be NULL, may close or resize
 * the region; the core checks that for each piece. */
static PyObject *prefetch_and_wait(PyObject *self, PyObject *progress)
{
    mapped_slice span = view_span(self);
    mapped_error error;
    size_t done = 0;
    do {
        if (!TRY_TWICE(prefetch_piece(span, &done, &error), &error))
            return raise_in(view_owner(self), "prefetch", &error);
        if (PyErr_CheckSignals() < 0)
            return NULL;
        if (progress == NULL)
            continue;
        PyObject *result = PyObject_CallFunction(
            progress, "nn", (Py_ssize_t)done, (Py_ssize_t)span.length);
        if (result == NULL)
            return NULL;
        Py_DECREF(result);
    } while (done < span.length);
    Py_RETURN_NONE;
}

static mapped_status start_prefetch(mapped_slice slice, mapped_error *error)
{
    return mapped_prefetch(slice, MAPPED_PREFETCH_START, error);
}

const char view_prefetch_doc[] = PyDoc_STR(
    "prefetch($self, /, wait=True, progress=None)\n--\n\n"
    "Bring the bytes into memory, and wait until they are there, or with\n"
    "`wait` false read them ahead in the background until the region is\n"
    "closed.\n\n"
    "`progress(done, total)` is called every few MiB of a prefetch that\n"
    "waits; an exception that it raises ends it, and so does one of a\n"
    "signal's handler. Other threads run meanwhile. FaultError if a page is\n"
    "lost.");

METHOD_NAMED(view_prefetch, "prefetch", 0, 2, "wait", "progress")
{
    uint32_t wait;
    if (convert_wait(values[0], &wait) < 0)
        return NULL;
    PyObject *progress = values[1] == Py_None ? NULL : values[1];
    if (progress != NULL && !PyCallable_Check(progress))
        return raise_kind("progress must be callable", progress);
    if (wait != 0)
        return prefetch_and_wait(self, progress);
    if (progress != NULL)
        return PyErr_Format(PyExc_ValueError, "progress needs wait=True");
    return operate(self, "prefetch", start_prefetch);
}

static const char residency_doc[] = PyDoc_STR(
    "How much of some bytes is in memory, as a named tuple.\n\n"
    "`page_size` in bytes; the numbers of `pages` that have a byte of these,\n"
    "of those `resident` in memory, and of those that wait to be written\n"
    "back, `dirty`, or are being written back, `writeback`, both None where\n"
    "the system doesn't tell; and `map`, bytes with a bit for each page, or\n"
    "None.");

/* Makes the type with collections.namedtuple, because PyStructSequence is
 * unsafe: its type says how many fields it has in an attribute, which a script
 * can change, and CPython relies on that number when it frees an object. */
PyObject *residency_type(void)
{
    PyObject *make;
    if (import_object("collections", "namedtuple", &make) < 0)
        return NULL;
    PyObject *type =
        PyObject_CallFunction(make, "s(ssssss)", "Residency", "page_size",
                              "pages", "resident", "dirty", "writeback", "map");
    PyObject *module = PyUnicode_FromString("mapped");
    PyObject *doc = PyUnicode_FromString(residency_doc);
    if (type != NULL &&
        (module == NULL || doc == NULL ||
         PyObject_SetAttrString(type, "__module__", module) < 0 ||
         PyObject_SetAttrString(type, "__doc__", doc) < 0))
        Py_CLEAR(type);
    Py_XDECREF(doc);
    Py_XDECREF(module);
    Py_DECREF(make);
    return type;
}

static PyObject *number_or_none(size_t number, bool is_known)
{
    return is_known ? PyLong_FromSize_t(number) : Py_NewRef(Py_None);
}

/* Takes over `map`, also when it fails. */
static PyObject *residency_new(const State *state,
                               const mapped_residency *residency, PyObject *map)
{
    PyObject *dirty = number_or_none(residency->dirty, residency->counted);
    PyObject *writeback =
        number_or_none(residency->writeback, residency->counted);
    return PyObject_CallFunction(
        state->residency, "nnnNNN", (Py_ssize_t)residency->page_size,
        (Py_ssize_t)residency->pages, (Py_ssize_t)residency->resident, dirty,
        writeback, map);
}

/* Returns bytes with room for a bit of each page, or None if no map is wanted.
 */
static PyObject *map_new(mapped_slice span, bool with_map)
{
    size_t pages = mapped_residency_pages(span);
    if (!with_map)
        return Py_NewRef(Py_None);
    return bytes_new((pages + 7) / 8);
}

const char view_residency_doc[] = PyDoc_STR(
    "residency($self, /, map=False)\n--\n\n"
    "Return what the system tells of the pages that these bytes take, now: a\n"
    "named tuple of `page_size`, and the numbers of `pages`, of those that\n"
    "are `resident`, `dirty` and in `writeback`. The last two are None where\n"
    "the system doesn't tell; Linux does of files since 6.5.\n\n"
    "With `map` true it is also bytes with a bit for each page, the first\n"
    "page in the lowest bit of the first byte, set for what is in memory.\n"
    "io.UnsupportedOperation where the system doesn't tell.");

static mapped_status residency_core(mapped_slice span,
                                    mapped_residency *residency, PyObject *map,
                                    mapped_error *error)
{
    bool with_map = map != Py_None;
    char *bits = with_map ? PyBytes_AsString(map) : NULL;
    size_t room = with_map ? (size_t)PyBytes_Size(map) : 0;
    Unlocked unlocked = unlocked_begin_blocking(span.region);
    mapped_status status = mapped_residency_get(
        span, residency, (unsigned char *)bits, room, error);
    return unlocked_end_access(&unlocked, status, error);
}

METHOD_NAMED(view_residency, "residency", 0, 1, "map")
{
    uint32_t with_map = 0;
    mapped_residency residency;
    mapped_error error;
    if (convert_flag(values[0], 1, &with_map) < 0)
        return NULL;
    mapped_slice span = view_span(self);
    PyObject *map = map_new(span, with_map != 0);
    if (map == NULL)
        return NULL;
    if (TRY_TWICE(residency_core(span, &residency, map, &error), &error))
        return residency_new(view_owner(self)->state, &residency, map);
    Py_DECREF(map);
    return raise_in(view_owner(self), "residency", &error);
}
