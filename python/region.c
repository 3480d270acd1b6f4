/* The type Region: it owns a region of the core, and so a mapping, and has all
 * methods of a Slice. It keeps the core's region until it is deallocated: close
 * ends the access inside of the core, so no pointer to it is NULL or stale.
 *
 * A wrap is a Region over the buffer of another object. The core says, in the
 * middle of its own work, when it needs that buffer no more (region_end_wrap).
 * To release a buffer may run the code of others, so that is done after the
 * call of the core (region_release_wrap). */
#include "source.h"
#include "unlocked.h"

Region *region_new(State *state, PyObject *name)
{
    Region *self = PyObject_GC_New(Region, state->region_type);
    if (self == NULL)
        return NULL;
    self->view.weakrefs = NULL;
    self->view.owner = self;
    self->view.former_owner = NULL;
    self->view.slice = (mapped_slice){0};
    self->pending_fault = NULL;
    self->state = state;
    Py_INCREF(state->module);
    self->name = Py_NewRef(name);
    self->released_slices = 0;
    self->is_wrap = false;
    self->owns_released_slice = false;
    self->exit_warned = false;
    self->wrap_buffer.obj = NULL;
    self->wrap_ended = false;
    self->wrap_traversed = false;
    return self;
}

void region_set_name(Region *self, PyObject *name)
{
    PyObject *before = self->name;
    self->name = Py_NewRef(name);
    Py_DECREF(before);
}

void region_end_wrap(void *region)
{
    ((Region *)region)->wrap_ended = true;
    unlocked_note_ended_wrap(region);
}

void region_release_wrap(Region *self)
{
    if (!self->wrap_ended || self->wrap_buffer.obj == NULL)
        return;
    self->wrap_ended = false;
    PyBuffer_Release(&self->wrap_buffer);
}

/* Closes the core's region. This thread holds the interpreter's lock, so
 * another one can be in the middle of an access only if it runs unlocked, and
 * then it has a reference to the core's region. That is how the core knows
 * whether it may unmap the memory at once. For what takes long the core has the
 * lock given up (unlocked_install_hooks). */
static mapped_status close_core(Region *self, mapped_error *error)
{
    mapped_status status =
        mapped_region_close(core_of((PyObject *)self), error);
    region_release_wrap(self);
    return status;
}

void region_close_unused(Region *self)
{
    (void)close_core(self, NULL);
}

/* Closes the region to every new access, and leaves the memory to its exports.
 * Returns how many exports there are. */
static size_t retire_core(Region *self)
{
    size_t exports = mapped_region_retire(core_of((PyObject *)self));
    region_release_wrap(self);
    return exports;
}

static void free_region(Region *region)
{
    PyTypeObject *type = Py_TYPE((PyObject *)region);
    PyObject *module = region->state->module;
    mapped_region_release(core_of((PyObject *)region));
    region_release_wrap(region);
    PyMem_Free(region->pending_fault);
    Py_DECREF(region->name);
    PyObject_GC_Del(region);
    Py_DECREF(type);
    Py_DECREF(module);
}

/* A wrapped buffer may be the last holder of another wrap, and so on: each is
 * freed inside of the call that frees the one before. Beyond this depth a
 * Region stays in the queue, which the calls further out free. CPython's
 * trashcan does the same, but isn't in the limited API. */
#define MAX_DEALLOC_DEPTH 50

static void free_wrap(Region *region)
{
    State *state = region->state;
    PyObject *module = Py_NewRef(state->module); /* and so the state */
    region->next = state->dealloc_queue;
    state->dealloc_queue = region;
    while (state->dealloc_queue != NULL &&
           state->dealloc_depth < MAX_DEALLOC_DEPTH) {
        Region *next = state->dealloc_queue;
        state->dealloc_queue = next->next;
        state->dealloc_depth++;
        free_region(next);
        state->dealloc_depth--;
    }
    Py_DECREF(module);
}

static void region_dealloc(PyObject *self)
{
    Region *region = (Region *)self;
    PyObject_GC_UnTrack(self);
    if (region->view.weakrefs != NULL)
        PyObject_ClearWeakRefs(self);
    if (region->is_wrap)
        free_wrap(region);
    else
        free_region(region);
}

/* CPython crashes when the collector clears a memoryview that has an export, as
 * it does with a pickle.PickleBuffer. So the collector isn't shown a wrapped
 * object that is a memoryview or may hold one (an object with a __buffer__
 * method may): `wrap_traversed` is false then, and a cycle through the object
 * is never freed. */
static int region_traverse(PyObject *self, visitproc visit, void *arg)
{
    PyObject *wrapped = ((Region *)self)->wrap_buffer.obj;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((Region *)self)->state->module);
    if (((Region *)self)->wrap_traversed)
        Py_VISIT(wrapped);
    return 0;
}

