-- Guards against messages that leave a user alone with a natural mistake. Each
-- names what was wrong, the numbers and, where there is one, the way out. PATH
-- and CUT stand for the paths of files that the mistakes are made with.
local mapped = require "mapped"
local support = require "tests.lua.support"
local failure, region_of = support.failure, support.region_of

local path, closed_file, region, slice, array, records, column, file, copy, closed,
  closed_slice, protected, reserved, pointed, target, filled, cut_path, cut

local function set_up()
  path = support.file("0123456789abcdef")
  closed_file = assert(io.tmpfile())
  closed_file:close()
  region = region_of("bananabananabana")
  slice, array = region:sub(1, 8), region:cast("I2")
  records = region:records("id:u32 name:char[4]")
  column = records:column("id")
  file, copy = assert(mapped.open(path)), assert(mapped.open(path, "c"))
  closed = mapped.anonymous(8)
  closed_slice = closed:sub(2)
  closed:close()
  protected = mapped.anonymous(8)
  assert(protected:protect("r"))
  reserved = mapped.anonymous(8, { reserve = 16 })
  pointed = mapped.anonymous(10)
  pointed:topointer()
  target = mapped.anonymous(16)
  filled = mapped.anonymous(320)
  filled:fill(1)
  cut_path = support.file(("x"):rep(9000))
  cut = assert(mapped.open(cut_path))
  support.write(cut_path, "")
end

