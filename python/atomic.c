/* The type Atomic: a word of a Region that is loaded, changed and waited for in
 * one step. Each method converts its arguments, calls the core, and returns
 * what the word was. */
#include "pickle.h"
#include "unlocked.h"
#include "value.h"

typedef struct Atomic {
    Owned owned;
    mapped_atomic core;
} Atomic;

static Atomic *atomic_of(PyObject *self)
{
    return (Atomic *)self;
}

const char view_atomic_doc[] = PyDoc_STR(
    "atomic($self, /, code, offset=0)\n--\n\n"
    "Return the Atomic of type `code` at byte `offset`: an integer of 32 or\n"
    "64 bits, signed or not, such as 'u32' or '<q'. It must lie at a\n"
    "multiple of its size in memory.\n\n"
    "A negative offset counts from the end.\n\n"
    "IndexError if it lies outside, ValueError if the code is unknown or no\n"
    "such integer, if the word is misaligned or the region closed,\n"
    "io.UnsupportedOperation on a device.");

PyObject *atomic_new(PyObject *view, const mapped_element *element,
                     size_t offset)
{
    mapped_error error;
    Region *owner = view_owner(view);
    PyObject *self = owned_new(owner->state->atomic_type, owner);
    if (self == NULL)
        return NULL;
    if (mapped_atomic_at(view_span(view), element, offset,
                         &atomic_of(self)->core, &error) == MAPPED_OK)
        return self;
    Py_DECREF(self);
    return raise_of(owner, &error);
}

METHOD_NAMED(view_atomic, "atomic", 1, 2, "code", "offset")
{
    size_t offset = 0;
    Code named;
    const Code *code = convert_code(view_owner(self)->state, values[0], &named);
    if (code == NULL || convert_offset(values[1], &offset) < 0)
        return NULL;
    if (offset_place(view_owner(self), view_span(self).length, &offset) < 0)
        return NULL;
    return atomic_new(self, code->element, offset);
}

static PyObject *atomic_repr(PyObject *self)
{
    const Atomic *atomic = atomic_of(self);
    return PyUnicode_FromFormat(
        "<mapped.Atomic %s offset=%zu of %R>", atomic->core.element->name,
        atomic->core.word.offset, (PyObject *)atomic->owned.owner);
}

static int convert_order(PyObject *object, mapped_order *order)
{
    Py_ssize_t length;
    if (object == NULL)
        return 0;
    const char *text =
        convert_word(object, "a memory order must be a str", &length);
    if (text == NULL)
        return -1;
    if (mapped_order_parse(text, (size_t)length, order, NULL) == MAPPED_OK)
        return 0;
    return raised_as_int(
        raise_about(PyExc_ValueError,
                    "%s must be 'seq_cst', 'relaxed', 'acquire', 'release' or "
                    "'acq_rel', not %U",
                    "a memory order", object));
}

/* Converts a number that the word can hold. */
static int convert_operand(const Atomic *atomic, PyObject *object,
                           mapped_value *value)
{
    unsigned char bytes[8]; /* where storing it only checks its range */
    const mapped_element *element = atomic->core.element;
    ValueStatus status = value_from(element, 0, object, value);
    if (status == VALUE_CONVERTED &&
        element->store(element, bytes, *value) == MAPPED_OK)
        return 0;
    return raise_conversion(element, object, status);
}

static PyObject *result_of(const Atomic *atomic, mapped_status status,
                           mapped_value value, const mapped_error *error)
{
    return status == MAPPED_OK ? value_object(atomic->core.element, value)
                               : raise_of(atomic->owned.owner, error);
}

#define ORDER_DOC                                                             \
    "\n`order` is 'seq_cst', 'relaxed', 'acquire', 'release' or 'acq_rel',\n" \
    "as far as it makes sense, and as C11 has them."
#define ATOMIC_ERRORS                                                   \
    "\n\nValueError for an unknown order or if the region is closed,\n" \
    "FaultError if the page is lost."
#define CHANGE_ERRORS                                                         \
    "\n\nValueError if the word can't hold the value, for an unknown order\n" \
    "or if the region is closed; TypeError on a read-only region;\n"          \
    "FaultError if the page is lost."

static const char atomic_load_doc[] =
    PyDoc_STR("load($self, /, order='seq_cst')\n--\n\n"
              "Return the word." ORDER_DOC ATOMIC_ERRORS);

static METHOD_NAMED(atomic_load, "load", 0, 1, "order")
{
    mapped_order order = MAPPED_ORDER_SEQ_CST;
    mapped_value value = {0};
    mapped_error error;
    const Atomic *atomic = atomic_of(self);
    if (convert_order(values[0], &order) < 0)
        return NULL;
    mapped_status status =
        mapped_atomic_load(&atomic->core, order, &value, &error);
    return result_of(atomic, status, value, &error);
}

