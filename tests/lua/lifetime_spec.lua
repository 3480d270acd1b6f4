-- Guards against a use after free and against leaks, in whatever order objects
-- end: by close, by collection, with a coroutine, in a finalizer, or in a
-- callback that closes the region while a call uses it.
local mapped = require "mapped"
local rex = require "rex_pcre2"
local support = require "tests.lua.support"
local failure = support.failure

local CLOSED = "attempt to use a closed region"

describe("close", function()
  after_each(support.clean)

  it("unmaps at once", function()
    local path = support.file("hello")
    local region = assert(mapped.open(path, "r+"))
    local slice = region:sub(1)
    assert.equal(1, support.mappings(path))
    assert.is_true(region:close())
    assert.equal(0, support.mappings(path))
    assert.equal(CLOSED, failure(slice.tostring, slice))
  end)

  it("comes at the end of a scope, also by an error", function()
    local path = support.file("hello")
    local kept
    do
      local region <close> = assert(mapped.open(path))
      kept = region
    end
    assert.is_true(kept:closed())
    assert.has_error(function()
      local region <close> = assert(mapped.open(path))
      kept = region
      error("out")
    end)
    assert.is_true(kept:closed())
    assert.equal(0, support.mappings(path))
  end)

  it("comes with the end of a coroutine", function()
    local path = support.file("hello")
    local walk = coroutine.wrap(function()
      local region <close> = assert(mapped.open(path))
      for i = 1, #region do
        coroutine.yield(region[i])
      end
    end)
    local bytes = {}
    for byte in walk do
      bytes[#bytes + 1] = byte
    end
    assert.same({ ("hello"):byte(1, -1) }, bytes)
    assert.equal(0, support.mappings(path))

    local thread = coroutine.create(function()
      local region <close> = assert(mapped.open(path))
      coroutine.yield(region)
    end)
    local _, region = coroutine.resume(thread)
    assert.is_false(region:closed())
    assert.is_true(coroutine.close(thread))
    assert.is_true(region:closed())
  end)

  it("in one coroutine is seen in another", function()
    local region = mapped.anonymous(10)
    local reader = coroutine.wrap(function(slice)
      for i = 1, 10 do
        coroutine.yield(slice[i])
      end
    end)
    assert.equal(0, reader(region:sub(1)))
    region:close()
    assert.equal(CLOSED, failure(reader))
  end)

  it("leaves neither descriptors nor mappings behind", function()
    local path = support.file(("x"):rep(10000))
    collectgarbage()
    local before = support.descriptors()
    for _, mode in ipairs { "r", "r+", "c" } do
      for _ = 1, 30 do
        local region = assert(mapped.open(path, mode))
        region:sub(2, 3):cast("B"):sub(1)
        region:topointer()
        region:close()
      end
    end
    collectgarbage()
    assert.equal(before, support.descriptors())
    assert.equal(0, support.mappings(path))
  end)
end)

describe("collection", function()
  after_each(support.clean)

  it("closes what nobody refers to", function()
    local path = support.file(("x"):rep(10000))
    local before = support.descriptors()
    for _ = 1, 20 do
      local region = assert(mapped.open(path, "r+"))
      region:sub(1):topointer()
    end
    collectgarbage()
    collectgarbage()
    assert.equal(0, support.mappings(path))
    assert.equal(before, support.descriptors())
  end)

  it("keeps a region that a slice or an array needs", function()
    local path = support.file("hello")
    local slice = assert(mapped.open(path)):sub(2, 4)
    local array = assert(mapped.open(path)):sub(1):sub(2):cast("B"):sub(2)
    collectgarbage()
    collectgarbage()
    assert.equal("ell", slice:tostring())
    assert.equal(("l"):byte(), array[1])
    assert.equal("hello", slice:region():tostring())
  end)

  it("does not keep the slices between", function()
    local region = mapped.anonymous(10)
    local weak = setmetatable({}, { __mode = "v" })
    weak[1] = region:sub(1)
    local last = weak[1]:sub(1)
    collectgarbage()
    assert.is_nil(weak[1])
    assert.equal(10, #last)
  end)

  -- Finalizers run in the reverse order of their creation, so the region's has
  -- run when the holder's runs.
  it("of region and slices together harms no finalizer", function()
    local results = {}
    do
      local holder = setmetatable({}, { __gc = function(self)
        for _, key in ipairs { "slice", "array", "region" } do
          local object = self[key]
          results[#results + 1] = tostring(object)
          results[#results + 1] = select(2, pcall(function()
            return object[1]
          end))
          pcall(object.sub, object, 1)
          pcall(object.close, object)
          pcall(object.topointer, object)
        end
      end })
      holder.region = mapped.anonymous(10)
      holder.slice, holder.array = holder.region:sub(1), holder.region:cast("B")
    end
    collectgarbage()
    collectgarbage()
    assert.equal(6, #results)
    for i = 1, 6, 2 do
      assert.matches("closed", results[i])
      assert.matches(CLOSED, results[i + 1])
    end
  end)

  it("at the end of a state harms no finalizer", function()
    local output = support.child [[
      local mapped = require "mapped"
      local holder = setmetatable({}, { __gc = function(self)
        print(pcall(function() return self.slice[1] end))
        print(pcall(self.slice.sub, self.slice, 1))
        print(self.slice, self.array, self.region)
        print(pcall(self.region.close, self.region))
        print(mapped.anonymous(3))
      end })
      holder.region = mapped.anonymous(10)
      holder.slice, holder.array = holder.region:sub(1), holder.region:cast "B"
      holder.region:topointer()
      KEPT = holder
    ]]
    assert.matches("closed region\nfalse.-closed region\n"
      .. "mapped.Slice %(closed%)\tmapped.Array %(closed%)\t"
      .. "mapped.Region %(closed%)\ntrue\ttrue\n"
      .. "mapped.Region %(3 bytes, mode r%+%)\n$", output)
  end)
end)

describe("code that a call runs", function()
  after_each(support.clean)

  it("may close the file handle that is being opened", function()
    local handle = assert(io.open(support.file("x")))
    assert.matches("closed file", failure(mapped.open, handle, "r",
      setmetatable({}, { __index = function(_, name)
        if name == "length" then
          handle:close()
        end
      end })))
  end)

  it("may raise, and nothing is left", function()
    local path = support.absent()
    collectgarbage()
    local before = support.descriptors()
    local options = setmetatable({}, { __index = function(_, name)
      error("no " .. name)
    end })
    assert.equal("no offset", failure(mapped.open, path, "x+", options))
    assert.matches("^no ", failure(mapped.anonymous, 1, options))
    assert.is_false(support.exists(path))
    assert.equal(before, support.descriptors())
  end)

  it("gives the options it wants, by __index", function()
    local path = support.file("hello")
    local region <close> = assert(mapped.open(path, "r",
      setmetatable({}, { __index = { offset = 1, length = 3 } })))
    assert.equal("ell", region:tostring())
  end)

  it("is not run for an object that is no data", function()
    local region = mapped.anonymous(10)
    local sneaky = setmetatable({}, {
      __len = function() region:close() return 3 end,
      __index = function() region:close() return 1 end,
      __tostring = function() region:close() return "x" end,
    })
    for _, name in ipairs { "write", "copy_from", "copy_to", "equals", "append",
      "fill", "get", "set", "cast", "sub", "slice", "resize" } do
      assert.has_error(function() region[name](region, sneaky, sneaky) end)
      pcall(region[name], region, 1, sneaky, sneaky)
    end
    assert.has_error(function() region[1] = sneaky end)
    assert.has_error(function() region[sneaky] = 1 end)
    assert.is_false(region:closed())
  end)

  -- A collection can start in any call that makes an object.
  it("as a finalizer may close the region in mid-call", function()
    local function check(call)
      for _ = 1, 40 do
        local region = mapped.anonymous(4096)
        region:fill(0x41)
        local objects = { region, region:sub(1), region:cast("B") }
        setmetatable({}, { __gc = function() region:close() end })
        for _ = 1, 100 do
          local ok, result = pcall(call, table.unpack(objects))
          if not ok then
            assert.matches("closed region", result)
            break
          end
        end
      end
    end
    collectgarbage("incremental", 0, 10000)
    local whole = ("A"):rep(4096)
    check(function(region) assert(region:tostring() == whole) end)
    check(function(_, slice) assert(slice:tostring() == whole) end)
    check(function(region) return region:sub(1)[1] == 0x41 end)
    check(function(_, slice) return slice:sub(1):sub(2)[1] end)
    check(function(_, slice) return slice:cast("I4")[1] end)
    check(function(_, _, array) return array:sub(1)[1] end)
    check(function(_, _, array) return array:bytes()[1] end)
    check(function(region) return tostring(region) end)
    check(function(region) return region:topointer() end)
    check(function(region, slice) return slice:write(1, slice:tostring(1, 9)),
      region:append("x") end)
    collectgarbage("generational")
    collectgarbage("incremental")
  end)

  it("as a finalizer may finalize the region by hand", function()
    local finalize = debug.getmetatable(mapped.anonymous(1)).__gc
    collectgarbage("incremental", 0, 10000)
    for _ = 1, 40 do
      local region = mapped.anonymous(4096)
      local slice = region:sub(1)
      setmetatable({}, { __gc = function() finalize(region) end })
      for _ = 1, 100 do
        local ok = pcall(function()
          return slice:tostring(), region:tostring(), slice:sub(1):cast("B")
        end)
        if not ok then
          break
        end
      end
    end
    collectgarbage("incremental")
  end)
end)

describe("topointer", function()
  after_each(support.clean)

  it("points at the bytes, without a copy", function()
    local path = support.file("hello world")
    local region <close> = assert(mapped.open(path, "r+"))
    assert.equal("userdata", type(region:topointer()))
    assert.equal(region:topointer(), region:sub(1):topointer())
    assert.not_equal(region:topointer(), region:sub(2):topointer())
    assert.same({ 7, 11 }, { rex.find(region, "w\\w+") })
    local other <close> = assert(mapped.open(path, "r+"))
    other:write(7, "pearl")
    assert.is_nil((rex.find(region, "world")))
    assert.equal("pearl", rex.match(region, "p\\w+"))
  end)

  it("refuses to shrink and to move exported memory, but grows it in place",
    function()
      local region = assert(mapped.anonymous(8192, { reserve = 1 << 20 }))
      region:topointer()
      local done, message, code = region:resize(10)
      assert.is_nil(done)
      assert.is_string(message)
      assert.equal(mapped.status.BUSY, code)
      assert.equal(8192, #region)
      assert.is_true(region:resize(1 << 20))
      assert.is_true(region:close())
    end)

  it("holds the addresses, as zeros, until the object is collected", function()
    local path = support.file(("a"):rep(10000))
    local region = assert(mapped.open(path, "r+"))
    local slice = region:sub(1)
    local pointer = tostring(region:topointer()):match("0x(%x+)")
    local function is_mapped()
      for line in io.lines("/proc/self/maps") do
        if line:match("^0*" .. pointer .. "%-") then
          return true
        end
      end
      return false
    end
    assert.is_true(is_mapped())
    assert.is_true(region:close())
    assert.equal(CLOSED, failure(slice.tostring, slice))
    assert.equal(0, support.mappings(path))
    assert.is_true(is_mapped())
    assert.equal(CLOSED, failure(slice.topointer, slice))
  end)

  it("works for an empty region", function()
    local region <close> = mapped.anonymous(0)
    assert.is_nil((rex.find(region, "x")))
    assert.equal(1, (rex.find(region, "^$")))
  end)
end)

describe("lrexlib", function()
  it("searches regions and slices as strings", function()
    local text = "one two  three\nfour"
    local region <close> = mapped.anonymous(#text + 4)
    region:write(3, text)
    local slice = region:slice(3, #text)
    for _, pattern in ipairs { "\\w+", "t(\\w)(\\w)", "^one", "four$", "x?",
      "(?m)^four" } do
      assert.same({ rex.find(text, pattern) }, { rex.find(slice, pattern) })
      assert.same({ rex.match(text, pattern) }, { rex.match(slice, pattern) })
      assert.same({ rex.gsub(text, pattern, "<%0>") },
        { rex.gsub(slice, pattern, "<%0>") })
      assert.equal(rex.count(text, pattern), rex.count(slice, pattern))
    end
    local compiled = rex.new("(t)(\\w+)")
    assert.same({ compiled:exec(text) }, { compiled:exec(slice) })
    assert.equal("one", rex.match(region, "\\w+"))
  end)

  it("survives a callback that closes its subject", function()
    for _, how in ipairs { "region", "slice" } do
      local region = mapped.anonymous(1 << 14)
      region:fill(("a"):byte())
      local subject = how == "region" and region or region:sub(3, -3)
      local calls = 0
      local result = rex.gsub(subject, "a", function()
        calls = calls + 1
        if calls == 10 then
          region:close()
          collectgarbage()
        end
        return "b"
      end)
      assert.is_true(region:closed())
      assert.is_true(calls >= 10)
      assert.equal(("b"):rep(10), result:sub(1, 10))
    end
  end)
end)