/* Every cycle goes through the wrapped buffer, which a close gives back. While
 * our memory is exported the close fails; but then the holder of the export is
 * in the same cycle, and is cleared too. */
static int region_clear(PyObject *self)
{
    (void)close_core((Region *)self, NULL);
    return 0;
}

static const char region_close_doc[] = PyDoc_STR(
    "close($self, /)\n--\n\n"
    "End all access: slices and arrays of this region raise ValueError from\n"
    "now on. Closing twice is fine.\n\n"
    "BufferError, which tells how many, and nothing changes, while\n"
    "memoryviews, numpy arrays or other exports of the memory exist.\n"
    "FaultError, but the region is closed, if one of them has met lost pages\n"
    "and check() has not said so since.");

static METHOD_NONE(region_close)
{
    mapped_error error;
    if (close_core((Region *)self, &error) != MAPPED_OK)
        return raise_of((Region *)self, &error);
    if (fault_raise_pending((Region *)self))
        return NULL;
    Py_RETURN_NONE;
}

static const char region_release_doc[] =
    PyDoc_STR("release($self, /)\n--\n\n"
              "The same as close(), by its name in memoryview.");

static const char region___enter___doc[] =
    PyDoc_STR("__enter__($self, /)\n--\n\n"
              "Return the region. ValueError if it is closed.");

static METHOD_NONE(region___enter__)
{
    return require_open((Region *)self, "") < 0 ? NULL : Py_NewRef(self);
}

static const char region___exit___doc[] = PyDoc_STR(
    "__exit__($self, type, value, traceback, /)\n--\n\n"
    "Close the region to every new access.\n\n"
    "Exports that are left get a ResourceWarning; their memory stays valid\n"
    "until the last of them goes. FaultError as with close(), but an\n"
    "exception of the block passes unchanged.");

/* Returns 0, or -1 with an exception: the user's filters may turn the warning
 * into one. */
static int warn_of_exports(PyObject *self, size_t count)
{
    if (count == 0)
        return 0;
    return PyErr_ResourceWarning(
        self, 1, "%zu export%s of %R outlive%s its block", count,
        count == 1 ? "" : "s", self, count == 1 ? "s" : "");
}

static PyObject *region___exit__(PyObject *self, PyObject *arguments)
{
    const PyObject *type = exit_type(arguments);
    if (type == NULL)
        return NULL;
    Region *region = (Region *)self;
    const bool body_raised = type != Py_None;
    /* Only the first end of a block warns. The flag is set before any code of
     * others can run, because that could call __exit__ again. */
    const bool warned_before = region->exit_warned;
    region->exit_warned = true;
    size_t exports = retire_core(region);
    bool warning_raised = !warned_before && warn_of_exports(self, exports) < 0;
    if (body_raised) {
        /* The exception of the body passes, so none of ours may take its place.
         * A pending fault is left to the next close(). */
        if (warning_raised)
            PyErr_WriteUnraisable(self);
        Py_RETURN_NONE;
    }
    if (warning_raised || fault_raise_pending(region))
        return NULL;
    Py_RETURN_NONE;
}

/* Growth may wait for the disk, so it is tried unlocked first. If the memory
 * has to move, the answer is MAPPED_BUSY, because the unlocked operation itself
 * has an export. So it is tried once more with the lock held: then no other
 * thread is in the middle of an access, unless it has an export too. */
static mapped_status resize_core(mapped_region *region, uint64_t length,
                                 mapped_error *error)
{
    Unlocked unlocked = unlocked_begin_blocking(region);
    mapped_status status =
        unlocked_end(&unlocked, mapped_region_resize(region, length, error));
    return status == MAPPED_BUSY ? mapped_region_resize(region, length, error)
                                 : status;
}

static const char region_resize_doc[] = PyDoc_STR(
    "resize($self, /, length)\n--\n\n"
    "Make the region, and the file behind it, `length` bytes long. A file\n"
    "that others have made longer meanwhile keeps what they added.\n\n"
    "Growing never disturbs exports of the memory: those of a file and of\n"
    "shared memory go on showing the same bytes. BufferError, and nothing\n"
    "changes, if it would shrink while there are any, or move memory that is\n"
    "neither. TypeError if it is read-only; io.UnsupportedOperation in mode\n"
    "'c' and for wrapped buffers; ValueError past the reserve or if closed;\n"
    "OSError if the disk is full.");

static METHOD_NAMED(region_resize, "resize", 1, 1, "length")
{
    uint64_t length = 0;
    mapped_error error;
    if (convert_u64(values[0], "length", &length) < 0)
        return NULL;
    if (TRY_TWICE(resize_core(core_of(self), length, &error), &error))
        Py_RETURN_NONE;
    return raise_of((Region *)self, &error);
}

/* Tries unlocked and then, if memory has to move, with the lock held, as
 * resize_core does. */