static const char atomic_store_doc[] =
    PyDoc_STR("store($self, /, value, order='seq_cst')\n--\n\n"
              "Store `value`." ORDER_DOC CHANGE_ERRORS);

static METHOD_NAMED(atomic_store, "store", 1, 2, "value", "order")
{
    mapped_order order = MAPPED_ORDER_SEQ_CST;
    mapped_value value;
    mapped_error error;
    const Atomic *atomic = atomic_of(self);
    if (convert_operand(atomic, values[0], &value) < 0 ||
        convert_order(values[1], &order) < 0)
        return NULL;
    if (mapped_atomic_store(&atomic->core, value, order, &error) != MAPPED_OK)
        return raise_of(atomic->owned.owner, &error);
    Py_RETURN_NONE;
}

static PyObject *update(PyObject *self, mapped_atomic_operation operation,
                        PyObject *const *values)
{
    mapped_order order = MAPPED_ORDER_SEQ_CST;
    mapped_value value, before = {0};
    mapped_error error;
    const Atomic *atomic = atomic_of(self);
    if (convert_operand(atomic, values[0], &value) < 0 ||
        convert_order(values[1], &order) < 0)
        return NULL;
    mapped_status status = mapped_atomic_update(&atomic->core, operation, value,
                                                order, &before, &error);
    return result_of(atomic, status, before, &error);
}

