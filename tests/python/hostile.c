/* Makes the garbage collector run as often as possible. Python collects garbage
 * at some of the calls that allocate; in a build with hostile=yes every call
 * that may allocate, raise or run code collects all of it before and after, and
 * runs the finalizers of tests/python/hostile.py. An object that the extension
 * has only borrowed is then freed at once, and a sanitizer notices the next
 * use. The return from unlocked code collects too, as another thread could have
 * done.
 *
 * The extension's file is imported once more under the name `hostile` for the
 * functions at the end. */
#undef Py_LIMITED_API
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <stdbool.h>

/* After gc.freeze a full collection takes some ten microseconds, but some tests
 * make millions of calls. So each test has a collection before and after its
 * first calls, and later at one in CALLS_APART. That is a prime number, so that
 * the collection comes at each call of a loop in turn. */
#define AT_EVERY_CALL 2000
#define CALLS_APART 997

/* These change only while the interpreter's lock is held. */
static bool armed, collecting;
static unsigned long calls, collections;

static bool may_collect(void)
{
#if PY_VERSION_HEX >= 0x030d0000
    return !Py_IsFinalizing() && PyGILState_Check();
#else
    return !_Py_IsFinalizing() && PyGILState_Check();
#endif
}

static void collect(void)
{
    int saved = errno;
    if (!armed || !may_collect() || collecting)
        return;
    calls++;
    if (calls > AT_EVERY_CALL && calls % CALLS_APART != 0)
        return;
    collecting = true;
    collections++;
    PyGC_Collect();
    collecting = false;
    errno = saved;
}

/* Finalizers may have changed errno. */
static void collect_after(void)
{
    collect();
    if (armed)
        errno = EDOM;
}

/* Declares the wrapper of a function, which collects, makes the real call, and
 * collects again. */
#define DECLARE(type, name, ...)     \
    type __real_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__);

#define BODY(type, name, arguments)       \
    {                                     \
        type result;                      \
        collect();                        \
        result = __real_##name arguments; \
        collect_after();                  \
        return result;                    \
    }
#define WRAP_0(type, name)    \
    DECLARE(type, name, void) \
    type __wrap_##name(void) BODY(type, name, ())
#define WRAP_1(type, name, A) \
    DECLARE(type, name, A)    \
    type __wrap_##name(A a) BODY(type, name, (a))
#define WRAP_2(type, name, A, B) \
    DECLARE(type, name, A, B)    \
    type __wrap_##name(A a, B b) BODY(type, name, (a, b))
#define WRAP_3(type, name, A, B, C) \
    DECLARE(type, name, A, B, C)    \
    type __wrap_##name(A a, B b, C c) BODY(type, name, (a, b, c))
#define WRAP_4(type, name, A, B, C, D) \
    DECLARE(type, name, A, B, C, D)    \
    type __wrap_##name(A a, B b, C c, D d) BODY(type, name, (a, b, c, d))

/* Does the same for a function that returns nothing. */
#define BODY_VOID(name, arguments) \
    {                              \
        collect();                 \
        __real_##name arguments;   \
        collect_after();           \
    }
#define WRAP_VOID_0(name)     \
    DECLARE(void, name, void) \
    void __wrap_##name(void) BODY_VOID(name, ())
#define WRAP_VOID_1(name, A) \
    DECLARE(void, name, A)   \
    void __wrap_##name(A a) BODY_VOID(name, (a))
#define WRAP_VOID_2(name, A, B) \
    DECLARE(void, name, A, B)   \
    void __wrap_##name(A a, B b) BODY_VOID(name, (a, b))
#define WRAP_VOID_3(name, A, B, C) \
    DECLARE(void, name, A, B, C)   \
    void __wrap_##name(A a, B b, C c) BODY_VOID(name, (a, b, c))

/* These functions make an empty object. The interpreter collects before the
 * collector knows the object, so there is no collection afterwards. */
#define WRAP_BEFORE(type, name, A) \
    DECLARE(type, name, A)         \
    type __wrap_##name(A a)        \
    {                              \
        collect();                 \
        return __real_##name(a);   \
    }

