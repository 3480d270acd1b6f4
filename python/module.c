/* The extension module: its state, its types and its functions. Nothing is
 * global, so each interpreter that imports it has a copy of its own. */
#include "cursor.h"
#include "pickle.h"
#include "unlocked.h"

static State *state_get(PyObject *module)
{
    return PyModule_GetState(module);
}

static const char fault_doc[] = PyDoc_STR(
    "A page of a mapping is lost: the file shrank, the disk is full or\n"
    "failed.\n\n"
    "An OSError; `offset` and `length` tell in bytes what was touched.");

static int add_fault_error(PyObject *module, State *state)
{
    PyObject *members = Py_BuildValue("{sisi}", "offset", 0, "length", 0);
    if (members == NULL)
        return -1;
    state->fault_error = PyErr_NewExceptionWithDoc(
        "mapped.FaultError", fault_doc, PyExc_OSError, members);
    Py_DECREF(members);
    return PyModule_AddObjectRef(module, "FaultError", state->fault_error);
}

static const char range_doc[] = PyDoc_STR(
    "What a format describes lies outside of the bytes.\n\n"
    "An IndexError, as everywhere in mapped, and a struct.error, as in\n"
    "struct.");

static int add_range_error(PyObject *module, State *state)
{
    PyObject *bases = PyTuple_Pack(2, state->struct_error, PyExc_IndexError);
    if (bases == NULL)
        return -1;
    state->range_error = PyErr_NewExceptionWithDoc("mapped.PackRangeError",
                                                   range_doc, bases, NULL);
    Py_DECREF(bases);
    return PyModule_AddObjectRef(module, "PackRangeError", state->range_error);
}

int import_object(const char *module_name, const char *name, PyObject **object)
{
    PyObject *module = PyImport_ImportModule(module_name);
    if (module == NULL)
        return -1;
    *object = PyObject_GetAttrString(module, name);
    Py_DECREF(module);
    return *object == NULL ? -1 : 0;
}

static int make_type(PyObject *module, PyType_Spec *spec, PyTypeObject **type)
{
    *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *type == NULL ? -1 : 0;
}

/* Makes the types subclasses of collections.abc.Sequence, as tuple is. */
static int register_sequences(const State *state)
{
    PyTypeObject *const types[] = {state->region_type, state->slice_type,
                                   state->array_type, state->records_type,
                                   state->record_type};
    PyObject *sequence;
    if (import_object("collections.abc", "Sequence", &sequence) < 0)
        return -1;
    PyObject *add = PyObject_GetAttrString(sequence, "register");
    int status = add == NULL ? -1 : 0;
    for (size_t i = 0; i < sizeof types / sizeof types[0] && status == 0; i++) {
        PyObject *same = PyObject_CallFunction(add, "O", types[i]);
        status = same == NULL ? -1 : 0;
        Py_XDECREF(same);
    }
    Py_XDECREF(add);
    Py_DECREF(sequence);
    return status;
}

static PyMethodDef module_functions[] = {
    MODULE_FUNCTIONS(MODULE_FUNCTION_ROW){"_new_mmap", module__new_mmap,
                                          METH_VARARGS, module__new_mmap_doc},
    {NULL, NULL, 0, NULL}};

/* Terms of a condition, for a list of types. */
#define NOT_MADE(name) \
    make_type(module, &name##_spec, &state->name##_type) < 0 ||
#define NOT_ADDED(name) PyModule_AddType(module, state->name##_type) < 0 ||

static int add_types(PyObject *module, State *state)
{
    state->residency = residency_type();
    if (state->residency == NULL ||
        TYPES(NOT_MADE) PUBLIC_TYPES(NOT_ADDED) PyModule_AddObjectRef(
            module, "Residency", state->residency) < 0)
        return -1;
    return record_add_patterns(state->record_type) < 0
               ? -1
               : register_sequences(state);
}

static int add_exceptions(PyObject *module, State *state)
{
    if (import_object("io", "UnsupportedOperation", &state->unsupported) < 0 ||
        import_object("struct", "error", &state->struct_error) < 0 ||
        add_fault_error(module, state) < 0)
        return -1;
    return add_range_error(module, state);
}

/* Views return these instead of making an integer for each byte. */
static int make_bytes(State *state)
{
    for (int i = 0; i <= UCHAR_MAX; i++) {
        state->bytes[i] = PyLong_FromLong(i);
        if (state->bytes[i] == NULL)
            return -1;
    }
    return 0;
}

/* Code that an import or an allocation runs may find the module before it is
 * complete. The functions are added last, so it finds nothing to call. */
static int module_exec(PyObject *module)
{
    State *state = state_get(module);
    unlocked_install_hooks();
    state->module = module;
    codes_fill(state);
    state->formats = PyDict_New();
    if (state->formats == NULL || make_bytes(state) < 0 ||
        add_types(module, state) < 0 || add_exceptions(module, state) < 0 ||
        PyModule_AddStringConstant(module, "__version__", MAPPED_VERSION) < 0 ||
        PyModule_AddFunctions(module, module_functions) < 0)
        return -1;
    return PyModule_AddFunctions(module, pickle_functions);
}

/* What module_exec makes, but for the caches. */
#define MEMBERS(X)  \
    TYPES(X##_TYPE) \
    X(residency) X(fault_error) X(unsupported) X(struct_error) X(range_error)
#define VISIT(name) Py_VISIT(state->name);
#define VISIT_TYPE(name) VISIT(name##_type)
#define CLEAR(name) Py_CLEAR(state->name);
#define CLEAR_TYPE(name) CLEAR(name##_type)

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = state_get(module);
    MEMBERS(VISIT)
    return formats_traverse(state, visit, arg);
}

/* Clears the caches, but keeps the types until module_free: while one of its
 * Regions exists, code that runs during a collection may make more objects. The
 * types themselves break the cycle between them and the module. */
static int module_clear(PyObject *module)
{
    formats_clear(state_get(module));
    return 0;
}

static void module_free(void *module)
{
    State *state = state_get(module);
    formats_clear(state);
    slice_free_memory(state);
    MEMBERS(CLEAR)
    for (int i = 0; i <= UCHAR_MAX; i++)
        Py_CLEAR(state->bytes[i]);
}

/* Python 3.12 knows a slot for modules that support interpreters with a lock of
 * their own. The headers of 3.11 lack its number, and 3.11 itself refuses it.
 */
#define SLOT_MULTIPLE_INTERPRETERS 3
#define OWN_LOCK_SUPPORTED ((void *)2)

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {SLOT_MULTIPLE_INTERPRETERS, OWN_LOCK_SUPPORTED},
    {0, NULL}};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_mapped",
    .m_doc = "The extension behind the package mapped.",
    .m_size = sizeof(State),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__mapped(void)
{
    if (Py_Version < 0x030C0000)
        module_slots[1] = (PyModuleDef_Slot){0, NULL};
    return PyModuleDef_Init(&definition);
}
