rockspec_format = "3.0"
package = "mapped"
version = "0.1.0-1"
-- `luarocks make` builds from the checkout around this file, core included.
source = { url = "file://." }
description = {
  summary = "Memory-mapped files with checked, zero-copy slices",
  detailed = [[
Maps files and anonymous memory as regions and views them through slices and
typed arrays, checked on every access and never copied. A file that shrinks or
a region that is closed gives an error, never a crash.]],
  license = "MIT",
}
dependencies = { "lua >= 5.1, < 5.6" }
supported_platforms = { "unix" }
build = {
  -- One command, because the core's sources are found by name patterns, and
  -- because of the link flags. A signal handler lives in the module, so it is
  -- never unloaded; its copy of the core is its own. For -fno-tree-... see
  -- core/SConscript.
  type = "command",
  build_command = "mkdir -p ../build/rock && $(CC) $(CFLAGS) -std=c11 -fPIC "
    .. "-fno-tree-slp-vectorize "
    .. "-fvisibility=hidden -DNDEBUG -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 "
    .. "-I../core/include -I../core/src -Iinclude -I$(LUA_INCDIR) *.c ../core/src/*.c "
    .. "../core/src/posix/*.c ../core/src/linux/*.c $(LIBFLAG) -pthread "
    .. "-Wl,-z,nodelete,-Bsymbolic "
    .. "-o ../build/rock/mapped.so",
  install = {
    lib = { mapped = "../build/rock/mapped.so" },
    lua = {
      -- For s:ffi, in LuaJIT.
      ["mapped.ffi"] = "library/ffi.lua",
      -- Never loaded: for the language server, which finds it by the name in
      -- its first line where a workspace has the tree's share/lua, or a tree
      -- in it.
      ["mapped.meta"] = "library/mapped.lua",
    },
  },
  copy_directories = { "include", "examples" },
}