static mapped_status refresh_core(mapped_region *region, mapped_change *change,
                                  mapped_error *error)
{
    Unlocked unlocked = unlocked_begin_blocking(region);
    mapped_status status =
        unlocked_end(&unlocked, mapped_region_refresh(region, change, error));
    return status == MAPPED_BUSY ? mapped_region_refresh(region, change, error)
                                 : status;
}

static const char region_refresh_doc[] = PyDoc_STR(
    "refresh($self, /)\n--\n\n"
    "Follow a file that others make longer, cut, replace or remove.\n\n"
    "Returns what was found, one thing at a time:\n\n"
    "'longer'     so is the region, up to the length it was opened with, if\n"
    "             it was given one\n"
    "'shorter'    so is the region; exports read zeros behind its end\n"
    "'replaced'   another file has the path, and nothing was left to show of\n"
    "             the old one: the region shows the new one\n"
    "'removed'    no file has the path; the region still shows the old one\n"
    "'unchanged'\n\n"
    "From then on the region holds a descriptor. BufferError if it would have\n"
    "to move, or to go over to another file, while there are exports;\n"
    "ValueError past the reserve or if closed; FaultError if pages are lost\n"
    "and there is no reserve; io.UnsupportedOperation where there is no file.");

static METHOD_NONE(region_refresh)
{
    mapped_change change = MAPPED_UNCHANGED;
    mapped_error error;
    if (TRY_TWICE(refresh_core(core_of(self), &change, &error), &error))
        return PyUnicode_FromString(mapped_change_text(change));
    return raise_of((Region *)self, &error);
}

static mapped_status append_source(mapped_region *region, const Source *source,
                                   mapped_error *error)
{
    if (source->owner != NULL)
        return mapped_region_append_slice(region, source->slice, error);
    return mapped_region_append(region, source->data, source->length, error);
}

/* Tries unlocked and then, if memory has to move, with the lock held, as
 * resize_core does. Few bytes for which the file needn't grow are appended
 * without giving up the lock. */
static mapped_status append_core(mapped_region *region, const Source *source,
                                 mapped_error *error)
{
    mapped_region *source_region =
        source->owner != NULL ? source->slice.region : NULL;
    bool grows = source->length > mapped_region_spare(region);
    Unlocked unlocked = unlocked_begin(region, source_region,
                                       grows ? UNLOCKED_BYTES : source->length);
    mapped_status status = unlocked_end_access(
        &unlocked, append_source(region, source, error), error);
    return status == MAPPED_BUSY ? append_source(region, source, error)
                                 : status;
}

static const char region_append_doc[] = PyDoc_STR(
    "append($self, data, /)\n--\n\n"
    "Grow the region, and its file, by the bytes of `data`, any buffer. They\n"
    "go to the region's end: where others append too, hold a lock and call\n"
    "refresh() first.\n\n"
    "The file gets longer in steps, ahead of the data, until it is trimmed by\n"
    "close() or resize(). If the process is killed before, it ends with a\n"
    "trailer that open() knows: the region has the data only.\n\n"
    "Raises what resize() raises, and FaultError if a page is lost: then the\n"
    "region is as long as before.");

static METHOD_ONE(region_append)
{
    Source source;
    mapped_error error;
    if (source_open(view_owner(self)->state, argument, "append", &source) < 0)
        return NULL;
    PyObject *result = NULL;
    if (TRY_TWICE(append_core(core_of(self), &source, &error), &error))
        result = Py_NewRef(Py_None);
    else
        raise_in(failed_region(error.status, (Region *)self, source.owner,
                               source.slice),
                 "append", &error);
    source_close(&source);
    return result;
}

static const char region_fileno_doc[] = PyDoc_STR(
    "fileno($self, /)\n--\n\n"
    "Return the descriptor that the region holds, which stays the region's.\n\n"
    "io.UnsupportedOperation if it holds none, as in modes 'r' and 'c';\n"
    "ValueError once closed.");

static METHOD_NONE(region_fileno)
{
    intptr_t descriptor;
    mapped_error error;
    if (mapped_region_descriptor(core_of(self), &descriptor, &error) !=
        MAPPED_OK)
        return raise_of((Region *)self, &error);
    return PyLong_FromSsize_t(descriptor);
}

static const char region_seal_doc[] = PyDoc_STR(
    "seal($self, /, *, grow=True, shrink=True, write=False)\n--\n\n"
    "Seal shared anonymous memory for good: no process that has its\n"
    "descriptor can make it longer, cut it from under the others, or map it\n"
    "for writing from now on. resize() raises OSError then.\n\n"
    "io.UnsupportedOperation for other regions; ValueError once closed, and\n"
    "if there is nothing to seal.");

