/* How values in memory become Python objects, and back: one table with a row
 * for each form that an element can have, and for items the functions below.
 *
 * The way in runs the code of others (__index__, __float__, __buffer__, a
 * sequence's __iter__), so it ends in plain memory, and only then is anything
 * of ours looked at. The way out runs nobody's. */
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
    VALUE_RAISED = -1, /* an exception is set */
    VALUE_CONVERTED,
    VALUE_UNFIT /* it is an integer that is too large; no exception is set */
} ValueStatus;

/* Converts an object to a value of the element's kind. Whether it is in the
 * range of the element is checked by the code that stores it. `native` is the
 * letter of a code whose limits are the C compiler's, else 0: there an address
 * ('P') may be negative, and an 'f' out of range is an infinity. */
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

/* Converts an object and stores it at `to`, plain memory. Returns 0, or -1 with
 * the exception that set() raises. */
int element_store(const mapped_element *element, char native, PyObject *object,
                  unsigned char *to);

/* Raises the exception of set(), and returns -1: for VALUE_RAISED it is the one
 * that is set, unless that is an OverflowError; else it says that the object
 * doesn't fit the element. */
COLD int value_refuse(const mapped_element *element, PyObject *object,
                      ValueStatus status);

/* Makes an object of an item in plain memory: bytes of a text, tuples of what
 * repeats and of records. */
PyObject *item_make(const mapped_item *item, const unsigned char *p);

/* Converts an object to the item of a field, at `to`, plain memory that is all
 * zero. Returns 0, or -1 with an exception. */
int field_store(const State *state, const mapped_field *field, PyObject *object,
                unsigned char *to);

/* Returns a tuple of a sequence's values; or raises what PySequence_Tuple does,
 * but "`what`, not 'int'" for an object that isn't iterable. */
PyObject *values_tuple(const char *what, PyObject *object);

/* Converts an object to a record at `to`: a dict or a Record by the names of
 * the fields, or a sequence in their order. Returns 0, or -1 with an exception.
 */
int record_store(const State *state, const mapped_fields *fields,
                 PyObject *object, unsigned char *to);

#endif