WRAP_4(int, PyBuffer_ToContiguous, void *, const Py_buffer *, Py_ssize_t, char)
WRAP_2(PyObject *, PyByteArray_FromStringAndSize, const char *, Py_ssize_t)
WRAP_3(int, PyBytes_AsStringAndSize, PyObject *, char **, Py_ssize_t *)
WRAP_1(PyObject *, PyBytes_FromObject, PyObject *)
WRAP_1(PyObject *, PyBytes_FromString, const char *)
WRAP_2(PyObject *, PyBytes_FromStringAndSize, const char *, Py_ssize_t)
WRAP_2(int, PyCapsule_IsValid, PyObject *, const char *)
WRAP_3(PyObject *, PyCapsule_New, void *, const char *, PyCapsule_Destructor)
WRAP_1(PyObject *, PyDict_Copy, PyObject *)
WRAP_2(int, PyDict_DelItem, PyObject *, PyObject *)
WRAP_2(PyObject *, PyDict_GetItemWithError, PyObject *, PyObject *)
WRAP_0(PyObject *, PyDict_New)
WRAP_3(int, PyDict_SetItem, PyObject *, PyObject *, PyObject *)
WRAP_3(int, PyDict_SetItemString, PyObject *, const char *, PyObject *)
WRAP_0(int, PyErr_CheckSignals)
WRAP_4(PyObject *, PyErr_NewExceptionWithDoc, const char *, const char *,
       PyObject *, PyObject *)
