/* The functions that the headers define inline, once more as symbols, for
 * callers that can't include a header: foreign function interfaces, debuggers.
 *
 * C and C++ callers never reach these: to them the functions are inline. The
 * Lua module and the Python extension are built without this file. */
#define MAPPED__INLINE

#include <mapped/mapped.h>
