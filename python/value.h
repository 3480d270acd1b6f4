/* How values in memory become Python objects, and back. Get and set, arrays,
 * records, pack and unpack all use it.
 *
 * An element is read by a table with a row for each form (mapped_form) and a
 * column for each way to read: value_read, value_make and value_fill. It is
 * stored by way of a mapped_value: value_from and what is built on that. Items
 * and records are made of elements.
 *
 * Converting an object runs the code of others (__index__, __float__,
 * __buffer__, a sequence's __iter__). So it ends in plain memory, and only then
 * is anything of ours looked at. Making an object runs nobody's code. */
#ifndef MAPPED_PYTHON_VALUE_H
#define MAPPED_PYTHON_VALUE_H

#include "binding.h"

/* Reads one element of `slice`, which belongs to `owner`, with all checks. */
typedef PyObject *Read(Region *owner, const mapped_slice *slice,
                       const mapped_element *element, size_t offset);

/* Makes an object of an element in plain memory. */
typedef PyObject *Make(const mapped_element *element, const unsigned char *p);

/* Makes the items [at, end) of a list of elements that follow one another.
 * Returns 0, or -1 with an exception. */
typedef int Fill(const mapped_element *element, const unsigned char *p,
                 PyObject *list, Py_ssize_t at, Py_ssize_t end);

/* The table's three columns, by an element's form. */
extern Read *const value_read[MAPPED_FORMS];
extern Make *const value_make[MAPPED_FORMS];
extern Fill *const value_fill[MAPPED_FORMS];

static inline PyObject *element_read(Region *owner, const mapped_slice *slice,
                                     const mapped_element *element,
                                     size_t offset)
{
    return value_read[element->form](owner, slice, element, offset);
}

static inline PyObject *element_make(const mapped_element *element,
                                     const unsigned char *p)
{
    return value_make[element->form](element, p);
}

/* Makes an object of a value that was loaded. */
PyObject *value_object(const mapped_element *element, mapped_value value);

/* What came of the conversion of an object to a value. */
typedef enum ValueStatus {
    VALUE_RAISED = -1, /* an exception is set, perhaps an OverflowError */
    VALUE_CONVERTED,
    VALUE_UNFIT /* the object is out of range; no exception is set */
} ValueStatus;

/* Converts an object to a value of the element's kind. Whether it is in the
 * range of the element is checked by the code that stores it. `native` is the
 * letter of a struct code whose limits are the C compiler's, else 0: there an
 * address ('P') may be negative, and an 'f' out of range is an infinity. */
COLD ValueStatus value_convert(const mapped_element *element, char native,
                               PyObject *object, mapped_value *value);

/* The same; the conversion of most integers is inline. */
static inline ValueStatus value_from(const mapped_element *element, char native,
                                     PyObject *object, mapped_value *value)
{
    if (Py_IS_TYPE(object, &PyLong_Type) &&
        element->kind <= MAPPED_KIND_UNSIGNED) {
        long number = PyLong_AsLong(object);
        if (number >= 0 ||
            (number < -1 && element->kind == MAPPED_KIND_SIGNED)) {
            value->i = number;
            return VALUE_CONVERTED;
        }
    } else if (Py_IS_TYPE(object, &PyFloat_Type) &&
               element->kind == MAPPED_KIND_FLOAT && native != 'f') {
        value->f = PyFloat_AsDouble(object);
        return VALUE_CONVERTED;
    }
    return value_convert(element, native, object, value);
}

/* Converts an object and stores it as an element at `to`, plain memory. Returns
 * 0, or -1 with the exception that set() raises. */
int element_store(const mapped_element *element, char native, PyObject *object,
                  unsigned char *to);

/* Raises the exception of set() for a status that isn't VALUE_CONVERTED, and
 * returns -1. It says that the object doesn't fit the element, also in place of
 * an OverflowError that is set; any other exception that is set stays. */
COLD int raise_conversion(const mapped_element *element, PyObject *object,
                          ValueStatus status);

/* Makes an object of an item in plain memory: bytes of a text, a tuple of what
 * repeats and of a record. */
PyObject *item_make(const mapped_item *item, const unsigned char *p);

/* Converts an object and stores it as the item of a field at `to`, plain memory
 * that is all zero. Returns 0, or -1 with an exception that names the field. */
int field_store(const State *state, const mapped_field *field, PyObject *object,
                unsigned char *to);

/* Converts an object and stores it as a record at `to`, plain memory that is
 * all zero: a dict or a Record by the names of the fields, or a sequence in
 * their order. Returns 0, or -1 with an exception. */
int record_store(const State *state, const mapped_fields *fields,
                 PyObject *object, unsigned char *to);

/* Returns a tuple of a sequence's values; or raises what PySequence_Tuple does,
 * but "`what`, not 'int'" for an object that isn't iterable. */
PyObject *values_tuple(const char *what, PyObject *object);

#endif