-- What is done, how, and the message.
local mistakes = {
  -- Opening
  { "a missing file",
    function() return assert(mapped.open("/nonexistent/file")) end,
    "/nonexistent/file: open: No such file or directory" },
  { "a mode of another function",
    function() return mapped.open(path, "rw") end,
    "bad argument #2 to 'open' (unknown mode 'rw', there are: r, r+, "
      .. "c, w+, x+, a+)" },
  { "io.open's mode for writing", function() return mapped.open(path, "w") end,
    "bad argument #2 to 'open' (unknown mode 'w', there are: r, r+, "
      .. "c, w+, x+, a+)" },
  { "io.open's mode for appending",
    function() return mapped.open(path, "a") end,
    "bad argument #2 to 'open' (unknown mode 'a', there are: r, r+, "
      .. "c, w+, x+, a+)" },
  { "options in the place of the mode",
    function() return mapped.open(path, { length = 4 }) end,
    "bad argument #2 to 'open' (string expected, got table)" },
  { "a mode in capitals", function() return mapped.open(path, "R") end,
    "bad argument #2 to 'open' (unknown mode 'R', there are: r, r+, "
      .. "c, w+, x+, a+)" },
  { "an option that is misspelt",
    function() return mapped.open(path, "r", { lenght = 1 }) end,
    "bad argument #3 to 'open' (unknown option 'lenght', there are: "
      .. "offset, length, reserve, sparse, populate, device, huge, fd, "
      .. "permissions)" },
  { "an option of open for anonymous",
    function() return mapped.anonymous(1, { sparse = true }) end,
    "bad argument #2 to 'anonymous' (unknown option 'sparse', there "
      .. "are: shared, reserve, huge)" },
  { "an option without a name",
    function() return mapped.open(path, "r", { "sparse" }) end,
    "bad argument #3 to 'open' (unknown option '1', there are: "
      .. "offset, length, reserve, sparse, populate, device, huge, fd, "
      .. "permissions)" },
  { "a text for a length",
    function() return mapped.open(path, "r", { length = "all" }) end,
    "bad argument #3 to 'open' (option 'length': non-negative "
      .. "integer expected, got all)" },
  { "a negative offset",
    function() return mapped.open(path, "r", { offset = -1 }) end,
    "bad argument #3 to 'open' (option 'offset': non-negative "
      .. "integer expected, got -1)" },
  { "a number for a switch",
    function() return mapped.open(path, "r", { sparse = 1 }) end,
    "bad argument #3 to 'open' (option 'sparse': boolean expected, "
      .. "got 1)" },
  { "a longer length for reading",
    function() return assert(mapped.open(path, "r", { length = 100 })) end,
    "PATH: open: past the end of the file: offset 0, length 100, "
      .. 'limit 16 (modes "r+" and "a+" make the file longer)' },
  { "an offset behind the end",
    function() return assert(mapped.open(path, "r", { offset = 100 })) end,
    "PATH: open: past the end of the file: offset 100, length 0, "
      .. 'limit 16 (modes "r+" and "a+" make the file longer)' },
  { "a folder", function() return assert(mapped.open("/tmp")) end,
    "/tmp: open: not a file that can be mapped: Is a directory" },
  { "a file without a size",
    function() return assert(mapped.open("/proc/self/status")) end,
    "/proc/self/status: open: not a file that can be mapped: No such "
      .. "device" },
  { "an existing file that is to be new",
    function() return assert(mapped.open(path, "x+", { length = 1 })) end,
    "PATH: open: File exists" },
  { "nothing to open", function() return mapped.open() end,
    "bad argument #1 to 'open' (path or file handle expected, got no "
      .. "value)" },
  { "a descriptor as the file", function() return mapped.open(5) end,
    "bad argument #1 to 'open' (path or file handle expected, got "
      .. "number)" },
  { "a table as the file", function() return mapped.open({ path }) end,
    "bad argument #1 to 'open' (path or file handle expected, got "
      .. "table)" },
  { "a handle that is closed", function() return mapped.open(closed_file) end,
    "bad argument #1 to 'open' (attempt to use a closed file)" },
  { "a path with a zero byte", function() return mapped.open("a\0b") end,
    "bad argument #1 to 'open' (path contains a zero byte)" },
  { "permissions that don't exist",
    function() return mapped.open(path, "w+", { permissions = 99999 }) end,
    "bad argument #3 to 'open' (permissions are at most 4095, octal "
      .. "7777)" },
  { "a descriptor and a path",
    function() return mapped.open(path, "r", { fd = 0 }) end,
    "bad argument #1 to 'open' (nil expected, because option 'fd' is "
      .. "given)" },
  { "a descriptor that isn't open",
    function() return assert(mapped.open(nil, "r", { fd = 8999 })) end,
    "open: fcntl: Bad file descriptor" },
  { "a negative length", function() return mapped.anonymous(-1) end,
    "bad argument #1 to 'anonymous' (length -1 is out of range)" },
  { "a text as the length", function() return mapped.anonymous("big") end,
    "bad argument #1 to 'anonymous' (number expected, got string)" },
  { "no length", function() return mapped.anonymous() end,
    "bad argument #1 to 'anonymous' (number expected, got no value)" },
  { "a fraction as the length", function() return mapped.anonymous(1.5) end,
    "bad argument #1 to 'anonymous' (number has no integer "
      .. "representation)" },
  { "a length that no machine has",
    function() return assert(mapped.anonymous(1 << 60)) end,
    "anonymous: mmap: Cannot allocate memory" },
  { "a reserve below the length",
    function() return mapped.anonymous(10, { reserve = 5 }) end,
    "anonymous: longer than the reserve: invalid argument: offset 0, "
      .. "length 10, limit 5" },
  { "options that are no table",
    function() return mapped.anonymous(10, true) end,
    "bad argument #2 to 'anonymous' (table expected, got boolean)" },
  { "a name of shared memory with a slash in it",
    function() return mapped.shared("a/b", 10) end,
    "a/b: a name of shared memory that is empty or has a '/': invalid "
      .. "argument" },
  { "shared memory that isn't there",
    function() return assert(mapped.shared("mapped-mistakes-none")) end,
    "mapped-mistakes-none: open: No such file or directory" },
  { "unlinking what isn't there",
    function() return assert(mapped.unlink("mapped-mistakes-none")) end,
    "mapped-mistakes-none: unlink: No such file or directory" },
  { "windows of no bytes", function() return mapped.windows(path, 0) end,
    "PATH: windows: the size is 0: invalid argument" },
  { "an overlap as large as the window",
    function() return mapped.windows(path, 10, 10) end,
    "PATH: windows: the overlap is not less than the size: invalid "
      .. "argument" },
  { "windows of a missing file",
    function() return mapped.windows("/nonexistent/file", 10) end,
    "/nonexistent/file: windows: open: No such file or directory" },
  { "a window size that is missing",
    function() return mapped.windows(path) end,
    "bad argument #2 to 'windows' (number expected, got no value)" },
  -- Layouts
  { "a type that doesn't exist", function() return mapped.layout("a:u99") end,
    "bad argument #1 to 'layout' (unknown field type (some are u8, "
      .. "i32be, f64, char[8]) at position 3 of the layout)" },
  { "a field twice", function() return mapped.layout("a:u8 a:u8") end,
    "bad argument #1 to 'layout' (duplicate field name at position 6 "
      .. "of the layout)" },
  { "a field without a type", function() return mapped.layout("a b:u8") end,
    "bad argument #1 to 'layout' (a ':' and a type are missing at "
      .. "position 2 of the layout)" },
  { "a layout of nothing", function() return mapped.layout() end,
    "bad argument #1 to 'layout' (string expected, got no value)" },
  { "a layout as a table", function() return mapped.layout({ a = "u8" }) end,
    "bad argument #1 to 'layout' (string expected, got table)" },
  -- One value
  { "a code of another language",
    function() return region:get("uint32", 1) end,
    "bad argument #1 to 'get' (unknown element code 'uint32': codes "
      .. "are those of string.pack for one value, as '<I4' and 'd', or "
      .. "names as 'u32' and 'f16')" },
  { "a code of several values", function() return region:get("I4I4", 1) end,
    "bad argument #1 to 'get' (unknown element code 'I4I4': codes "
      .. "are those of string.pack for one value, as '<I4' and 'd', or "
      .. "names as 'u32' and 'f16')" },
  { "code and position the wrong way round",
    function() return region:get(1, "I4") end,
    "bad argument #1 to 'get' (unknown element code '1': codes are "
      .. "those of string.pack for one value, as '<I4' and 'd', or names "
      .. "as 'u32' and 'f16')" },
  { "position 0", function() return region:get("I4", 0) end,
    "bad argument #2 to 'get' (position 0, length 4 is outside of "
      .. "1..16: positions count from 1)" },
  { "a position too near the end", function() return region:get("I4", 14) end,
    "bad argument #2 to 'get' (position 14, length 4 is outside of "
      .. "1..16)" },
  { "a position behind the end", function() return region:get("B", 17) end,
    "bad argument #2 to 'get' (position 17, length 1 is outside of "
      .. "1..16)" },
  { "a position as a text", function() return region:get("B", "first") end,
    "bad argument #2 to 'get' (number expected, got string)" },
  { "a position that is no integer",
    function() return region:get("B", 1.5) end,
    "bad argument #2 to 'get' (number has no integer representation)" },
  { "a method with a dot", function() return region.get("B", 1) end,
    "bad argument #1 to 'get' (mapped.Region or mapped.Slice "
      .. "expected, got string: methods are called with ':')" },
  { "a method that doesn't exist", function() return region:lenght() end,
    "attempt to call a nil value (method 'lenght')" },
  { "a method of regions on a slice", function() return slice:resize(1) end,
    "attempt to call a nil value (method 'resize')" },
  { "a closed region", function() return closed:get("B", 1) end,
    "attempt to use a closed region" },
  { "a slice of a closed region",
    function() return closed_slice:tostring() end,
    "attempt to use a closed region" },
  { "a value too large for the code",
    function() return region:set("B", 1, 256) end,
    "bad argument #3 to 'set' (256 does not fit u8, 0 to 255)" },
  { "a value too small for the code",
    function() return region:set("i2", 1, -40000) end,
    "bad argument #3 to 'set' (-40000 does not fit i16, -32768 to "
      .. "32767)" },
  { "a negative value for a code without a sign",
    function() return region:set("I4", 1, -1) end,
    "bad argument #3 to 'set' (-1 does not fit u32, 0 to 4294967295)" },
  { "a text for a number", function() return region:set("B", 1, "x") end,
    "bad argument #3 to 'set' (number expected, got string)" },
  { "a fraction for an integer", function() return region:set("B", 1, 1.5) end,
    "bad argument #3 to 'set' (number has no integer representation)" },
  { "no value", function() return region:set("B", 1) end,
    "bad argument #3 to 'set' (number expected, got no value)" },
  { "no position", function() return region:set("B") end,
    "bad argument #2 to 'set' (number expected, got no value)" },
  { "setting in a file opened for reading",
    function() return file:set("B", 1, 1) end,
    'PATH: set: attempt to write to read-only memory (open with "r+" '
      .. 'to change the file, or with "c" to change a private copy)' },
  { "setting in a view that is read-only",
    function() return region:readonly(true):set("B", 1, 1) end,
    "set: attempt to write to read-only memory (the view is one of "
      .. "readonly(true))" },
  { "setting in memory that is protected",
    function() return protected:set("B", 1, 1) end,
    "set: attempt to write to read-only memory (it is protected: "
      .. 'protect("r+") ends that)' },
  { "byte 0", function() region[0] = 1 end,
    "bad argument #2 to 'newindex' (position 0, length 1 is outside "
      .. "of 1..16: positions count from 1)" },
  { "a byte behind the end", function() region[17] = 1 end,
    "bad argument #2 to 'newindex' (position 17, length 1 is outside "
      .. "of 1..16)" },
  { "a byte of 256", function() region[1] = 256 end,
    "bad argument #3 to 'newindex' (byte 256 is not in 0..255)" },
  { "a byte as a text", function() region[1] = "x" end,
    "bad argument #3 to 'newindex' (number expected, got string)" },
  { "a name as the key of a byte", function() region.size = 1 end,
    "bad argument #2 to 'newindex' (number expected, got string)" },
  { "a byte of a file opened for reading", function() file[1] = 1 end,
    'PATH: set: attempt to write to read-only memory (open with "r+" '
      .. 'to change the file, or with "c" to change a private copy)' },
  { "a byte of a closed region", function() return closed[1] end,
    "attempt to use a closed region" },
  { "the length of a closed region", function() return #closed end,
    "attempt to use a closed region" },
  -- Many bytes
  { "more bytes than there is room for",
    function() return region:write(15, "xyz") end,
    "bad argument #1 to 'write' (position 15, length 3 is outside of "
      .. "1..16)" },
  { "no data", function() return region:write(1) end,
    "bad argument #2 to 'write' (string, mapped.Region, Slice or "
      .. "Array expected, got no value)" },
  { "a number as data", function() return region:write(1, 5) end,
    "bad argument #2 to 'write' (string, mapped.Region, Slice or "
      .. "Array expected, got number)" },
  { "data and position the wrong way round",
    function() return region:write("x", 1) end,
    "bad argument #1 to 'write' (number expected, got string)" },
  { "a table as data", function() return region:write(1, { 1, 2 }) end,
    "bad argument #2 to 'write' (string, mapped.Region, Slice or "
      .. "Array expected, got table)" },
  { "writing to a file opened for reading",
    function() return file:write(1, "x") end,
    "PATH: write: attempt to write to read-only memory (open with "
      .. '"r+" to change the file, or with "c" to change a private copy)' },
  { "copying more than fits",
    function() return slice:copy_from(("x"):rep(9)) end,
    "bad argument #2 to 'copy_from' (position 1, length 9 is outside "
      .. "of 1..8)" },
  { "copying into a string", function() return region:copy_to("x") end,
    "bad argument #1 to 'copy_to' (mapped.Region or mapped.Slice "
      .. "expected, got string)" },
  { "copying into a file opened for reading",
    function() return region:copy_to(file) end,
    "PATH: copy_to: attempt to write to read-only memory (open with "
      .. '"r+" to change the file, or with "c" to change a private copy)' },
  { "filling with 256", function() return region:fill(256) end,
    "bad argument #1 to 'fill' (byte 256 is not in 0..255)" },
  { "filling with a text", function() return region:fill("\0") end,
    "bad argument #1 to 'fill' (number expected, got string)" },
  { "moving past the end", function() return region:move(10, 1, 8) end,
    "bad argument #1 to 'move' (position 10, length 8 is outside of "
      .. "1..16)" },
  { "a slice past the end", function() return region:slice(10, 8) end,
    "bad argument #1 to 'slice' (position 10, length 8 is outside of "
      .. "1..16)" },
  { "a slice of a negative length", function() return region:slice(1, -1) end,
    "bad argument #2 to 'slice' (length -1 is out of range)" },
  { "a slice from position 0", function() return region:slice(0, 1) end,
    "bad argument #1 to 'slice' (position 0, length 1 is outside of "
      .. "1..16: positions count from 1)" },
  { "sub without a position", function() return region:sub() end,
    "bad argument #1 to 'sub' (number expected, got no value)" },
  { "a surplus argument", function() return region:tostring(1, 2, 3) end,
    "2 arguments expected at most, got 3" },
  { "making a read-only view writable",
    function() return region:readonly(false) end,
    "bad argument #1 to 'readonly' (true or nil expected: "
      .. "readonly(true) makes a read-only view, and no view can be made "
      .. "writable again)" },
  { "joining with a table", function() return region .. {} end,
    "bad argument #2 to 'concat' (string, mapped.Region, Slice or "
      .. "Array expected, got table)" },
  { "comparing with a number", function() return region < 5 end,
    "bad argument #2 to 'lt' (string, mapped.Region, Slice or Array "
      .. "expected, got number)" },
  { "what a descriptor is taken for",
    function() return region:write_to("file") end,
    "bad argument #1 to 'write_to' (file handle or descriptor "
      .. "expected, got string)" },
  { "a handle over a closed region", function() return closed:file() end,
    "attempt to use a closed region" },
  { "the view of LuaJIT, in another Lua", function() return region:ffi("int") end,
    "ffi is for LuaJIT alone; cast and records are for every Lua" },
  -- Arrays and records
  { "an array of a length that doesn't fit",
    function() return region:sub(1, 5):cast("I4") end,
    "bad argument #1 to 'cast' (length 5 is not a multiple of 4)" },
  { "an array of a type of C", function() return region:cast("int") end,
    "bad argument #1 to 'cast' (unknown element code 'int': codes "
      .. "are those of string.pack for one value, as '<I4' and 'd', or "
      .. "names as 'u32' and 'f16')" },
  { "an element behind the end", function() array[9] = 1 end,
    "bad argument #2 to 'newindex' (position 9, length 1 is outside "
      .. "of 1..8)" },
  { "an element too large", function() array[1] = 70000 end,
    "bad argument #3 to 'newindex' (70000 does not fit u16, 0 to "
      .. "65535)" },
  { "an array from a string", function() return array:copy_from("abc") end,
    "bad argument #1 to 'copy_from' (table or mapped.Array expected, "
      .. "got string)" },
  { "an array from a wrong element",
    function() return array:copy_from({ 1, 2, "x" }) end,
    "bad argument #1 to 'copy_from' (element 3: integer expected, "
      .. "got string)" },
  { "an array from too many elements",
    function() return array:copy_from({ 1, 2, 3, 4, 5, 6, 7, 8, 9 }) end,
    "bad argument #2 to 'copy_from' (position 1, length 9 is outside "
      .. "of 1..8)" },
  { "copying bytes into a column",
    function() return region:sub(1, 2):copy_to(column) end,
    "bad argument #1 to 'copy_to' (its elements lie apart: use its "
      .. "copy_from)" },
  { "a field that doesn't exist", function() return records[1].nmae end,
    "no field 'nmae', there are: id, name" },
  { "setting a field that doesn't exist", function() records[1].nmae = 1 end,
    "no field 'nmae', there are: id, name" },
  { "a value too small for a field", function() records[1].id = -1 end,
    "field 'id': -1 does not fit u32, 0 to 4294967295" },
  { "a text too long for a field", function() records[1].name = "abcde" end,
    "field 'name': 5 bytes do not fit char[4]" },
  { "a record without one of its fields",
    function() records[1] = { id = 1 } end,
    "bad argument #3 to 'newindex' (field 'name': string expected, "
      .. "got nil)" },
  { "a record with one field more",
    function() records[1] = { id = 1, name = "", size = 2 } end,
    "no field 'size', there are: id, name" },
  { "a record as a text", function() records[1] = "1 a" end,
    "bad argument #3 to 'newindex' (table or mapped.Record expected, "
      .. "got string)" },
  { "records of a length that doesn't fit",
    function() return region:sub(1, 5):records("a:u32") end,
    "bad argument #1 to 'records' (length 5 is not a multiple of the "
      .. "record's 4)" },
  { "a number as a layout", function() return region:records(5) end,
    "bad argument #1 to 'records' (mapped.Layout or the text of one "
      .. "expected, got number)" },
  { "a column that doesn't exist",
    function() return records:column("nmae") end,
    "no field 'nmae', there are: id, name" },
  -- Formats and patterns
  { "an option that string.unpack hasn't",
    function() return region:unpack("I4q") end,
    "invalid format option 'q' at position 3 of the format" },
  { "a format longer than the bytes",
    function() return region:unpack("I8I8I8") end,
    "bad argument #1 to 'unpack' (data string too short at position "
      .. "5 of the format)" },
  { "fewer values than the format has",
    function() return region:pack("I8I8", 1, 1) end,
    "bad argument #4 to 'pack' (number expected, got nil)" },
  { "more values than the format has",
    function() return region:pack("B", 1, 1, 2) end,
    "3 arguments expected at most, got 4" },
  { "packing past the end", function() return region:pack("I8", 12, 1) end,
    "pack: out of range: position 12, length 8, limit 16" },
  { "a packed value too large", function() return region:pack("B", 1, 256) end,
    "bad argument #3 to 'pack' (unsigned overflow at position 1 of "
      .. "the format)" },
  { "packing into a file opened for reading",
    function() return file:pack("B", 1, 1) end,
    "PATH: pack: attempt to write to read-only memory (open with "
      .. '"r+" to change the file, or with "c" to change a private copy)' },
  { "a pattern without its end", function() return region:find("[a") end,
    "malformed pattern (missing ']') at position 1 of the pattern" },
  { "a search for nothing", function() return region:find() end,
    "bad argument #1 to 'find' (string expected, got no value)" },
  { "an empty separator", function() return region:split("") end,
    "bad argument #1 to 'split' (empty separator)" },
  { "a replacement of a wrong type",
    function() return region:gsub("a", true) end,
    "bad argument #2 to 'gsub' (string/function/table expected, got "
      .. "boolean)" },
  { "a capture that the pattern hasn't",
    function() return region:gsub("b", "%2") end,
    "invalid capture index %2 at position 1 of the replacement" },
  { "a target that is too short",
    function() return region:gsub("b", "bbb", nil, target) end,
    "gsub: out of range: position 17, length 3, limit 16" },
  { "a target that overlaps",
    function() return slice:gsub("b", "c", nil, region) end,
    "bad argument #4 to 'gsub' (the target overlaps the bytes that "
      .. "are searched)" },
  -- Growing, flushing and sharing
  { "growing a file opened for reading",
    function() return file:resize(100) end,
    "PATH: resize: attempt to write to read-only memory (open with "
      .. '"r+")' },
  { "a negative new length", function() return region:resize(-1) end,
    "bad argument #1 to 'resize' (length -1 is out of range)" },
  { "appending to a file opened for reading",
    function() return file:append("x") end,
    "PATH: append: attempt to write to read-only memory (open with "
      .. '"r+")' },
  { "appending to a private copy",
    function() return assert(copy:append("x")) end,
    'PATH: append: not supported here (what is opened with "c" keeps '
      .. 'its length: open with "r+")' },
  { "growing past the reserve", function() return reserved:resize(100) end,
    "resize: longer than the reserve: invalid argument: offset 0, "
      .. "length 100, limit 16" },
  { "shrinking under a pointer",
    function() return assert(pointed:resize(1)) end,
    "resize: memory is exported or in use elsewhere: 1 export (an "
      .. "address of topointer is given back by close, a lease of another "
      .. "library by its end)" },
  { "flushing a file opened for reading", function() return file:flush() end,
    "PATH: flush: attempt to write to read-only memory (open with "
      .. '"r+")' },
  { "flushing what is no file", function() return assert(region:flush()) end,
    "flush: not supported here (the memory is no file)" },
  { "a switch in the place of options",
    function() return region:flush(true) end,
    "bad argument #1 to 'flush' (table expected, got boolean)" },
  { "advice that doesn't exist", function() return region:advise("fast") end,
    "bad argument #1 to 'advise' (unknown advice 'fast', there are: "
      .. "normal, sequential, random, willneed, cold, pageout, hugepage, "
      .. "nohugepage)" },
  { "a protection that doesn't exist",
    function() return region:protect("w") end,
    "bad argument #1 to 'protect' (mode must be 'r' or 'r+', not 'w')" },
  { "ending the protection of a file opened for reading",
    function() return file:protect("r+") end,
    "PATH: protect: attempt to write to read-only memory (open with "
      .. '"r+")' },
  { "sealing what is not shared", function() return assert(region:seal()) end,
    "seal: not supported here (make memory by anonymous(length, "
      .. "{shared = true}))" },
  { "locking what is not shared", function() return assert(region:lock()) end,
    "lock: not supported here (needs a file, or anonymous(length, "
      .. "{shared = true}))" },
  { "locking a file opened for reading", function() return file:lock() end,
    "PATH: lock: attempt to write to read-only memory (open with "
      .. '"r+", or give {shared = true})' },
  { "a negative timeout", function() return region:lock({ timeout = -1 }) end,
    "bad argument #1 to 'lock' (option 'timeout': 0 or more seconds "
      .. "expected, got -1)" },
  { "the descriptor of memory", function() return assert(region:fileno()) end,
    'fileno: not supported here (mode "r+" holds a descriptor, and '
      .. "so does shared memory)" },
  { "an atomic word of one byte", function() return region:atomic("B") end,
    "atomic: no integer of 32 or 64 bits: invalid argument" },
  { "an atomic word at an odd place",
    function() return region:atomic("I4", 2) end,
    "atomic: misaligned: position 2, length 4, limit 4 (it must "
      .. "begin at a multiple of the limit in memory)" },
  { "a memory order that doesn't exist",
    function() return region:atomic("I4"):load("fast") end,
    "bad argument #1 to 'load' (unknown memory order 'fast', there "
      .. "are: seq_cst, relaxed, acquire, release, acq_rel)" },
  { "an atomic value too large",
    function() return region:atomic("I4"):store(1 << 32) end,
    "bad argument #1 to 'store' (4294967296 does not fit u32, 0 to "
      .. "4294967295)" },
  { "a mutex in too few bytes",
    function() return mapped.Mutex(region:sub(1, 4)) end,
    "Mutex: out of range: position 1, length 8, limit 4 (it needs that "
      .. "length, and the limit is there)" },
  { "a mutex of a name", function() return mapped.Mutex("lock") end,
    "bad argument #1 to 'Mutex' (a mapped.Region or mapped.Slice "
      .. "expected, got string)" },
  { "unlocking what is not locked",
    function() return mapped.Mutex(mapped.anonymous(8)):unlock() end,
    "unlock: not held by this process: invalid argument" },
  { "a ring in too few bytes", function() return mapped.Ring(region) end,
    "Ring: out of range: position 1, length 320, limit 16 (it needs "
      .. "that length at least, and the limit is there)" },
  { "a record too long for the ring",
    function() return mapped.Ring(mapped.anonymous(320)):send(("x"):rep(99)) end,
    "bad argument #1 to 'send' (99 bytes are more than the longest "
      .. "record's 24)" },
  { "a ring over other data", function() return mapped.Ring(filled) end,
    "Ring: neither zero nor a ring: invalid argument (fill(0) makes "
      .. "room for a new one)" },
  { "committing what isn't reserved",
    function() return mapped.Ring(mapped.anonymous(320)):commit() end,
    "commit: no record is reserved" },
  { "releasing what isn't peeked at",
    function() return mapped.Ring(mapped.anonymous(320)):release() end,
    "release: no record is peeked at" },
  { "receiving no records",
    function() return mapped.Ring(mapped.anonymous(320)):recv_many(0) end,
    "bad argument #1 to 'recv_many' (1 or more records expected, got 0)" },
  { "waiting for less than no time",
    function() return mapped.Mutex(mapped.anonymous(8)):lock(-1) end,
    "bad argument #1 to 'lock' (a timeout must be 0 or more seconds, "
      .. "got -1)" },
  { "a negative overlap", function() return mapped.windows(path, 10, -1) end,
    "bad argument #3 to 'windows' (must not be negative, got -1)" },
  { "a new length for what is sealed",
    function()
      local sealed <close> = mapped.anonymous(8, { shared = true })
      assert(sealed:seal())
      return assert(sealed:resize(5))
    end,
    "resize: ftruncate: Operation not permitted (it is sealed against "
      .. "that)" },
  { "opening with a colon", function() return mapped:open(path) end,
    "calling 'open' on bad self (path or file handle expected, got table)" },
  { "permissions as a text",
    function() return mapped.open(path, "r", { permissions = "600" }) end,
    "bad argument #3 to 'open' (option 'permissions': a number, as "
      .. 'tonumber("600", 8), expected, got 600)' },
  { "the formats of io.lines", function() return region:lines("l") end,
    "bad argument #1 to 'lines' (boolean expected, got string)" },
  { "a surplus argument of a method that takes none",
    function() return region:mlock(1) end,
    "0 arguments expected at most, got 1" },
  { "the guard switched by a word", function() return mapped.guard("off") end,
    "bad argument #1 to 'guard' (boolean expected, got string)" },
  { "a page of a file that was cut", function() return cut[5000] end,
    "CUT: get: page lost: position 4097, length 4096, limit 9000: No "
      .. "data available (refresh() follows a file that was cut, "
      .. "recover() tries again)" },
}