/* The method `name`, which changes the word and returns what it was. */
#define UPDATE(name, operation, text)                                    \
    static const char atomic_##name##_doc[] = PyDoc_STR(                 \
        #name "($self, /, value, order='seq_cst')\n--\n\n" text          \
              " and return what the word was." ORDER_DOC CHANGE_ERRORS); \
    static METHOD_NAMED(atomic_##name, #name, 1, 2, "value", "order")    \
    {                                                                    \
        return update(self, operation, values);                          \
    }

UPDATE(exchange, MAPPED_ATOMIC_EXCHANGE, "Store `value`")
UPDATE(add, MAPPED_ATOMIC_ADD, "Add `value`, wrapping around")
UPDATE(sub, MAPPED_ATOMIC_SUB, "Subtract `value`, wrapping around")
UPDATE(and_, MAPPED_ATOMIC_AND,
       "Store the bits that both the word and `value` have")
UPDATE(or_, MAPPED_ATOMIC_OR, "Store the bits that the word or `value` has")
UPDATE(xor, MAPPED_ATOMIC_XOR, "Flip the bits that `value` has")

static const char atomic_compare_exchange_doc[] = PyDoc_STR(
    "compare_exchange($self, /, expected, desired, order='seq_cst')\n--\n\n"
    "Store `desired` if the word is `expected`. Return what the word was: if\n"
    "that is `expected`, it was stored." ORDER_DOC CHANGE_ERRORS);

static METHOD_NAMED(atomic_compare_exchange, "compare_exchange", 2, 3,
                    "expected", "desired", "order")
{
    mapped_order order = MAPPED_ORDER_SEQ_CST;
    mapped_value expected, desired, before = {0};
    mapped_error error;
    const Atomic *atomic = atomic_of(self);
    if (convert_operand(atomic, values[0], &expected) < 0 ||
        convert_operand(atomic, values[1], &desired) < 0 ||
        convert_order(values[2], &order) < 0)
        return NULL;
    mapped_status status = mapped_atomic_compare_exchange(
        &atomic->core, expected, desired, order, &before, &error);
    return result_of(atomic, status, before, &error);
}

static const char atomic_wait_doc[] = PyDoc_STR(
    "wait($self, /, value, timeout=None)\n--\n\n"
    "Sleep while the word is `value`, and return what it is then. Who\n"
    "changes it calls notify() after that, in whatever thread or process.\n"
    "`timeout` is in seconds; other Python threads run meanwhile, and\n"
    "signals are handled.\n\n"
    "TimeoutError if it is `value` still. ValueError if the word can't be\n"
    "`value`, if the timeout is negative or no number, or when the region\n"
    "is closed; FaultError when the page is lost.");

typedef struct AtomicWait {
    const mapped_atomic *atomic;
    mapped_value value; /* that the word must no longer be */
    mapped_value found; /* what it is then */
} AtomicWait;

static mapped_status wait_turn(void *context, uint64_t deadline,
                               mapped_error *error)
{
    AtomicWait *self = context;
    return mapped_atomic_wait(self->atomic, self->value, deadline, &self->found,
                              error);
}

static METHOD_NAMED(atomic_wait, "wait", 1, 2, "value", "timeout")
{
    const Atomic *atomic = atomic_of(self);
    AtomicWait context = {.atomic = &atomic->core};
    Wait wait = {.region = atomic->core.word.region,
                 .turn = wait_turn,
                 .context = &context};
    if (convert_operand(atomic, values[0], &context.value) < 0 ||
        convert_deadline(values[1], &wait.deadline) < 0 ||
        unlocked_wait(&wait) < 0)
        return NULL;
    return result_of(atomic, wait.status, context.found, &wait.error);
}

static const char atomic_notify_doc[] = PyDoc_STR(
    "notify($self, /, count=None)\n--\n\n"
    "Wake at most `count` threads that wait for the word, in any process,\n"
    "or all. Return how many, or 0 where the system doesn't tell.\n\n"
    "ValueError for a negative count or if the region is closed.");

static METHOD_NAMED(atomic_notify, "notify", 0, 1, "count")
{
    uint64_t count = UINT32_MAX; /* all */
    uint32_t woken = 0;
    mapped_error error;
    const Atomic *atomic = atomic_of(self);
    if (values[0] != NULL &&
        convert_u64_or_none(values[0], "count", &count) < 0)
        return NULL;
    uint32_t most = count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
    if (mapped_atomic_notify(&atomic->core, most, &woken, &error) != MAPPED_OK)
        return raise_of(atomic->owned.owner, &error);
    return PyLong_FromUnsignedLong(woken);
}

static const char atomic___reduce_ex___doc[] = REDUCE_DOC;

static METHOD_ONE(atomic___reduce_ex__)
{
    mapped_error error;
    const Atomic *atomic = atomic_of(self);
    mapped_slice word = atomic->core.word;
    (void)argument;
    if (mapped_slice_check(word, &error) != MAPPED_OK)
        return raise_in(atomic->owned.owner, "pickle", &error);
    return pickle_reduce(
        atomic->owned.owner->state, "_atomic",
        Py_BuildValue("(Nsn)", pickle_memory(atomic->owned.owner, word),
                      atomic->core.element->name, (Py_ssize_t)word.offset));
}

static PyMethodDef atomic_methods[] = {
    METHOD_ROW(atomic, KEYWORDS, load),
    METHOD_ROW(atomic, KEYWORDS, store),
    METHOD_ROW(atomic, KEYWORDS, exchange),
    METHOD_ROW(atomic, KEYWORDS, compare_exchange),
    METHOD_ROW(atomic, KEYWORDS, add),
    METHOD_ROW(atomic, KEYWORDS, sub),
    METHOD_ROW(atomic, KEYWORDS, and_),
    METHOD_ROW(atomic, KEYWORDS, or_),
    METHOD_ROW(atomic, KEYWORDS, xor),
    METHOD_ROW(atomic, KEYWORDS, wait),
    METHOD_ROW(atomic, KEYWORDS, notify),
    PICKLE_METHODS(atomic),
    {NULL, NULL, 0, NULL}};

GETTER(atomic, region, REGION_DOC,
       Py_NewRef((PyObject *)atomic_of(self)->owned.owner))
GETTER(atomic, offset, "Where the word begins, in bytes of the region.",
       PyLong_FromSize_t(atomic_of(self)->core.word.offset))

static PyGetSetDef atomic_attributes[] = {ATTRIBUTE_ROW(atomic, region),
                                          ATTRIBUTE_ROW(atomic, offset),
                                          {NULL, NULL, NULL, NULL, NULL}};

static const char atomic_doc[] = PyDoc_STR(
    "A word of a Region that every thread and process can change in one step.\n"
    "\nMade by atomic() of a Region or a Slice. C's <stdatomic.h> and every\n"
    "other language's atomics of that width mean the same by it.");

static PyType_Slot atomic_slots[] = {{Py_tp_doc, (void *)atomic_doc},
                                     {Py_tp_dealloc, owned_dealloc},
                                     {Py_tp_traverse, owned_traverse},
                                     {Py_tp_repr, atomic_repr},
                                     {Py_tp_methods, atomic_methods},
                                     {Py_tp_getset, atomic_attributes},
                                     {0, NULL}};

TYPE(atomic, "mapped.Atomic", sizeof(Atomic), 0, Py_TPFLAGS_HAVE_GC)

const char module_fence_doc[] = PyDoc_STR(
    "fence($module, /, order='seq_cst')\n--\n\n"
    "Order this thread's accesses before and after the call, as C11's\n"
    "atomic_thread_fence does. ValueError for an unknown order.");

METHOD_NAMED(module_fence, "fence", 0, 1, "order")
{
    (void)self;
    mapped_order order = MAPPED_ORDER_SEQ_CST;
    if (convert_order(values[0], &order) < 0)
        return NULL;
    mapped_atomic_fence(order);
    Py_RETURN_NONE;
}
