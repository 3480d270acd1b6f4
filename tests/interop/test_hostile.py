"""Guards against a function of an interpreter that a hostile build
(hostile=yes) doesn't wrap. Each function that the modules import must be on the
list of those that collect garbage, or among the harmless ones."""
import os
import pathlib
import re
import subprocess

import pytest

from support import names_in

TESTS = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("MAPPED_BUILD", ""))
FILES = {"lua": BUILD / "lua/mapped.so",
         "python": BUILD / "python/mapped/_mapped.abi3.so"}
OF_INTERPRETER = re.compile(r"^(?:lua|_?Py)\w+", re.M)

# These functions run no code and allocate nothing that is collected.
HARMLESS = {"lua": set("""
    luaL_buffinit luaL_checkany luaL_checkinteger luaL_checknumber
    luaL_checkstack luaL_checktype luaL_checkversion_ luaL_optinteger lua_copy
    lua_checkstack lua_error lua_getinfo lua_getiuservalue lua_getmetatable
    lua_getstack lua_gettop lua_gc lua_iscfunction lua_isinteger lua_isnumber lua_isstring
    lua_isuserdata lua_next lua_pushboolean lua_pushinteger lua_pushlightuserdata lua_pushnil
    lua_pushnumber lua_pushthread lua_pushvalue lua_rawequal lua_rawget
    lua_rawgeti lua_rawgetp lua_rawlen lua_rawset lua_rawseti lua_rawsetp
    lua_rotate lua_setiuservalue lua_setmetatable lua_settop lua_toboolean
    lua_gethook lua_tointegerx lua_tonumberx lua_topointer lua_tothread
    lua_touserdata lua_type lua_typename lua_upvalueindex lua_warning
    """.split()), "python": set("""
    PyArg_UnpackTuple PyBool_FromLong PyBool_Type PyBuffer_FillInfo PyBuffer_IsContiguous
    PyByteArray_AsString PyByteArray_Size PyByteArray_Type PyBytes_AsString
    PyBytes_Size PyBytes_Type PyCallable_Check PyCapsule_GetPointer PyDict_Size PyErr_ExceptionMatches
    PyErr_Fetch PyErr_Occurred PyEval_AcquireThread PyEval_SaveThread
    PyFloat_Type PyGC_Collect PyIndex_Check PyList_SetItem PyList_SetSlice
    PyLong_Type PyMemoryView_Type PyMem_Free PyModuleDef_Init PyNumber_Check PySequence_Check PyModule_GetState
    PyObject_CheckBuffer PyObject_Free PyObject_GC_Del PyObject_GC_Track
    PyObject_GC_UnTrack PyObject_HashNotImplemented PyObject_Init
    PyObject_SelfIter PySlice_AdjustIndices PySlice_Type PyTuple_GetItem
    PyTuple_SetItem PyTuple_Size PyTuple_Type PyType_GetFlags
    PyType_GetModuleState PyType_GetSlot PyType_IsSubtype PyUnicode_CompareWithASCIIString
    PyUnicode_Type PyUnicode_GetLength Py_Version
    _Py_EllipsisObject _Py_FalseStruct _Py_NoneStruct _Py_NotImplementedStruct _Py_TrueStruct
    """.split())}


def imported(language):
    listing = subprocess.run(
        ["nm", "-D", "--undefined-only", "--format=just-symbols",
         FILES[language]], capture_output=True, text=True, check=True).stdout
    return {name for name in OF_INTERPRETER.findall(listing)
            if not name.startswith("PyExc_")}


@pytest.mark.skipif(bool(os.environ.get("MAPPED_HOSTILE")),
                    reason="hostile.c imports what it likes")
@pytest.mark.parametrize("language", FILES)
def test_hostile_every_call_collects_or_is_harmless(language):
    found = imported(language)
    assert len(found) > 30
    assert found - names_in(TESTS / language / "wrapped.txt") - HARMLESS[language] == set()


@pytest.mark.parametrize("language", FILES)
def test_hostile_nothing_is_both(language):
    assert names_in(TESTS / language / "wrapped.txt") & HARMLESS[language] == set()


@pytest.mark.parametrize("language", FILES)
def test_hostile_every_name_has_its_function(language):
    """A name on the list without a function would only be noticed when it is
    called."""
    text = (TESTS / language / "hostile.c").read_text()
    made = set(re.findall(r"\b__wrap_(\w+)", text))
    made |= set(re.findall(r"^WRAP\w*\([^;{}()]*?\b((?:lua|_?Py)\w*_\w+)",
                           text, re.M))
    made |= set(re.findall(r"^WRAP\w*\((?:[^,()]*, )?((?:lua|_?Py)\w+)\b",
                           text, re.M))
    assert names_in(TESTS / language / "wrapped.txt") - made == set()