describe("a natural mistake", function()
  setup(set_up)
  teardown(support.clean)

  local function named(message)
    for name, of in pairs { PATH = path, CUT = cut_path } do
      local first, last = message:find(of, 1, true)
      if first then
        message = message:sub(1, first - 1) .. name .. message:sub(last + 1)
      end
    end
    return message
  end

  -- Older Luas know fewer names of functions, and put methods in other words.
  local function common(message)
    if _VERSION >= "Lua 5.4" then
      return message
    end
    if _G.jit then -- which knows no method in a tail call
      message = message:gsub("bad argument #%d", "bad argument #?")
        :gsub("calling '%w+' on bad self", "bad argument #? to '?'")
        :gsub("%d arguments? expected at most, got %d", "at most")
    end
    return (message:gsub("to '[%w_?]+' %(", "to '?' (")
      :gsub("call method ('.-') %(a nil value%)", "call a nil value (method %1)"))
  end

  for _, mistake in ipairs(mistakes) do
    it("is explained: " .. mistake[1], function()
      if support.valgrind and mistake[1] == "a length that no machine has" then
        pending("valgrind answers another error than the system")
        return
      end
      assert.equal(common(mistake[3]), common(named(failure(mistake[2]))))
    end)
  end

  it("is one of many, each in the list once", function()
    local names = {}
    for _, mistake in ipairs(mistakes) do
      assert.is_nil(names[mistake[1]], mistake[1])
      names[mistake[1]] = true
    end
    assert.is_true(#mistakes >= 100)
  end)
end)
