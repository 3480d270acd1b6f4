-- Guards against crashes, leaks and wrong results because of what a script
-- passes. Every call here must end in an error that names the mistake.
local mapped = require "mapped"
local support = require "tests.lua.support"
local failure = support.failure

local HUGE, TINY = math.maxinteger, math.mininteger

describe("opening", function()
  after_each(support.clean)

  local function check(expected, ...)
    local result, message, code = mapped.open(...)
    assert.is_nil(result)
    assert.is_string(message)
    assert.equal(expected, code)
    return message
  end

  it("a missing file gives the error of io.open", function()
    local path = support.absent()
    local _, theirs, errno = io.open(path)
    local message = check(errno, path)
    assert.equal(theirs:match(": ([^:]*)$"), message:match(": ([^:]*)$"))
    assert.equal(1, (message:find(path, 1, true)))
  end)

  it("a missing file in a writable mode does not create it", function()
    local path = support.absent()
    check(2, path, "r+")
    assert.is_false(support.exists(path))
  end)

  it("a directory or a device without a size is refused", function()
    check(21, "/tmp") -- EISDIR
    check(19, io.popen("true")) -- ENODEV
  end)

  it("an existing file exclusively", function()
    local path = support.file("kept")
    check(17, path, "x+", { length = 10 })
    assert.equal("kept", support.content(path))
  end)

  it("past the end of a file that may not grow", function()
    local path = support.file(("x"):rep(100))
    for _, mode in ipairs { "r", "c" } do
      local past = mapped.status.PAST_END
      assert.matches("101", check(past, path, mode, { offset = 101 }))
      assert.matches("51", check(past, path, mode,
        { offset = 50, length = 51 }))
      check(past, path, mode, { length = 101 })
    end
    assert.equal(100, #support.content(path))
  end)

  it("a path with a zero byte", function()
    local path = support.file("x")
    assert.matches("bad argument #1.*zero byte",
      failure(mapped.open, path .. "\0.txt"))
  end)

  it("a path that is not UTF-8 works like any other", function()
    local path = support.absent() .. "\xff\xfe"
    local region = assert(mapped.open(path, "x+", { length = 3 }))
    assert.equal(path, region:name())
    region:close()
    assert(os.remove(path))
  end)

  it("something that is no path", function()
    for _, value in ipairs { 1, 1.5, true, {}, print, mapped.anonymous(1) } do
      assert.matches("bad argument #1.*path or file handle expected",
        failure(mapped.open, value))
    end
    assert.matches("bad argument #1", failure(mapped.open))
    assert.matches("bad argument #1", failure(mapped.open, nil))
  end)

  it("a closed file handle", function()
    local handle = assert(io.open(support.file("x")))
    handle:close()
    assert.matches("bad argument #1.*closed file",
      failure(mapped.open, handle))
  end)

  it("a number that is no descriptor", function()
    check(9, nil, "r", { fd = 1000000 })
    assert.matches("'fd'", failure(mapped.open, nil, "r", { fd = -1 }))
    assert.matches("'fd'", failure(mapped.open, nil, "r", { fd = HUGE }))
    assert.matches("'fd'", failure(mapped.open, nil, "r", { fd = "x" }))
    assert.matches("bad argument #1.*'fd'",
      failure(mapped.open, "x", "r", { fd = 0 }))
  end)

  it("an unknown mode is named", function()
    local path = support.file("kept")
    for _, mode in ipairs { "", "w", "rw", "r+bb", "R", "w+\0", "a", "b" } do
      assert.matches("bad argument #2.*unknown mode",
        failure(mapped.open, path, mode))
    end
    assert.matches("bad argument #2", failure(mapped.open, path, {}))
    assert.equal("kept", support.content(path))
  end)

  it("an unknown option is named", function()
    local path = support.file("kept")
    assert.matches("bad argument #3.*unknown option 'lenght'",
      failure(mapped.open, path, "r", { lenght = 1 }))
    assert.matches("unknown option 'length",
      failure(mapped.open, path, "r", { ["length\0"] = 1 }))
    assert.matches("unknown option '1'",
      failure(mapped.open, path, "r", { "length" }))
    assert.matches("bad argument #3.*table expected",
      failure(mapped.open, path, "r", 10))
  end)

  it("an option of the wrong kind is named, with its value", function()
    local path = support.file("kept")
    for _, name in ipairs { "offset", "length", "reserve" } do
      for _, value in ipairs { -1, TINY, 1.5, "x", {}, true, 0 / 0 } do
        local message = failure(mapped.open, path, "r", { [name] = value })
        assert.matches("bad argument #3.*'" .. name .. "'.*integer", message)
        assert.truthy(message:find(tostring(value), 1, true))
      end
    end
    for _, name in ipairs { "sparse", "populate", "device" } do
      assert.matches("'" .. name .. "'.*boolean",
        failure(mapped.open, path, "r", { [name] = 1 }))
    end
    assert.matches("'huge'", failure(mapped.open, path, "r", { huge = "2M" }))
  end)

  it("numbers that no file can have", function()
    local path = support.file("kept")
    for _, mode in ipairs { "r", "r+", "c" } do
      for _, options in ipairs {
        { offset = HUGE, length = HUGE }, { offset = HUGE, length = 1 },
      } do
        local ok, region = pcall(mapped.open, path, mode, options)
        assert.falsy(ok and region)
      end
    end
    assert.equal("kept", support.content(path))
  end)

  it("an extension that fails leaves the file as it was", function()
    local path = support.file("kept")
    local ok, region = pcall(mapped.open, path, "r+", { length = 1 << 60 })
    assert.falsy(ok and region)
    assert.equal("kept", support.content(path))
  end)

  it("leaks neither descriptors nor mappings", function()
    local path = support.file("kept")
    collectgarbage()
    local before = support.descriptors()
    for _ = 1, 50 do
      pcall(mapped.open, path, "r", { offset = 10 })
      pcall(mapped.open, path, "q")
      pcall(mapped.open, path, "x+", { length = 1 })
      pcall(mapped.open, path, "r+", { length = 1 << 60 })
    end
    collectgarbage()
    assert.equal(before, support.descriptors())
    assert.equal(0, support.mappings(path))
  end)
end)

describe("anonymous memory", function()
  it("of an impossible length", function()
    assert.matches("bad argument #1", failure(mapped.anonymous))
    assert.matches("bad argument #1.*%-1", failure(mapped.anonymous, -1))
    assert.matches("bad argument #1", failure(mapped.anonymous, 1.5))
    assert.matches("bad argument #1", failure(mapped.anonymous, "x"))
    local ok, result = pcall(mapped.anonymous, HUGE)
    assert.falsy(ok and result)
    local region, message, code = mapped.anonymous(1 << 47)
    assert.is_nil(region)
    assert.is_string(message)
    assert.is_true(code > 0)
  end)

  it("with options of open", function()
    assert.matches("unknown option 'sparse'",
      failure(mapped.anonymous, 1, { sparse = true }))
    assert.matches("'shared'", failure(mapped.anonymous, 1, { shared = 1 }))
  end)
end)

-- Lists every method, with arguments that it accepts on a writable region of 16
-- bytes.
local methods = {
  sub = { 1, 2 }, slice = { 1, 2 }, byte = { 1 }, write = { 1, "x" },
  tostring = {}, equals = { "x" }, get = { "B", 1 }, set = { "B", 1, 2 },
  cast = { "B" }, ffi = { "int" }, copy_from = { "x" }, copy_to = { mapped.anonymous(16) },
  fill = { 1 }, move = { 1, 2, 3 }, topointer = {}, readonly = {},
  offset = {},
}
local region_methods = {
  resize = { 16 }, append = { "x" }, size = {}, mode = {}, name = {},
  fileno = {},
}

describe("after close", function()
  local region, slice, array, empty
  before_each(function()
    region = mapped.anonymous(16)
    slice, array, empty = region:sub(1, -1), region:cast("I2"), region:sub(1, 0)
    region:close()
  end)

  local function check_closed(f, ...)
    assert.equal("attempt to use a closed region", failure(f, ...))
  end

  it("every method says so", function()
    for name, arguments in pairs(methods) do
      check_closed(region[name], region, table.unpack(arguments))
      check_closed(slice[name], slice, table.unpack(arguments))
      check_closed(empty[name], empty, table.unpack(arguments))
    end
    for name, arguments in pairs(region_methods) do
      check_closed(region[name], region, table.unpack(arguments))
    end
    for _, name in ipairs { "bytes", "readonly", "offset" } do
      check_closed(array[name], array)
    end
    check_closed(array.sub, array, 1)
  end)

  it("every operator says so", function()
    for _, object in ipairs { region, slice, array, empty } do
      check_closed(function() return #object end)
      check_closed(function() return object[1] end)
      check_closed(function() return object[100] end)
      check_closed(function() object[1] = 1 end)
    end
    check_closed(function() return region < slice end)
  end)

  it("a comparison with a string says so", function()
    check_closed(function() return "text" <= slice end)
  end)

  it("every iteration says so", function()
    check_closed(pairs, array)
    check_closed(ipairs(array), array, 0)
  end)

  it("data for another region say so", function()
    local other = mapped.anonymous(16)
    for _, data in ipairs { region, slice, array } do
      check_closed(other.write, other, 1, data)
      check_closed(other.copy_from, other, data)
      check_closed(other.copy_to, other, data)
      check_closed(other.equals, other, data)
      check_closed(other.append, other, data)
    end
    assert.equal(16, #other)
  end)

  it("some methods still answer", function()
    for _, object in ipairs { region, slice, array } do
      assert.is_true(object:closed())
      assert.is_true(rawequal(region, object:region()))
      assert.matches("^mapped%.%a+ %(closed%)$", tostring(object))
    end
  end)

  it("closing again is fine", function()
    assert.is_true(region:close())
    assert.is_true(region:close())
  end)
end)

describe("read-only memory", function()
  after_each(support.clean)

  it("refuses every way to write", function()
    local path = support.file("0123456789abcdef")
    local region <close> = assert(mapped.open(path))
    local array = region:cast("I2")
    local function check(f, ...)
      assert.matches("read%-only", failure(f, ...))
    end
    check(function() region[1] = 1 end)
    check(function() array[1] = 1 end)
    check(region.write, region, 1, "x")
    check(region.set, region, "B", 1, 1)
    check(region.copy_from, region, "x")
    check(region.copy_from, region, mapped.anonymous(4))
    check(region.fill, region, 1)
    check(region.move, region, 1, 2, 3)
    check(region.append, region, "x")
    check(region.resize, region, 4)
    check(mapped.anonymous(1).copy_to, mapped.anonymous(1), region)
    assert.equal("0123456789abcdef", region:tostring())
    assert.equal("0123456789abcdef", support.content(path))
    assert.is_true(region:readonly())
    assert.is_true(array:readonly())
  end)
end)

describe("wrong arguments", function()
  local region, slice, array
  before_each(function()
    region = mapped.anonymous(16)
    region:write(1, "0123456789abcdef")
    slice, array = region:sub(3, 12), region:cast("<I4")
  end)

  local function check(number, f, ...)
    assert.matches("bad argument #" .. number, failure(f, ...))
  end

  it("a method on something else", function()
    for _, self in ipairs { 1, "x", {}, print, io.stdout, mapped } do
      for name in pairs(methods) do
        check(1, region[name], self)
      end
      for name in pairs(region_methods) do
        check(1, region[name], self)
        check(1, region[name], slice)
      end
      check(1, array.sub, self)
      check(1, region.close, self)
      check(1, region.closed, self)
      check(1, region.region, self)
    end
    check(1, array.bytes, region)
    check(1, array.sub, region, 1)
    check(1, region.sub, array, 1)
    check(1, region.sub)
    check(1, region.close, slice)
  end)

  it("positions outside name the position and the length", function()
    for _, position in ipairs { 0, 14, 17, -17, HUGE, TINY } do
      local message = failure(region.get, region, "I4", position)
      assert.matches("bad argument #3", message)
      assert.truthy(message:find(("%d"):format(position), 1, true))
      assert.matches("1%.%.16", message)
    end
    check(3, region.set, region, "I4", 14, 0)
  end)

  it("positions and lengths of every method", function()
    for _, position in ipairs { 0, 17, -17, HUGE, TINY, 1.5, "x", {} } do
      check(2, region.write, region, position, "x")
      check(3, region.copy_from, region, "x", position)
      check(3, region.copy_to, mapped.anonymous(1), region, position)
      check(3, region.set, region, "B", position, 1)
      check(3, region.get, region, "B", position)
      check(2, region.slice, region, position, 1)
      check(2, region.move, region, position, 1, 1)
      check(3, region.move, region, 1, position, 1)
      assert.has_error(function() region[position] = 1 end)
      assert.has_error(function() array[position] = 1 end)
    end
    for _, length in ipairs { -1, TINY, 1.5, "x", {} } do
      check(3, region.slice, region, 1, length)
      check(4, region.move, region, 1, 1, length)
      check(2, region.resize, region, length)
    end
    for _, length in ipairs { 17, HUGE } do
      check(2, region.slice, region, 1, length)
      check(2, region.move, region, 1, 1, length)
    end
    check(3, region.slice, region)
    check(2, region.write, region)
    check(2, region.sub, region)
    check(2, region.sub, region, "x")
    check(3, region.sub, region, 1, {})
    check(2, region.tostring, region, {})
    check(2, region.byte, region, 1.5)
    assert.equal("0123456789abcdef", region:tostring())
  end)

  it("data of the wrong type or size", function()
    for _, data in ipairs { 1, true, {}, print, io.stdout } do
      check(3, region.write, region, 1, data)
      check(2, region.copy_from, region, data)
      check(2, region.copy_to, region, data)
      check(2, region.equals, region, data)
      check(2, region.append, region, data)
    end
    check(2, region.copy_to, region, "0123456789abcdef")
    check(2, region.write, region, 16, "xy")
    check(3, region.copy_from, region, ("x"):rep(17))
    check(3, slice.copy_from, slice, region)
    check(3, region.copy_to, region, slice)
    assert.equal("0123456789abcdef", region:tostring())
  end)

  it("numbers outside of 0 to 255 are named", function()
    for _, byte in ipairs { -1, 256, HUGE, TINY } do
      local text = ("%d"):format(byte):gsub("%-", "%%-")
      assert.matches(text, failure(function() region[1] = byte end))
      assert.matches(text, failure(region.fill, region, byte))
    end
    for _, byte in ipairs { 1.5, "x", {}, false } do
      check(3, function() region[1] = byte end)
      check(2, region.fill, region, byte)
    end
    assert.equal("0123456789abcdef", region:tostring())
  end)

  it("unknown codes are named", function()
    for _, code in ipairs { "", "q", "I0", "I17", "i99999999999", "BB", "B ",
      "<", "<>", "s4", "z", "x", "Xi", "!4", "\0", "B\0", "I4x" } do
      local message = failure(region.get, region, code)
      assert.matches("bad argument #2.*unknown element code", message)
      assert.matches("bad argument #2", failure(region.set, region, code, 1, 1))
      assert.matches("bad argument #2", failure(region.cast, region, code))
    end
    check(2, region.get, region, {})
    check(2, region.get, region)
    check(2, region.cast, region)
  end)

  it("values that do not fit are named, and nothing is written", function()
    for code, values in pairs {
      B = { -1, 256 }, b = { -129, 128 }, ["<I2"] = { -1, 65536 },
      [">i4"] = { 1 << 31, -(1 << 31) - 1 }, I4 = { 1 << 32, -1 },
      I3 = { 1 << 24, -1 },
    } do
      for _, value in ipairs(values) do
        local message = failure(region.set, region, code, 1, value)
        assert.matches("bad argument #4", message)
        assert.truthy(message:find(tostring(value), 1, true), message)
      end
      for _, value in ipairs { "x", {}, true, 1.5 } do
        check(4, region.set, region, code, 1, value)
      end
    end
    check(4, region.set, region, "d", 1, "x")
    check(4, region.set, region, "d", 1)
    assert.matches("4294967296", failure(function() array[1] = 1 << 32 end))
    assert.equal("0123456789abcdef", region:tostring())
  end)

  it("a cast of bytes that make no whole number of elements", function()
    local message = failure(slice.cast, slice, "I4")
    assert.matches("10", message)
    assert.matches("multiple of 4", message)
  end)

  it("a sixteen byte integer that is too large for Lua", function()
    region:fill(0xff)
    assert.matches("does not fit", failure(region.get, region, "I16"))
    assert.matches("does not fit", failure(function()
      return region:cast("I16")[1]
    end))
  end)

  it("a name as a key", function()
    assert.is_nil(region.nothing)
    assert.is_nil(array.nothing)
    assert.has_error(function() region.x = 1 end)
    assert.has_error(function() array.x = 1 end)
    for _, key in ipairs { {}, true, print, 1.5, 0 / 0, region } do
      assert.is_nil(region[key])
      assert.is_nil(array[key])
      assert.has_error(function() region[key] = 1 end)
    end
    assert.is_nil(region[nil])
    assert.is_nil(array[nil])
  end)

  it("resizing to an impossible length", function()
    local ok, done, message = pcall(region.resize, region, HUGE)
    assert.falsy(ok and done)
    assert.is_string(ok and message or done)
    done, message = region:resize(1 << 47)
    assert.is_nil(done)
    assert.is_string(message)
    assert.equal("0123456789abcdef", region:tostring())
    assert.equal("23456789ab", slice:tostring())
  end)
end)

describe("the metatable", function()
  it("is out of reach", function()
    local region = mapped.anonymous(1)
    assert.equal("mapped.Region", getmetatable(region))
    assert.equal("mapped.Slice", getmetatable(region:sub(1)))
    assert.equal("mapped.Array", getmetatable(region:cast("B")))
    assert.has_error(function() setmetatable(region, {}) end)
  end)

  -- A light userdata of the metatable's address would do the same.
  it("take no object of another library for a view, whatever is behind it", function()
    local region = mapped.anonymous(16)
    local file = assert(io.tmpfile())
    for _, method in ipairs { "get", "unpack" } do
      assert.matches("bad argument #1", failure(region[method], file, "b", 1,
                                                debug.getmetatable(region)))
    end
    file:close()
  end)

  it("survives what the debug library can do with it", function()
    local region = mapped.anonymous(8)
    for _, object in ipairs { region, region:sub(1), region:cast("B") } do
      local meta = debug.getmetatable(object)
      for name, method in pairs(meta) do
        if type(method) == "function" then
          for _, other in ipairs { 1, "x", {}, io.stdout, print } do
            pcall(method, other, 1, 1)
          end
          pcall(method)
          assert.is_string(name)
        end
      end
      local table_with_it = debug.setmetatable({}, meta)
      assert.has_error(function() return table_with_it[1] end)
    end
    debug.getmetatable(region).__gc(region)
    debug.getmetatable(region).__gc(region)
    assert.is_true(region:closed())
    assert.matches("closed", failure(function() return region[1] end))
  end)
end)
