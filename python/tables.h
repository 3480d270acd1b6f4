/* How types, methods and attributes are listed, and the lists that Region and
 * Slice share.
 *
 * A method is a function <class>_<name>, in any file, with its documentation in
 * the text <class>_<name>_doc; so is an attribute. METHOD_ROW and ATTRIBUTE_ROW
 * make a row of a type's table of these two.
 *
 * A definition begins with a macro for the function's head, ATTRIBUTE or that
 * of the method's kind, which decides what the body finds:
 *
 *     METHOD_NONE       self
 *     METHOD_ONE        self and `argument`
 *     METHOD_KEYWORDS   self and the arguments as Python passes them: `given`
 *                       has first the `count` positional ones, then those whose
 *                       names are in the tuple `keywords`, which may be NULL
 *     METHOD_NAMED      self and `values`: for each of the names an argument,
 *                       or NULL if the caller left it out; in a list of methods
 *                       the kind of such a method is KEYWORDS
 *
 * The lists are macros that call X for each entry: once for the declarations,
 * at the end of this file, and once for each table. */
#ifndef MAPPED_PYTHON_TABLES_H
#define MAPPED_PYTHON_TABLES_H

/* The methods that Region and Slice share, of the class `view`. */
#define VIEW_METHODS(X)     \
    PAGE_METHODS(X)         \
    X(KEYWORDS, slice)      \
    X(KEYWORDS, get)        \
    X(KEYWORDS, set)        \
    X(KEYWORDS, unpack)     \
    X(KEYWORDS, pack)       \
    X(KEYWORDS, cast)       \
    X(ONE, records)         \
    X(KEYWORDS, atomic)     \
    X(KEYWORDS, lock)       \
    X(KEYWORDS, copy_from)  \
    X(ONE, copy_to)         \
    X(ONE, fill)            \
    X(KEYWORDS, move)       \
    X(KEYWORDS, find)       \
    X(KEYWORDS, rfind)      \
    X(KEYWORDS, index)      \
    X(KEYWORDS, rindex)     \
    X(KEYWORDS, count)      \
    X(KEYWORDS, find_all)   \
    X(KEYWORDS, startswith) \
    X(KEYWORDS, endswith)   \
    X(KEYWORDS, lines)      \
    X(KEYWORDS, split)      \
    X(NONE, file)           \
    X(NONE, tobytes)        \
    X(NONE, tolist)         \
    X(NONE, toreadonly)     \
    X(KEYWORDS, hex)        \
    X(KEYWORDS, decode)     \
    X(NONE, __bytes__)      \
    X(NONE, __reversed__)   \
    X(ONE, __reduce_ex__)   \
    X(NONE, __copy__)       \
    X(ONE, __deepcopy__)

/* Those about pages in memory and on the disk. */
#define PAGE_METHODS(X)    \
    X(ONE, advise)         \
    X(NONE, discard)       \
    X(KEYWORDS, flush)     \
    X(NONE, mlock)         \
    X(NONE, munlock)       \
    X(KEYWORDS, prefetch)  \
    X(ONE, protect)        \
    X(KEYWORDS, residency) \
    X(NONE, revert)

/* Documentation of attributes that arrays have too. */
#define READONLY_DOC "True if a byte of it can't be written."
#define CLOSED_DOC "True once the region was closed."
#define REGION_DOC "The Region whose bytes these are; of a Region, itself."

/* The attributes that Region and Slice share. Those from `format` on are of
 * memoryview, and say what the items are and where they lie. */
#define VIEW_ATTRIBUTES(X) \
    X(nbytes)              \
    X(readonly)            \
    X(closed)              \
    X(region)              \
    X(offset)              \
    X(format)              \
    X(itemsize)            \
    X(ndim)                \
    X(shape)               \
    X(strides)             \
    X(suboffsets)          \
    X(c_contiguous)        \
    X(f_contiguous)        \
    X(contiguous)          \
    X(obj)