WRAP_0(PyObject *, PyErr_NoMemory)
WRAP_1(PyObject *, PyErr_SetFromErrno, PyObject *)
WRAP_2(PyObject *, PyErr_SetFromErrnoWithFilenameObject, PyObject *, PyObject *)
WRAP_3(int, PyErr_WarnEx, PyObject *, const char *, Py_ssize_t)
WRAP_1(double, PyFloat_AsDouble, PyObject *)
WRAP_1(PyObject *, PyFloat_FromDouble, double)
WRAP_2(PyObject *, Py_GenericAlias, PyObject *, PyObject *)
WRAP_1(PyObject *, PyImport_ImportModule, const char *)
WRAP_1(PyObject *, PyIter_Next, PyObject *)
WRAP_2(int, PyList_Append, PyObject *, PyObject *)
WRAP_1(PyObject *, PyList_AsTuple, PyObject *)
WRAP_BEFORE(PyObject *, PyList_New, Py_ssize_t)
WRAP_1(double, PyLong_AsDouble, PyObject *)
WRAP_1(long, PyLong_AsLong, PyObject *)
WRAP_2(long, PyLong_AsLongAndOverflow, PyObject *, int *)
WRAP_1(long long, PyLong_AsLongLong, PyObject *)
WRAP_2(long long, PyLong_AsLongLongAndOverflow, PyObject *, int *)
WRAP_1(size_t, PyLong_AsSize_t, PyObject *)
WRAP_1(Py_ssize_t, PyLong_AsSsize_t, PyObject *)
WRAP_1(unsigned long long, PyLong_AsUnsignedLongLong, PyObject *)
WRAP_1(unsigned long long, PyLong_AsUnsignedLongLongMask, PyObject *)
WRAP_1(void *, PyLong_AsVoidPtr, PyObject *)
WRAP_1(PyObject *, PyLong_FromLong, long)
WRAP_1(PyObject *, PyLong_FromLongLong, long long)
WRAP_1(PyObject *, PyLong_FromSize_t, size_t)
WRAP_1(PyObject *, PyLong_FromSsize_t, Py_ssize_t)
WRAP_1(PyObject *, PyLong_FromUnsignedLong, unsigned long)
WRAP_1(PyObject *, PyLong_FromUnsignedLongLong, unsigned long long)
WRAP_1(PyObject *, PyLong_FromVoidPtr, void *)
WRAP_0(int, PyGC_Disable)
WRAP_0(int, PyGC_Enable)
WRAP_2(PyObject *, PyMapping_GetItemString, PyObject *, const char *)
WRAP_2(void *, PyMem_Calloc, size_t, size_t)
WRAP_1(void *, PyMem_Malloc, size_t)
WRAP_2(void *, PyMem_Realloc, void *, size_t)
WRAP_1(PyObject *, PyMemoryView_FromBuffer, const Py_buffer *)
WRAP_3(PyObject *, PyMemoryView_FromMemory, char *, Py_ssize_t, int)
WRAP_1(PyObject *, PyMemoryView_FromObject, PyObject *)
WRAP_3(int, PyModule_AddIntConstant, PyObject *, const char *, long)
WRAP_3(int, PyModule_AddObjectRef, PyObject *, const char *, PyObject *)
WRAP_3(int, PyModule_AddStringConstant, PyObject *, const char *, const char *)
WRAP_2(int, PyModule_AddFunctions, PyObject *, PyMethodDef *)
WRAP_2(int, PyModule_AddType, PyObject *, PyTypeObject *)
WRAP_2(Py_ssize_t, PyNumber_AsSsize_t, PyObject *, PyObject *)
WRAP_1(PyObject *, PyNumber_Float, PyObject *)
WRAP_1(PyObject *, PyNumber_Index, PyObject *)
WRAP_1(PyObject *, PyNumber_Long, PyObject *)
WRAP_2(PyObject *, PyNumber_ToBase, PyObject *, int)
WRAP_1(PyObject *, PyOS_FSPath, PyObject *)
WRAP_1(int, PyObject_AsFileDescriptor, PyObject *)
WRAP_1(PyObject *, PyObject_Bytes, PyObject *)
WRAP_3(PyObject *, PyObject_Call, PyObject *, PyObject *, PyObject *)
WRAP_1(PyObject *, PyObject_CallNoArgs, PyObject *)
WRAP_2(PyObject *, PyObject_CallObject, PyObject *, PyObject *)
WRAP_2(int, PyObject_DelItem, PyObject *, PyObject *)
WRAP_2(PyObject *, PyObject_GenericGetAttr, PyObject *, PyObject *)
WRAP_3(int, PyObject_GenericSetAttr, PyObject *, PyObject *, PyObject *)
WRAP_2(PyObject *, PyObject_GetAttr, PyObject *, PyObject *)
WRAP_2(PyObject *, PyObject_GetAttrString, PyObject *, const char *)
WRAP_3(int, PyObject_GetBuffer, PyObject *, Py_buffer *, int)
WRAP_2(PyObject *, PyObject_GetItem, PyObject *, PyObject *)
WRAP_1(PyObject *, PyObject_GetIter, PyObject *)
WRAP_2(int, PyObject_HasAttrString, PyObject *, const char *)
WRAP_1(Py_hash_t, PyObject_Hash, PyObject *)
WRAP_2(int, PyObject_IsInstance, PyObject *, PyObject *)
WRAP_1(int, PyObject_IsTrue, PyObject *)
WRAP_1(int, PyObject_Not, PyObject *)
WRAP_1(PyObject *, PyObject_Repr, PyObject *)
WRAP_3(PyObject *, PyObject_RichCompare, PyObject *, PyObject *, int)
WRAP_3(int, PyObject_RichCompareBool, PyObject *, PyObject *, int)
WRAP_3(int, PyObject_SetAttr, PyObject *, PyObject *, PyObject *)
WRAP_3(int, PyObject_SetAttrString, PyObject *, const char *, PyObject *)
WRAP_3(int, PyObject_SetItem, PyObject *, PyObject *, PyObject *)
WRAP_1(Py_ssize_t, PyObject_Size, PyObject *)
WRAP_1(PyObject *, PyObject_Str, PyObject *)
WRAP_2(int, PySequence_Contains, PyObject *, PyObject *)
WRAP_2(PyObject *, PySequence_Fast, PyObject *, const char *)
WRAP_2(PyObject *, PySequence_GetItem, PyObject *, Py_ssize_t)
WRAP_1(PyObject *, PySequence_List, PyObject *)
WRAP_3(int, PySequence_SetItem, PyObject *, Py_ssize_t, PyObject *)
WRAP_1(Py_ssize_t, PySequence_Size, PyObject *)
WRAP_1(PyObject *, PySequence_Tuple, PyObject *)
WRAP_2(int, PySet_Add, PyObject *, PyObject *)
WRAP_2(int, PySet_Contains, PyObject *, PyObject *)
WRAP_1(PyObject *, PySet_New, PyObject *)
WRAP_3(PyObject *, PySlice_New, PyObject *, PyObject *, PyObject *)
WRAP_4(int, PySlice_Unpack, PyObject *, Py_ssize_t *, Py_ssize_t *,
       Py_ssize_t *)
WRAP_3(PyObject *, PyTuple_GetSlice, PyObject *, Py_ssize_t, Py_ssize_t)
WRAP_BEFORE(PyObject *, PyTuple_New, Py_ssize_t)
WRAP_3(PyObject *, PyType_FromModuleAndSpec, PyObject *, PyType_Spec *,
       PyObject *)
