-- Guards against regions that don't do what they promise about their file: in
-- each mode, at any offset and with any size. Guards also against files that
-- are left changed after a failure.
local lfs = require "lfs"
local mapped = require "mapped"
local support = require "tests.lua.support"

describe("a region of a file", function()
  after_each(support.clean)

  it("shows the file from any byte on", function()
    local content = {}
    for i = 1, 3000 do
      content[i] = ("%d "):format(i)
    end
    content = table.concat(content)
    local path = support.file(content)
    for _, offset in ipairs { 0, 1, 4095, 4096, 4097, #content - 1, #content } do
      local region <close> = assert(mapped.open(path, "r", { offset = offset }))
      assert.equal(content:sub(offset + 1), region:tostring())
      assert.equal(#content - offset, #region)
      local part <close> = assert(mapped.open(path, "r",
        { offset = offset // 2, length = offset // 2 }))
      assert.equal(content:sub(offset // 2 + 1, offset // 2 * 2),
        part:tostring())
    end
  end)

  it("may be empty", function()
    local path = support.file("")
    for _, mode in ipairs { "r", "r+", "c" } do
      local region <close> = assert(mapped.open(path, mode))
      assert.equal(0, #region)
      assert.equal("", region:tostring())
      assert.is_nil(region[1])
      assert.equal(0, #region:sub(1))
      assert.equal(0, #region:cast("d"))
      assert.is_true(region:equals(""))
      assert.equal("userdata", type(region:topointer()))
    end
  end)

  it("'r+' writes to the file", function()
    local path = support.file("hello")
    local region <close> = assert(mapped.open(path, "r+"))
    region:write(1, "J")
    assert.equal("Jello", support.content(path))
    assert.equal("r+", region:mode())
    assert.is_false(region:readonly())
  end)

  it("'r+' with a length extends the file", function()
    local path = support.file("hello")
    local region <close> = assert(mapped.open(path, "r+", { length = 10 }))
    assert.equal("hello\0\0\0\0\0", region:tostring())
    assert.equal(10, #support.content(path))
  end)

  it("extends with blocks, unless sparse", function()
    local length = 1 << 20
    for _, sparse in ipairs { true, false } do
      local path = support.file()
      local region <close> = assert(mapped.open(path, "r+",
        { length = length, sparse = sparse }))
      local blocks = lfs.attributes(path, "blocks")
      assert.equal(not sparse, blocks * 512 >= length)
      assert.equal(0, region[length])
    end
  end)

  it("may be populated, and ask for huge pages", function()
    local path = support.file(("x"):rep(10000))
    local region <close> = assert(mapped.open(path, "r",
      { populate = true, huge = true }))
    assert.equal(("x"):rep(10000), region:tostring())
  end)

  it("as a device refuses misaligned access", function()
    local path = support.file(("x"):rep(16))
    local region <close> = assert(mapped.open(path, "r+",
      { device = true, length = 16 }))
    assert.equal(0x78787878, region:get("I4", 5))
    assert.equal(0x78, region[16])
    for _, f in ipairs {
      function() return region:get("I4", 2) end,
      function() return region:get("I3", 1) end,
      function() return region:sub(2, 9):cast("I4")[1] end,
      function() region:set("I2", 4, 1) end,
    } do
      assert.matches("misaligned: position %d", support.failure(f))
    end
  end)

  it("'c' keeps its writes to itself", function()
    local path = support.file("hello")
    local region <close> = assert(mapped.open(path, "c"))
    region:write(1, "J")
    assert.equal("Jello", region:tostring())
    assert.equal("hello", support.content(path))
    assert.is_false(region:readonly())
  end)

  it("'w+' truncates or creates", function()
    local path = support.file("hello")
    for _ = 1, 2 do
      local region <close> = assert(mapped.open(path, "w+", { length = 3 }))
      assert.equal("\0\0\0", region:tostring())
      assert(os.remove(path))
    end
  end)

  it("'x+' creates", function()
    local path = support.absent()
    local region <close> = assert(mapped.open(path, "x+", { length = 3 }))
    region:write(1, "abc")
    assert.equal("abc", support.content(path))
    os.remove(path)
  end)

  it("takes a file handle, with what was written to it", function()
    local path = support.file()
    local handle <close> = assert(io.open(path, "w+"))
    assert(handle:write("not flushed"))
    local region <close> = assert(mapped.open(handle))
    assert(handle:close())
    assert.equal("not flushed", region:tostring())
    assert.is_nil(region:name())
  end)

  it("takes a descriptor, which stays the caller's", function()
    local path = support.file("hello")
    local first <close> = assert(mapped.open(path, "r+"))
    local fd = first:fileno()
    local second <close> = assert(mapped.open(nil, "r+", { fd = fd }))
    assert.not_equal(fd, second:fileno())
    local third <close> = assert(mapped.open(nil, "r", { fd = fd }))
    second:close()
    third:close()
    assert.equal(5, first:size())
  end)

  it("has attributes that describe it", function()
    local path = support.file("hello")
    local region <close> = assert(mapped.open(path, "r+"))
    assert.equal(path, region:name())
    assert.equal(5, region:size())
    assert.is_true(rawequal(region, region:region()))
    assert.equal(0, region:offset())
    assert.equal(("mapped.Region (5 bytes, mode r+, %s)"):format(path),
      tostring(region))
    assert.is_false(region:closed())
    assert.equal("integer", math.type(region:fileno()))
  end)

  it("without a descriptor says so", function()
    local region <close> = assert(mapped.open(support.file("x")))
    local fd, message, code = region:fileno()
    assert.is_nil(fd)
    assert.is_string(message)
    assert.equal(mapped.status.UNSUPPORTED, code)
  end)

  it("sees what another region writes", function()
    local path = support.file("hello")
    local writer <close> = assert(mapped.open(path, "r+"))
    local reader <close> = assert(mapped.open(path))
    writer:set("B", 1, 0x4a)
    assert.equal("Jello", reader:tostring())
  end)
end)

describe("resizing", function()
  after_each(support.clean)

  it("changes the file and keeps slices", function()
    local path = support.file("hello")
    local region <close> = assert(mapped.open(path, "r+"))
    local slice = region:sub(2, 4)
    assert.is_true(region:resize(100000))
    assert.equal(100000, #region)
    assert.equal(100000, #support.content(path))
    assert.equal("ell", slice:tostring())
    assert.is_true(region:resize(5))
    assert.equal("hello", support.content(path))
    assert.equal("ell", slice:tostring())
  end)

  it("makes slices of removed bytes raise", function()
    local region <close> = mapped.anonymous(10000)
    local slice = region:sub(5000, 6000)
    local array = slice:cast("B")
    assert.is_true(region:resize(5500))
    assert.equal(1001, #slice)
    assert.equal(0, slice[1])
    for _, f in ipairs {
      function() return slice[1001] end, function() return array[1001] end,
      function() slice[1001] = 1 end, function() return slice:tostring() end,
      function() slice:fill(1) end, function() return slice:sub(1, 1001) end,
      function() return slice:topointer() end,
    } do
      assert.matches("out of range", support.failure(f))
    end
    assert.matches("position 1001,", support.failure(function()
      return slice[1001]
    end))
    assert.equal(0, slice:sub(1, 501)[501])
  end)

  it("within a reserve never moves", function()
    local region <close> = assert(mapped.anonymous(10, { reserve = 1 << 30 }))
    local pointer = region:topointer()
    assert.is_true(region:resize(1 << 20))
    assert.equal(pointer, region:topointer())
    local _, message = pcall(region.resize, region, (1 << 30) + 1)
    assert.is_string(message)
    assert.equal(1 << 20, #region)
  end)

  it("is not for private memory of a file", function()
    local region <close> = assert(mapped.open(support.file("hello"), "c"))
    local done, message, code = region:resize(10)
    assert.is_nil(done)
    assert.is_string(message)
    assert.equal(mapped.status.UNSUPPORTED, code)
  end)
end)

describe("appending", function()
  after_each(support.clean)

  it("stores strings, slices and arrays, its own too", function()
    local path = support.file("ab")
    local region <close> = assert(mapped.open(path, "r+"))
    local other = mapped.anonymous(2)
    other:write(1, "xy")
    assert.is_true(region:append("cd"))
    assert.is_true(region:append(""))
    assert.is_true(region:append(region:sub(2, 3)))
    assert.is_true(region:append(other))
    assert.is_true(region:append(other:cast("I2")))
    assert.is_true(region:append(region))
    assert.equal(("abcdbcxyxy"):rep(2), region:tostring())
    assert.is_true(region:close())
    assert.equal(("abcdbcxyxy"):rep(2), support.content(path))
  end)

  it("bytes that are lost changes nothing", function()
    local path, other = support.file(("x"):rep(5000)), support.file("kept")
    local source <close> = assert(mapped.open(path))
    local region <close> = assert(mapped.open(other, "r+"))
    assert(assert(io.open(path, "w")):close())
    assert.matches("page lost", support.failure(region.append, region, source))
    assert.equal("kept", region:tostring())
    assert.is_true(region:close())
    assert.equal("kept", support.content(other))
  end)

  it("a slice that reaches behind the end changes nothing", function()
    local region <close> = mapped.anonymous(10)
    local slice = region:sub(1, 10)
    assert(region:resize(5))
    assert.matches("out of range",
      support.failure(region.append, region, slice))
    assert.equal(5, #region)
  end)
end)

describe("anonymous memory", function()
  it("is zero, writable and has no file", function()
    for _, options in ipairs { {}, { shared = true }, { huge = true } } do
      local region <close> = assert(mapped.anonymous(5000, options))
      assert.equal(("\0"):rep(5000), region:tostring())
      region[5000] = 7
      assert.equal(7, region[-1])
      assert.is_nil(region:name())
      assert.is_false(region:readonly())
    end
  end)

  it("may be empty", function()
    local region <close> = assert(mapped.anonymous(0))
    assert.equal(0, #region)
    assert.is_true(region:resize(3))
    assert.equal("\0\0\0", region:tostring())
  end)
end)

describe("stats", function()
  it("counts open regions, their bytes and exports", function()
    if support.hostile then
      pending("finalizers hold regions")
    end
    collectgarbage()
    collectgarbage("stop")
    local before = mapped.stats()
    do
      local region = mapped.anonymous(1000)
      local pointer = region:topointer()
      local now = mapped.stats()
      assert.equal(before.regions + 1, now.regions)
      assert.equal(before.bytes + 1000, now.bytes)
      assert.equal(before.exports + 1, now.exports)
      assert.is_not_nil(pointer)
      assert.is_true(region:close())
    end
    assert.equal(before.bytes, mapped.stats().bytes)
    collectgarbage("restart")
    collectgarbage()
    assert.equal(before.regions, mapped.stats().regions)
    assert.has_error(function() mapped.stats(1) end)
  end)
end)

describe("mode a+", function()
  after_each(support.clean)

  it("creates a file or keeps what is there", function()
    local path = support.absent()
    do
      local region <close> = assert(mapped.open(path, "a+", { permissions = 384 }))
      assert(region:append("one"))
    end
    local region <close> = assert(mapped.open(path, "ab+", { length = 5 }))
    assert.equal("one\0\0", region:tostring())
    assert.equal("a+", region:mode())
    assert.has_error(function() mapped.open(path, "a+", { permissions = 4096 }) end)
    assert.has_error(function() mapped.open(path, "a+", { permissions = "x" }) end)
  end)
end)

describe("refreshing", function()
  after_each(support.clean)

  it("follows a log without write permission", function()
    local path = support.file("first\n")
    local log <close> = assert(mapped.open(path))
    assert.equal("unchanged", log:refresh())
    local writer <close> = assert(io.open(path, "ab"))
    assert(writer:write("second\n") and writer:flush())
    assert.equal("longer", log:refresh())
    assert.equal("first\nsecond\n", log:tostring())
    assert(os.rename(path, path .. ".1"))
    assert.equal("removed", log:refresh())
    assert(writer:write("last\n") and writer:flush())
    assert(assert(io.open(path, "wb")):close())
    assert.equal("longer", log:refresh())
    assert.equal("last\n", log:tostring(-5))
    assert.equal("replaced", log:refresh())
    assert.equal(0, #log)
    assert(os.remove(path .. ".1"))
  end)

  it("shortens slices of a file that was cut", function()
    local path = support.file(("x"):rep(100))
    local region <close> = assert(mapped.open(path))
    local part = region:sub(50, 60)
    assert(assert(io.open(path, "wb")):close())
    assert.equal("shorter", region:refresh())
    assert.matches("out of range", support.failure(part.tostring, part))
  end)

  it("says why it can't", function()
    assert.matches("refresh: not supported",
                   (select(2, mapped.anonymous(5):refresh())))
    local path = support.file("old")
    local region <close> = assert(mapped.open(path))
    local pointer = region:topointer()
    assert(os.remove(path))
    assert(assert(io.open(path, "wb")):close())
    local done, message = region:refresh()
    assert.is_nil(done)
    assert.matches("refresh: .*exported", message)
    assert.is_truthy(pointer)
    assert.equal("old", region:tostring())
  end)
end)