/* The slots of the types Region and Slice, with the one that ends a table. */
/* clang-format off */
#define VIEW_SLOTS(type)                                \
    {Py_tp_doc, (void *)type##_doc},                    \
    {Py_tp_dealloc, type##_dealloc},                    \
    {Py_tp_traverse, type##_traverse},                  \
    {Py_tp_repr, type##_repr},                          \
    {Py_tp_methods, type##_methods},                    \
    {Py_tp_getset, type##_attributes},                  \
    {Py_tp_members, type##_members},                    \
    {Py_tp_hash, PyObject_HashNotImplemented},          \
    {Py_tp_richcompare, equal_compare},                 \
    {Py_tp_iter, view_iterate},                         \
    {Py_sq_length, view_length},                        \
    {Py_sq_item, view_item},                            \
    {Py_sq_contains, view_contains},                    \
    {Py_mp_length, view_length},                        \
    {Py_mp_subscript, view_subscript},                  \
    {Py_mp_ass_subscript, view_assign},                 \
    {Py_bf_getbuffer, view_get_buffer},                 \
    {Py_bf_releasebuffer, view_release_buffer},         \
    {0, NULL}
/* clang-format on */

/* Defines the spec of a type, from its slots: of one that no script can change,
 * or call to make an object. (Mutex, Ring and Record can be called, so they
 * spell their specs out.) */
#define TYPE(type, type_name, size, item_size, more_flags)         \
    PyType_Spec type##_spec = {                                    \
        .name = type_name,                                         \
        .basicsize = size,                                         \
        .itemsize = item_size,                                     \
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |   \
                 Py_TPFLAGS_DISALLOW_INSTANTIATION | (more_flags), \
        .slots = type##_slots,                                     \
    };

/* Makes `match` take an object for a sequence, which the headers leave out of
 * the limited API. An abstract class can't do it to a type that is immutable.
 */
#define PATTERN_SEQUENCE (1 << 5)

/* clang-format off */

/* The members of a type whose objects can be referred to weakly. */
#define WEAKREFS_AT(type, member)                                            \
    {{"__weaklistoffset__", T_PYSSIZET, offsetof(type, member), READONLY,    \
      NULL},                                                                 \
     {NULL, 0, 0, 0, NULL}}

/* One row of a method table or an attribute table. */
#define METHOD_ROW(class, kind, name)                              \
    {#name, (PyCFunction)(void (*)(void))class##_##name,           \
     FLAGS_##kind, class##_##name##_doc}
#define ATTRIBUTE_ROW(class, name)                                 \
    {#name, class##_##name, NULL, class##_##name##_doc, NULL}

/* clang-format on */

#define FLAGS_KEYWORDS (METH_FASTCALL | METH_KEYWORDS)
#define FLAGS_ONE METH_O
#define FLAGS_NONE METH_NOARGS

#define METHOD_KEYWORDS(function)                              \
    PyObject *function(PyObject *self, PyObject *const *given, \
                       Py_ssize_t count, PyObject *keywords)
#define METHOD_ONE(function) \
    PyObject *function(PyObject *self, PyObject *argument)
#define METHOD_NONE(function) \
    PyObject *function(PyObject *self, PyObject *Py_UNUSED(nothing))
#define ATTRIBUTE(function) \
    PyObject *function(PyObject *self, void *Py_UNUSED(closure))

/* How many names there are in a list of them. */
#define NAME_COUNT(...) \
    ((Py_ssize_t)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)))

/* The head of a method whose arguments have these names: see Signature for the
 * numbers. It defines the function, which sorts the arguments into `values` and
 * passes them on to the one that the body belongs to. Arguments that are all
 * there by their position are in order already. */
#define METHOD_NAMED(function, name, required, positional, ...)                \
    METHOD_KEYWORDS(function);                                                 \
    static PyObject *function##_with(PyObject *self, PyObject *const *values); \
    METHOD_KEYWORDS(function)                                                  \
    {                                                                          \
        static const Signature signature = {                                   \
            name, required, positional, {__VA_ARGS__}};                        \
        PyObject *values[NAME_COUNT(__VA_ARGS__)];                             \
        if (keywords != NULL || count != NAME_COUNT(__VA_ARGS__) ||            \
            count > (positional)) {                                            \
            if (arguments_sort(&signature, given, count, keywords, values) <   \
                0)                                                             \
                return NULL;                                                   \
            given = values;                                                    \
        }                                                                      \
        return function##_with(self, given);                                   \
    }                                                                          \
    static PyObject *function##_with(PyObject *self, PyObject *const *values)

/* Defines an attribute and its documentation; `value` is an expression of
 * `self`.
 */
#define GETTER(class, name, doc, value)                        \
    static const char class##_##name##_doc[] = PyDoc_STR(doc); \
    static ATTRIBUTE(class##_##name)                           \
    {                                                          \
        return value;                                          \
    }

#define VIEW_METHOD_ROW(kind, name) METHOD_ROW(view, kind, name),
#define VIEW_ATTRIBUTE_ROW(name) ATTRIBUTE_ROW(view, name),

#define VIEW_METHOD_DECLARATION(kind, name) \
    METHOD_##kind(view_##name);             \
    extern const char view_##name##_doc[];
#define VIEW_ATTRIBUTE_DECLARATION(name) \
    ATTRIBUTE(view_##name);              \
    extern const char view_##name##_doc[];
VIEW_METHODS(VIEW_METHOD_DECLARATION)
VIEW_ATTRIBUTES(VIEW_ATTRIBUTE_DECLARATION)

#define MODULE_FUNCTIONS(X) \
    X(KEYWORDS, open)       \
    X(KEYWORDS, anonymous)  \
    X(ONE, wrap)            \
    X(KEYWORDS, layout)     \
    X(KEYWORDS, guard)      \
    X(NONE, stats)          \
    X(KEYWORDS, fence)      \
    X(KEYWORDS, shared)     \
    X(ONE, unlink)          \
    X(KEYWORDS, windows)

#define MODULE_FUNCTION_ROW(kind, name) METHOD_ROW(module, kind, name),
#define MODULE_FUNCTION_DECLARATION(kind, name) \
    METHOD_##kind(module_##name);               \
    extern const char module_##name##_doc[];
MODULE_FUNCTIONS(MODULE_FUNCTION_DECLARATION)

#endif