WRAP_1(PyObject *, PyType_GetName, PyTypeObject *)
WRAP_1(PyObject *, PyType_GetQualName, PyTypeObject *)
WRAP_1(PyObject *, PyUnicode_AsASCIIString, PyObject *)
WRAP_3(PyObject *, PyUnicode_AsEncodedString, PyObject *, const char *,
       const char *)
WRAP_2(const char *, PyUnicode_AsUTF8AndSize, PyObject *, Py_ssize_t *)
WRAP_1(PyObject *, PyUnicode_AsUTF8String, PyObject *)
WRAP_2(PyObject *, PyUnicode_Concat, PyObject *, PyObject *)
WRAP_1(PyObject *, PyUnicode_DecodeFSDefault, const char *)
WRAP_3(PyObject *, PyUnicode_DecodeLatin1, const char *, Py_ssize_t,
       const char *)
WRAP_3(PyObject *, PyUnicode_DecodeUTF8, const char *, Py_ssize_t, const char *)
WRAP_2(int, PyUnicode_FSConverter, PyObject *, void *)
WRAP_1(PyObject *, PyUnicode_FromObject, PyObject *)
WRAP_1(PyObject *, PyUnicode_FromString, const char *)
WRAP_2(PyObject *, PyUnicode_FromStringAndSize, const char *, Py_ssize_t)
WRAP_1(PyObject *, PyUnicode_InternFromString, const char *)
WRAP_3(PyObject *, PyUnicode_Substring, PyObject *, Py_ssize_t, Py_ssize_t)
WRAP_2(PyObject *, PyWeakref_NewRef, PyObject *, PyObject *)
WRAP_1(PyObject *, _PyObject_GC_New, PyTypeObject *)
WRAP_2(PyVarObject *, _PyObject_GC_NewVar, PyTypeObject *, Py_ssize_t)
WRAP_1(PyObject *, _PyObject_New, PyTypeObject *)
WRAP_2(PyVarObject *, _PyObject_NewVar, PyTypeObject *, Py_ssize_t)
WRAP_VOID_1(PyBuffer_Release, Py_buffer *)
WRAP_VOID_1(PyDict_Clear, PyObject *)
WRAP_VOID_0(PyErr_Clear)
WRAP_VOID_3(PyErr_NormalizeException, PyObject **, PyObject **, PyObject **)
WRAP_VOID_3(PyErr_Restore, PyObject *, PyObject *, PyObject *)
WRAP_VOID_1(PyErr_SetNone, PyObject *)
WRAP_VOID_2(PyErr_SetObject, PyObject *, PyObject *)
WRAP_VOID_2(PyErr_SetString, PyObject *, const char *)
WRAP_VOID_1(PyErr_WriteUnraisable, PyObject *)
WRAP_VOID_1(PyObject_ClearWeakRefs, PyObject *)

DECLARE(void, PyEval_RestoreThread, PyThreadState *)
/* Keeps errno, as the real function does. */
void __wrap_PyEval_RestoreThread(PyThreadState *thread)
{
    __real_PyEval_RestoreThread(thread);
    collect();
}

DECLARE(void, _Py_Dealloc, PyObject *)
/* Only an object that can be part of a cycle refers to objects with finalizers.
 */
void __wrap__Py_Dealloc(PyObject *object)
{
    bool holds = PyType_IS_GC(Py_TYPE(object));
    __real__Py_Dealloc(object);
    if (holds)
        collect_after();
}

PyObject *__wrap_PyErr_Format(PyObject *type, const char *format, ...);
PyObject *__wrap_PyErr_Format(PyObject *type, const char *format, ...)
{
    va_list list;
    collect();
    va_start(list, format);
    PyErr_FormatV(type, format, list);
    va_end(list);
    collect_after();
    return NULL;
}

/* The interpreter has no variant that takes a va_list, so this warns without
 * the source. */
int __wrap_PyErr_ResourceWarning(PyObject *source, Py_ssize_t level,
                                 const char *format, ...);
int __wrap_PyErr_ResourceWarning(PyObject *source, Py_ssize_t level,
                                 const char *format, ...)
{
    int result = -1;
    PyObject *text;
    va_list list;
    (void)source;
    collect();
    va_start(list, format);
    text = PyUnicode_FromFormatV(format, list);
    va_end(list);
    if (text != NULL)
        result = PyErr_WarnFormat(PyExc_ResourceWarning, level, "%U", text);
    Py_XDECREF(text);
    collect_after();
    return result;
}

