-- Guards against handles of the io library over our bytes that read or write
-- other bytes, that hide a failure, or that use the region's memory after it is
-- gone: whatever is closed, collected or forged first.
local mapped = require "mapped"
local support = require "tests.lua.support"
local failure, region_of = support.failure, support.region_of
local child = support.child

local ENOSPC, ENODATA, EBADF = 28, 61, 9

describe("a handle over bytes", function()
  after_each(support.clean)

  it("reads as a handle of a file does", function()
    local text = "one\n42 0x10 two\n\nlast"
    local path = support.file(text)
    local slice = support.slice_of(text)
    for _, file in ipairs { assert(io.open(path)), assert(slice:file()),
      assert(slice:file("rb")), assert(slice:readonly(true):file()) } do
      assert.equal("file", io.type(file))
      assert.matches("^file %(0x", tostring(file))
      if _VERSION ~= "Lua 5.1" then
        assert.equal("one\n", file:read("L"))
      else
        assert.equal("one", file:read("l"))
      end
      assert.same({ 42, 16 }, { file:read("n", "n") })
      assert.equal(" two", file:read("l"))
      local lines = {}
      for line in file:lines() do lines[#lines + 1] = line end
      assert.same({ "", "last" }, lines)
      assert.is_nil(file:read("l"))
      assert.equal("", file:read("a"))
      assert.is_nil(file:read(0))
      assert.equal(4, file:seek("set", 4))
      assert.equal("42", file:read(2))
      assert.equal(6, file:seek())
      assert.equal(#text - 4, file:seek("end", -4))
      assert.equal("last", file:read("a"))
      assert.is_nil((file:seek("set", -1)))
      assert.is_true(file:close())
      assert.equal("closed file", io.type(file))
    end
  end)

  it("writes what can be written, at once", function()
    local region = mapped.anonymous(12)
    region:fill(46)
    local file <close> = assert(region:sub(3, 8):file())
    assert.truthy(file:write("ab", 12))
    assert.equal("..ab12......", region:tostring())
    local ok, message, code = file:write("xyz")
    assert.is_nil(ok)
    assert.equal("No space left on device", message)
    assert.equal(ENOSPC, code)
    assert.equal("..ab12xy....", region:tostring())
    file:seek("set", 1)
    assert.equal("b1", file:read(2))
  end)

  it("refuses to write what can't be written", function()
    local region = mapped.anonymous(8)
    local path = support.file("abc")
    for _, view in ipairs { region:readonly(true), assert(mapped.open(path)) } do
      local file <close> = assert(view:file())
      local ok, _, code = file:write("x")
      assert.is_nil(ok)
      assert.equal(EBADF, code)
    end
    assert.equal("abc", support.content(path))
    local reader <close> = assert(region:file("r"))
    assert.is_nil((reader:write("x")))
    assert.matches("read%-only memory",
                   failure(region.file, region:readonly(true), "r+"))
    assert.matches("read%-only memory",
                   failure(region.file, assert(mapped.open(path)), "r+"))
    local file <close> = assert(region:file("r+"))
    assert(region:protect("r"))
    assert.same({ nil, "Bad file descriptor", EBADF }, { file:write("x") })
  end)

  it("is what the io library's own functions take", function()
    local region = mapped.anonymous(5)
    local before = io.output()
    io.output((assert(region:file())))
    io.write("abc")
    io.close()
    io.output(before)
    assert.equal("abc\0\0", region:tostring())
    local input = io.input()
    io.input((assert(region:sub(2):file())))
    assert.equal("bc", io.read(2))
    io.close(io.input())
    io.input(input)
  end)

  it("has no descriptor", function()
    local file <close> = assert(mapped.anonymous(8):file())
    local region, message, code = mapped.open(file)
    assert.is_nil(region)
    assert.equal("open: fcntl: Bad file descriptor", message)
    assert.equal(EBADF, code)
    assert.matches("Bad file descriptor", failure(mapped.windows, file, 8))
  end)

  it("fails once the region is closed, and closes", function()
    local region = mapped.anonymous(8)
    local file = assert(region:file())
    region:close()
    assert.same({ nil, "Bad file descriptor", EBADF }, { file:read(1) })
    assert.same({ nil, "Bad file descriptor", EBADF }, { file:write("x") })
    assert.matches("Bad file descriptor", failure(file:lines()))
    assert.is_true(file:close())
    assert.matches("closed region", failure(region.file, region))
  end)

  it("fails at a lost page, and reads what is before", function()
    local path = support.file(("abc\n"):rep(4096))
    local region <close> = assert(mapped.open(path))
    local file <close> = assert(region:file())
    support.write(path, ("abc\n"):rep(1024))
    assert.equal(("abc\n"):rep(1024), file:read(4096))
    local ok, _, code = file:read(1)
    assert.is_nil(ok)
    assert.equal(ENODATA, code)
    assert.is_nil(region:check())
  end)

  it("keeps the region, and no descriptor", function()
    collectgarbage()
    local before, regions = support.descriptors(), mapped.stats().regions
    local path = support.file("abc")
    for _ = 1, 20 do
      local file = assert(assert(mapped.open(path)):file())
      collectgarbage()
      assert.equal("abc", file:read("a"))
    end
    collectgarbage()
    collectgarbage()
    assert.equal(before, support.descriptors())
    assert.equal(regions, mapped.stats().regions)
  end)

  it("doesn't keep a region from growing or closing", function()
    local region = mapped.anonymous(8)
    local file <close> = assert(region:file())
    assert.is_true(region:resize(100000))
    assert.equal(8, file:seek("end"))
    assert.is_true(region:resize(4))
    assert.equal(5, file:seek("set", 5))
    assert.same({ nil, "No data available", ENODATA }, { file:read(1) })
    assert.is_true(region:close())
  end)

  it("refuses arguments", function()
    local region = mapped.anonymous(8)
    assert.matches("arguments expected", failure(region.file, region, "r", 1))
    for _, mode in ipairs { "w", "", "a+", "r+\0", 1 } do
      assert.matches("bad argument #2 to '.*' %(mode must be 'r' or 'r%+', not",
                     failure(region.file, region, mode))
    end
    assert.matches("bad argument #2", failure(region.file, region, {}))
    assert.matches("bad argument #1", failure(region.file, io.stdout))
    assert.matches("bad argument #1", failure(region.file, region:cast("B")))
  end)
end)

describe("the end of a handle", function()
  it("comes without the io library's finalizer", function()
    assert.equal("ended\n", child [[
      local mapped = require "mapped"
      getmetatable(io.stdout).__gc = nil
      for i = 1, 1000 do
        local region = mapped.anonymous(10)
        local file = region:file()
        file:write("abc")
        if i % 3 == 0 then region:close() end
        if i % 10 == 0 then collectgarbage() end
      end
      collectgarbage()
      collectgarbage()
      io.popen("true") -- flushes all streams
      io.write("ended\n")
    ]])
  end)

  it("comes before that of the state, with what was written", function()
    local path = support.file("abc")
    assert.equal("ended\n", child(([[
      local mapped = require "mapped"
      local file = assert(mapped.open(%q, "r+")):file()
      file:write("x")
      kept = file
      setmetatable({}, { __gc = function()
        local last = mapped.anonymous(8)
        last_file = last:file()
        last_file:write("y")
        print "ended"
      end })
    ]]):format(path)))
    assert.equal("xbc", support.content(path))
    support.clean()
  end)

  it("may come in any order", function()
    assert.equal("done\n", child [[
      local mapped = require "mapped"
      local kept = {}
      for i = 1, 2000 do
        local holder = {}
        local region = mapped.anonymous(64)
        local file = region:file()
        holder.region, holder.file = region, file
        setmetatable(holder, { __gc = function(self)
          kept[i % 7] = self.file -- after its own finalizer, or before it
          kept[i % 5 + 7] = self.region
          pcall(self.file.write, self.file, "abc")
          if i % 2 == 0 then pcall(self.file.close, self.file) end
          if i % 3 == 0 then self.region:close() end
        end })
        if i % 4 == 0 then debug.getmetatable(region).__gc(region) end
        for _, object in pairs(kept) do
          if io.type(object) == "file" then
            pcall(object.read, object, 3)
            pcall(object.seek, object, "set", 0)
          elseif io.type(object) == nil then
            pcall(object.tostring, object)
          end
        end
      end
      kept = {}
      collectgarbage()
      print "done"
    ]])
  end)

  it("comes at once if what holds it is gone", function()
    assert.equal("closed file\n", child [[
      local file = require "mapped".anonymous(8):file()
      file:write("abc")
      if debug.setfenv then
        debug.setfenv(file, {})
      else
        debug.setuservalue(file, nil, 1)
      end
      collectgarbage()
      collectgarbage()
      print(io.type(file))
    ]])
  end)

  it("doesn't need the io library's metatable", function()
    assert.equal("no handles: the io library is not loaded\ntrue\n", child [[
      local mapped = require "mapped"
      local region = mapped.anonymous(8)
      local registry = debug.getregistry()
      local meta = registry["FILE*"]
      registry["FILE*"] = nil
      local ok, message = pcall(region.file, region)
      registry["FILE*"] = meta
      print((message:gsub("^.-:%d+: ", "")))
      print(not ok)
    ]])
  end)
end)

describe("a handle of LuaJIT", _G.jit and function()
  it("is one of its own, and needs its io.open", function()
    assert.equal("io.open is not LuaJIT's own\nfile\nabc\nclosed file\n", child [[
      local region = require "mapped".anonymous(3)
      local original = io.open
      io.open = function() return io.stdout end
      local _, message = pcall(region.file, region)
      print((message:gsub("^.*: ", "")))
      io.open = original
      local file = region:file()
      print(io.type(file))
      file:write("abc")
      print(region:tostring())
      debug.setfenv(file, {})
      collectgarbage()
      collectgarbage()
      print(io.type(file))
    ]])
  end)

  it("takes no pipe, no standard file and no closed one", function()
    local refused = "io.open is not LuaJIT's own\n"
    assert.equal(refused:rep(5) .. "file\n", child [[
      local region = require "mapped".anonymous(3)
      local original = io.open
      local function result(x) return coroutine.wrap(function() return x end) end
      local closed = io.tmpfile()
      closed:close()
      for _, open in ipairs { result(io.popen("true")), result(io.stdin),
        result(io.stdout), result(io.stderr), result(closed) } do
        io.open = open
        local ok, message = pcall(region.file, region)
        print(ok or (message:gsub("^.*: ", "")))
      end
      io.open = original
      print(io.type(region:file()))
    ]])
  end)
end or function() end)

describe("write_to", function()
  after_each(support.clean)

  it("writes all bytes to a handle or a descriptor", function()
    local path = support.file()
    local text = support.random_text(100000, "abcdef\0\n")
    local slice = support.slice_of(text)
    do
      local file <close> = assert(io.open(path, "wb"))
      file:write("<")
      assert.equal(#text, slice:write_to(file))
      file:write(">")
      file:close()
    end
    assert.equal("<" .. text .. ">", support.content(path))
    local region <close> = assert(mapped.open(path, "r+"))
    region:resize(3)
    assert.equal(3, slice:sub(1, 3):write_to(region:fileno()))
    assert.equal(0, slice:sub(1, 0):write_to(region:fileno()))
    assert.equal(text:sub(1, 3), support.content(path):sub(1, 3))
  end)

  it("writes to a handle over bytes, also its own", function()
    local region = region_of("abcdefgh")
    local file <close> = assert(region:sub(3):file())
    assert.equal(6, region:sub(1, 6):write_to(file))
    assert.equal("ababcdef", region:tostring())
    local ok, message, code, written = region:write_to(file)
    assert.is_nil(ok)
    assert.equal("write_to: fwrite: No space left on device", message)
    assert.same({ ENOSPC, 0 }, { code, written })
  end)

  it("returns how much was written before a failure", function()
    local full <close> = assert(io.open("/dev/full", "w"))
    full:setvbuf("no")
    local region = mapped.anonymous(100)
    assert.same({ nil, "write_to: fwrite: No space left on device", ENOSPC, 0 },
                { region:write_to(full) })
    assert.same({ nil, "write_to: write: Bad file descriptor", EBADF, 0 },
                { region:write_to(8999) })
  end)

  it("writes nothing of a lost page", function()
    local path, target = support.file(("a"):rep(100000)), support.file()
    local region <close> = assert(mapped.open(path))
    support.write(path, ("a"):rep(40960))
    local file <close> = assert(io.open(target, "wb"))
    assert.matches("write_to: page lost: position", failure(region.write_to, region, file))
    file:close()
    assert.equal(("a"):rep(40960), support.content(target))
  end)

  it("refuses everything else", function()
    local region = mapped.anonymous(8)
    for _, other in ipairs { "x", {}, true, 1.5, region, print } do
      assert.matches("bad argument #2 to '.*' %(file handle or descriptor expected",
                     failure(region.write_to, region, other))
    end
    for _, number in ipairs { -1, 1 << 40, math.mininteger } do
      assert.matches("bad argument #2 to '.*' %(no descriptor",
                     failure(region.write_to, region, number))
    end
    local file = assert(io.tmpfile())
    file:close()
    assert.matches("attempt to use a closed file",
                   failure(region.write_to, region, file))
    region:close()
    assert.matches("closed region", failure(region.write_to, region, io.stdout))
  end)
end)
