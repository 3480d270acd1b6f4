/* Lost pages: the methods and the attribute of a Region about them; and faults
 * that are met through an export, by a raw pointer, where no access of ours can
 * raise: these are reported when the export ends. */
#include "unlocked.h"

#define MAX_RANGES 64

/* Keeps the fault for the next check() or close(), unless one is pending
 * already. It is kept as an error of the core and not as an exception: a script
 * could find that, and make a cycle through it which the collector doesn't see.
 */
static void set_pending(Region *owner, const mapped_error *error)
{
    mapped_error *none = NULL;
    mapped_error *fault = PyMem_Malloc(sizeof *fault);
    if (fault == NULL)
        return;
    *fault = *error;
    if (!__atomic_compare_exchange_n(&owner->pending_fault, &none, fault, false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        PyMem_Free(fault);
}

void fault_unraisable(Region *owner, const mapped_error *error)
{
    PyObject *type, *value, *traceback;
    /* An exception that is set already must stay as it is. */
    PyErr_Fetch(&type, &value, &traceback);
    set_pending(owner, error);
    raise_of(owner, error);
    PyErr_WriteUnraisable((PyObject *)owner);
    PyErr_Restore(type, value, traceback);
}

bool fault_raise_pending(Region *owner)
{
    mapped_error *fault =
        __atomic_exchange_n(&owner->pending_fault, NULL, __ATOMIC_ACQ_REL);
    if (fault == NULL)
        return false;
    raise_of(owner, fault);
    PyMem_Free(fault);
    return true;
}

const char region_check_doc[] = PyDoc_STR(
    "check($self, /)\n--\n\n"
    "Raise FaultError if pages of the region are lost, with `offset` and\n"
    "`length` of the first lost range in bytes; ValueError if the region is\n"
    "closed.\n\n"
    "It touches no page: what has not been touched yet is not known to be\n"
    "lost.");

METHOD_NONE(region_check)
{
    mapped_error error;
    Unlocked unlocked = unlocked_begin_blocking(core_of(self));
    mapped_status status =
        unlocked_end(&unlocked, mapped_region_check(core_of(self), &error));
    if (status != MAPPED_CLOSED && fault_raise_pending(view_owner(self)))
        return NULL;
    if (status != MAPPED_OK)
        return raise_of(view_owner(self), &error);
    Py_RETURN_NONE;
}

const char region_recover_doc[] = PyDoc_STR(
    "recover($self, /)\n--\n\n"
    "Map the file back over lost pages and try each of them.\n\n"
    "FaultError with the first range that is still lost; OSError if the file\n"
    "can't be opened again; ValueError if the region is closed. Exports stay\n"
    "valid and show the file again.");

static mapped_status begin_recovery(mapped_region *region, mapped_error *error)
{
    Unlocked unlocked = unlocked_begin_blocking(region);
    return unlocked_end(&unlocked, mapped_region_recover_begin(region, error));
}

/* The pages are brought back unlocked, because that may wait for a disk. But
 * the record that they were lost is deleted with the lock held: then the only
 * accesses under way are those of unlocked threads, and unlocked_end_access
 * makes these fail. */
METHOD_NONE(region_recover)
{
    mapped_error error, end_error;
    mapped_region *region = core_of(self);
    bool succeeded = TRY_TWICE(begin_recovery(region, &error), &error);
    mapped_status end_status = mapped_region_recover_end(region, &end_error);
    if (!succeeded)
        return raise_of(view_owner(self), &error);
    if (end_status != MAPPED_OK)
        return raise_of(view_owner(self), &end_error);
    Py_RETURN_NONE;
}

static int append_range(PyObject *list, Region *owner,
                        const mapped_lost_range *range)
{
    mapped_error error = {.status = MAPPED_FAULT,
                          .os_error = range->os_error,
                          .operation = "access",
                          .offset = range->offset,
                          .length = range->length,
                          .limit =
                              mapped_region_length(core_of((PyObject *)owner))};
    PyObject *fault = fault_new(owner, &error);
    if (fault == NULL)
        return -1;
    int status = PyList_Append(list, fault);
    Py_DECREF(fault);
    return status;
}

const char region_faults_doc[] = PyDoc_STR(
    "What was lost so far: a list of FaultError, each with `errno`, `offset`\n"
    "and `length` in bytes; ENODATA says that the file was truncated, ENOSPC\n"
    "that there was no space, EIO that the device or the memory failed.\n"
    "Empty for most. ValueError once closed.");

ATTRIBUTE(region_faults)
{
    mapped_lost_range ranges[MAX_RANGES];
    size_t count;
    mapped_error error;
    Unlocked unlocked = unlocked_begin_blocking(core_of(self));
    if (unlocked_end(&unlocked,
                     mapped_region_faults(core_of(self), ranges, MAX_RANGES,
                                          &count, &error)) != MAPPED_OK)
        return raise_of(view_owner(self), &error);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < count && i < MAX_RANGES; i++)
        if (append_range(list, view_owner(self), &ranges[i]) < 0)
            Py_CLEAR(list);
    return list;
}

const char module_stats_doc[] = PyDoc_STR(
    "stats($module, /)\n--\n\n"
    "Return a dict of what this process has through mapped: `regions` that\n"
    "are open (or closed by the end of a `with` block with exports left), the\n"
    "`bytes` of the open ones, `exports` that there are, and `faults`, the\n"
    "lost pages met since it began. Other interpreters and languages in the\n"
    "process count only if they share the library.");

METHOD_NONE(module_stats)
{
    mapped_statistics now;
    (void)self;
    mapped_stats(&now);
    return Py_BuildValue("{snsKsnsK}", "regions", (Py_ssize_t)now.regions,
                         "bytes", (unsigned long long)now.bytes, "exports",
                         (Py_ssize_t)now.exports, "faults",
                         (unsigned long long)now.faults);
}

const char module_guard_doc[] = PyDoc_STR(
    "guard($module, /, enabled=None)\n--\n\n"
    "Switch the fault guard of the whole process off or on, and return\n"
    "whether it was on. Off, a lost page kills the process as it does with\n"
    "mmap.\n\n"
    "Switching it on puts it on top of handlers for SIGBUS that were\n"
    "installed later, such as faulthandler's.");

METHOD_NAMED(module_guard, "guard", 0, 1, "enabled")
{
    bool was_enabled = mapped_guard_enabled();
    (void)self;
    if (values[0] != NULL && values[0] != Py_None) {
        /* A value like "off" would count as true. */
        if (!PyBool_Check(values[0]))
            return raise_kind("enabled must be a bool or None", values[0]);
        mapped_guard_enable(values[0] == Py_True);
    }
    return PyBool_FromLong(was_enabled);
}