PyObject *__wrap_PyUnicode_FromFormat(const char *format, ...);
PyObject *__wrap_PyUnicode_FromFormat(const char *format, ...)
{
    PyObject *result;
    va_list list;
    collect();
    va_start(list, format);
    result = PyUnicode_FromFormatV(format, list);
    va_end(list);
    collect_after();
    return result;
}

PyObject *__wrap__Py_BuildValue_SizeT(const char *format, ...);
PyObject *__wrap__Py_BuildValue_SizeT(const char *format, ...)
{
    PyObject *result;
    va_list list;
    collect();
    va_start(list, format);
    result = _Py_VaBuildValue_SizeT(format, list);
    va_end(list);
    collect_after();
    return result;
}

int __wrap__PyArg_ParseTuple_SizeT(PyObject *tuple, const char *format, ...);
int __wrap__PyArg_ParseTuple_SizeT(PyObject *tuple, const char *format, ...)
{
    int result;
    va_list list;
    collect();
    va_start(list, format);
    result = _PyArg_VaParse_SizeT(tuple, format, list);
    va_end(list);
    collect_after();
    return result;
}

int __wrap__PyArg_ParseTupleAndKeywords_SizeT(PyObject *tuple,
                                              PyObject *keywords,
                                              const char *format, char **names,
                                              ...);
int __wrap__PyArg_ParseTupleAndKeywords_SizeT(PyObject *tuple,
                                              PyObject *keywords,
                                              const char *format, char **names,
                                              ...)
{
    int result;
    va_list list;
    collect();
    va_start(list, names);
    result = _PyArg_VaParseTupleAndKeywords_SizeT(tuple, keywords, format,
                                                  names, list);
    va_end(list);
    collect_after();
    return result;
}

PyObject *__wrap_PyTuple_Pack(Py_ssize_t n, ...);
PyObject *__wrap_PyTuple_Pack(Py_ssize_t n, ...)
{
    PyObject *result;
    va_list list;
    collect();
    result = __real_PyTuple_New(n);
    va_start(list, n);
    for (Py_ssize_t i = 0; result != NULL && i < n; i++)
        PyTuple_SET_ITEM(result, i, Py_NewRef(va_arg(list, PyObject *)));
    va_end(list);
    collect_after();
    return result;
}

/* Returns the arguments of a format: the tuple that it makes, or a tuple of its
 * single value. */
static PyObject *arguments_of(const char *format, va_list list)
{
    PyObject *pair, *only = _Py_VaBuildValue_SizeT(format, list);
    if (only == NULL || PyTuple_Check(only))
        return only;
    pair = __real_PyTuple_New(1);
    if (pair == NULL) {
        Py_DECREF(only);
        return NULL;
    }
    PyTuple_SET_ITEM(pair, 0, only);
    return pair;
}

PyObject *__wrap__PyObject_CallFunction_SizeT(PyObject *callable,
                                              const char *format, ...);
PyObject *__wrap__PyObject_CallFunction_SizeT(PyObject *callable,
                                              const char *format, ...)
{
    PyObject *arguments, *result = NULL;
    va_list list;
    collect();
    if (format == NULL || *format == '\0')
        return __wrap_PyObject_CallNoArgs(callable);
    va_start(list, format);
    arguments = arguments_of(format, list);
    va_end(list);
    if (arguments != NULL)
        result = __real_PyObject_CallObject(callable, arguments);
    Py_XDECREF(arguments);
    collect_after();
    return result;
}

/* Implements start(): a new test begins, and its calls collect. */
static PyObject *start(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    calls = 0;
    armed = true;
    Py_RETURN_NONE;
}

static PyObject *stop(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    armed = false;
    Py_RETURN_NONE;
}

/* Implements count(): returns the calls since start(), and all collections. */
static PyObject *count(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    return Py_BuildValue("kk", calls, collections);
}

static PyMethodDef functions[] = {{"start", start, METH_NOARGS, NULL},
                                  {"stop", stop, METH_NOARGS, NULL},
                                  {"count", count, METH_NOARGS, NULL},
                                  {NULL, NULL, 0, NULL}};

static PyModuleDef module = {.m_base = PyModuleDef_HEAD_INIT,
                             .m_name = "hostile",
                             .m_methods = functions};

PyMODINIT_FUNC PyInit_hostile(void)
{
    return PyModuleDef_Init(&module);
}