static METHOD_NAMED(region_seal, "seal", 0, 0, "grow", "shrink", "write")
{
    mapped_error error;
    uint32_t seals = 0;
    if (convert_flag(values[0] != NULL ? values[0] : Py_True, MAPPED_SEAL_GROW,
                     &seals) < 0 ||
        convert_flag(values[1] != NULL ? values[1] : Py_True,
                     MAPPED_SEAL_SHRINK, &seals) < 0 ||
        convert_flag(values[2], MAPPED_SEAL_WRITE, &seals) < 0)
        return NULL;
    Unlocked unlocked = unlocked_begin_blocking(core_of(self));
    if (unlocked_end(&unlocked, mapped_region_seal(core_of(self), seals,
                                                   &error)) != MAPPED_OK)
        return raise_of((Region *)self, &error);
    Py_RETURN_NONE;
}

static const char region_size_doc[] = PyDoc_STR(
    "The size in bytes of the file or memory behind the region as it is now,\n"
    "which another process may have changed. OSError if the system doesn't\n"
    "know it, ValueError once closed.");

static mapped_status size_core(mapped_region *region, uint64_t *size,
                               mapped_error *error)
{
    Unlocked unlocked = unlocked_begin_blocking(region);
    return unlocked_end(&unlocked, mapped_region_size(region, size, error));
}

static ATTRIBUTE(region_size)
{
    uint64_t size;
    mapped_error error;
    if (TRY_TWICE(size_core(core_of(self), &size, &error), &error))
        return PyLong_FromUnsignedLongLong(size);
    return raise_of((Region *)self, &error);
}

GETTER(
    region, mode, "The mode: 'r', 'r+', 'a+', 'c', 'w+' or 'x+'.",
    PyUnicode_FromString(mapped_mode_text(mapped_region_mode(core_of(self)))))

GETTER(
    region, name,
    "The path or descriptor that was opened, or None for memory without one.",
    Py_NewRef(((Region *)self)->name))

static PyObject *region_repr(PyObject *self)
{
    Region *region = (Region *)self;
    const char *nameless = region->is_wrap ? "wrapped" : "anonymous";
    PyObject *name = region->name == Py_None ? PyUnicode_FromString(nameless)
                                             : shown_in_repr(region->name);
    PyObject *text = NULL;
    if (name == NULL)
        return NULL;
    if (mapped_region_closed(core_of(self)))
        text = PyUnicode_FromFormat("<mapped.Region %U closed>", name);
    else
        text = PyUnicode_FromFormat(
            "<mapped.Region %U mode='%s' length=%zu>", name,
            mapped_mode_text(mapped_region_mode(core_of(self))),
            mapped_region_length(core_of(self)));
    Py_DECREF(name);
    return text;
}

static const char region_file_offset_doc[] = PyDoc_STR(
    "Where in its file the region begins, in bytes; 0 if there is no file.");

static ATTRIBUTE(region_file_offset)
{
    return PyLong_FromUnsignedLongLong(
        mapped_region_file_offset(core_of(self)));
}

static PyMethodDef region_methods[] = {
    VIEW_METHODS(VIEW_METHOD_ROW) METHOD_ROW(region, NONE, close),
    METHOD_ROW(region, KEYWORDS, resize),
    METHOD_ROW(region, ONE, append),
    METHOD_ROW(region, NONE, refresh),
    METHOD_ROW(region, NONE, fileno),
    METHOD_ROW(region, KEYWORDS, seal),
    METHOD_ROW(region, NONE, check),
    METHOD_ROW(region, NONE, recover),
    {"release", region_close, METH_NOARGS, region_release_doc},
    METHOD_ROW(region, NONE, __enter__),
    {"__exit__", region___exit__, METH_VARARGS, region___exit___doc},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef region_attributes[] = {VIEW_ATTRIBUTES(VIEW_ATTRIBUTE_ROW)
                                              ATTRIBUTE_ROW(region, size),
                                          ATTRIBUTE_ROW(region, file_offset),
                                          ATTRIBUTE_ROW(region, mode),
                                          ATTRIBUTE_ROW(region, name),
                                          ATTRIBUTE_ROW(region, faults),
                                          {NULL, NULL, NULL, NULL, NULL}};

static PyMemberDef region_members[] = WEAKREFS_AT(View, weakrefs);

static const char region_doc[] = PyDoc_STR(
    "Memory that is really a file, or anonymous pages, or somebody's "
    "buffer.\n\n"
    "Made by mapped.open() and mapped.anonymous(). It is a sequence of\n"
    "integers like bytes, supports the buffer protocol, and is a context\n"
    "manager that closes it. A Region can be used wherever a Slice can.");

static PyType_Slot region_slots[] = {{Py_tp_clear, region_clear},
                                     VIEW_SLOTS(region)};

TYPE(region, "mapped.Region", sizeof(Region), 0,
     Py_TPFLAGS_HAVE_GC | PATTERN_SEQUENCE)
