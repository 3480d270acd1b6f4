-- Guards against code that runs in the middle of a call (a finalizer that
-- closes, searches or sets the locale) and against objects that a script has
-- made up: a use after free, another file that gets mapped, any address that
-- can be read.
local mapped = require "mapped"
local support = require "tests.lua.support"
local sanitized = (os.getenv("MAPPED_SANITIZE") or "") ~= ""
local hostile = (os.getenv("MAPPED_HOSTILE") or "") ~= ""
local has_rex, rex = pcall(require, "rex_pcre2")

-- Runs `code` in a Lua of its own and returns what it printed. A crash raises.
local child = support.child

-- A program in which every allocation runs a full collection.
local HOSTILE = [[
  local mapped = require "mapped"
  local function each_allocation(action)
    local on = true
    local function arm()
      if on then setmetatable({}, { __gc = function() action() arm() end }) end
    end
    collectgarbage("incremental", 1, 1000, 63)
    arm()
    return function()
      on = false
      collectgarbage() collectgarbage()
    end
  end
]]

describe("a userdata of another library", function()
  if not has_rex then
    pending("lrexlib is not installed")
    return
  end

  -- The bytes of one of ours, as far as a script can know them.
  local function forged(object, size)
    local address = tonumber(("%p"):format(object):sub(3), 16)
    return rex._newmembuffer(string.pack("<I8", address):rep(size // 8))
  end

  it("is none of ours, whatever its bytes are", function()
    local region = mapped.anonymous(64)
    local objects = { region, region:sub(1), region:cast("B"),
      mapped.layout("a:u8"), region:records("a:u8"), region:records("a:u8")[1] }
    for _, size in ipairs { 8, 16, 32, 48, 64, 96, 128, 256 } do
      for _, object in ipairs(objects) do
        local other = forged(object, size)
        for _, method in ipairs { "get", "set", "sub", "tostring", "byte",
          "find", "unpack", "pack", "cast", "records", "close", "resize",
          "topointer", "closed", "region", "offset", "readonly", "check" } do
          assert.error_matches(function() region[method](other) end,
                               "expected, got")
        end
        assert.error_matches(function() region:write(1, other) end, "expected, got")
        assert.error_matches(function() region:records(other) end, "expected, got")
        assert.is_false(region == other)
        assert.is_false(other == object)
      end
    end
  end)
end)

describe("a finalizer in the middle of a call", function()
  it("may close the handle that is to be mapped", function()
    local path = support.file("file a")
    local other = support.file("SECRET b")
    local said = child(HOSTILE .. ([[
      local path, other = %q, %q
      local Log = { __gc = function(self) self.file:close() end }
      for _ = 1, 300 do
        local log = setmetatable({ file = assert(io.open(path, "r+")) }, Log)
        pcall(mapped.open, log.file, "r")
      end
      local file, opened
      local function close()
        if file and io.type(file) == "file" then
          file:close()
          opened = io.open(other, "r+")
        end
      end
      for mode in ("r r+ c"):gmatch("%%S+") do
        file = nil
        local stop = each_allocation(close)
        file = io.open(path, "r+")
        local ok, region = pcall(mapped.open, file, mode, {})
        stop()
        assert(not ok or region:tostring() == "file a", region)
        if ok then region:close() end
        if opened then opened:close() end
      end
      print "done"
    ]]):format(path, other))
    assert.equal("done\n", said)
  end)

  it("may search while the cache is replaced", function()
    assert.equal("done\n", child(HOSTILE .. [[
      local region = mapped.anonymous(64)
      local count = 0
      local stop = each_allocation(function()
        for _ = 1, 5 do
          count = count + 1
          region:find(("[%%d]x%012d"):format(count))
          region:unpack("<I4" .. (" "):rep(count % 200))
        end
      end)
      for i = 1, 150 do
        assert(region:find("[%a]" .. i) == nil)
        assert(region:find("[\0]" .. ("%z"):rep(i % 5)) == 1)
        assert(region:unpack("<I4" .. (" "):rep(i % 200) .. "s1") == 0)
      end
      stop()
      print "done"
    ]]))
  end)

  it("may set the locale", function()
    assert.equal("done\n", child(HOSTILE .. [[
      local region = mapped.anonymous(64)
      region:fill(97)
      local names, at = { "C", "C.UTF-8" }, 0
      local stop = each_allocation(function()
        at = at + 1
        os.setlocale(names[at % 2 + 1])
      end)
      for i = 1, 100 do
        os.setlocale(names[i % 2 + 1])
        assert(region:find("%a") == 1)
        assert(region:match("^%l+$", i % 60 + 1))
        assert(region:gmatch("%a+%d*" .. i % 7)() == nil or i % 7 == 0)
      end
      stop()
      print "done"
    ]]))
  end)

  it("may close or resize what is being read", function()
    assert.equal("done\n", child(HOSTILE .. [[
      local region, slice, array, records
      local function renew()
        region = mapped.anonymous(4096)
        region:fill(97)
        slice, array = region:sub(1), region:cast("I4")
        records = region:records("a:u16[8] b:char[16]")
      end
      local turn = 0
      renew()
      local stop = each_allocation(function()
        turn = turn + 1
        if turn % 3 == 0 then region:resize(turn % 5000) end
        if turn % 7 == 0 then region:close() end
      end)
      for _ = 1, 25 do
        for _, action in ipairs {
          function() return slice:tostring() end,
          function() return region:gsub("a", { a = "bb" }) end,
          function() return array:totable() end,
          function() return array:copy_from(array) end,
          function() return records[1].a, records[2].b end,
          function() records[1] = records[2] end,
          function() return records:column("b"):totable() end,
          function() return region:unpack("c100s1z") end,
          function() for line in slice:split("b") do return line end end,
          function() for a in region:gmatch("(a)(a)()") do return a end end,
          function() return region:append(slice) end,
          function() return region == array, slice < region end,
        } do
          pcall(action)
          if region:closed() then renew() end
        end
      end
      stop()
      print "done"
    ]]))
  end)
end)

describe("the end of a state", function()
  it("frees what finalizers make in it", function()
    local before = support.child([[
      setmetatable({}, { __gc = function()
        local mapped = require "mapped"
        for i = 1, 20 do
          pcall(function()
            local region = mapped.anonymous(64)
            region:unpack(("<I4 I%d"):format(i % 8 + 1))
            region:find("[%a]" .. i)
            region:records("a:u32 b:char[4] c:u8@" .. i + 8)
          end)
        end
        print "finalized"
      end })
      local mapped = require "mapped"
      mapped.anonymous(8):unpack("<I4")
      setmetatable({}, { __gc = function()
        local region = mapped.anonymous(64)
        region:records("a:u32 b:u32")
        assert(region:get("<I4") == 0)
      end })
    ]])
    assert.equal("finalized\n", before)
  end)
end)

describe("memory that the collector can't see", function()
  it("is charged to it", function()
    local peak = support.child([[
      local mapped = require "mapped"
      for _ = 1, 2000 do mapped.anonymous(2 ^ 20):fill(1) end
      for line in io.lines("/proc/self/status") do
        local kib = line:match("VmHWM:%s+(%d+)")
        if kib then print(kib // 1024) end
      end
    ]])
    assert.is_true(tonumber(peak) < 100, peak .. " MiB")
  end)

  it("is charged where private pages grow", function()
    local path = support.file(("x"):rep(2 ^ 20))
    local peak = support.child(([[
      local mapped = require "mapped"
      for _ = 1, 500 do
        local region = mapped.anonymous(10)
        assert(region:resize(2 ^ 20))
        region:fill(1)
        region = assert(mapped.open(%q, "c"))
        region:fill(1)
      end
      for line in io.lines("/proc/self/status") do
        local kib = line:match("VmHWM:%%s+(%%d+)")
        if kib then print(kib // 1024) end
      end
    ]]):format(path))
    assert.is_true(tonumber(peak) < 100, peak .. " MiB")
  end)

  it("leaves a collector that was stopped alone", function()
    if hostile then
      pending("a hostile build collects at every call")
      return
    end
    assert.equal("0\n", support.child([[
      local mapped = require "mapped"
      local finalized = 0
      collectgarbage("stop")
      for _ = 1, 50 do
        setmetatable({}, { __gc = function() finalized = finalized + 1 end })
        mapped.anonymous(2 ^ 20)
      end
      print(finalized)
    ]]))
  end)
end)

describe("regions that were dropped", function()
  local function limited(limit, code)
    return support.child(code, limit)
  end

  it("give their descriptors back where these run out", function()
    local path = support.file("x")
    assert.equal("done\n", limited("ulimit -n 60", ([[
      local mapped = require "mapped"
      collectgarbage("stop")
      for i = 1, 1000 do
        local region <const> = assert(mapped.open(%q, "r+"))
        if i %% 3 == 0 then assert(mapped.anonymous(1, { shared = true })) end
      end
      print "done"
    ]]):format(path)))
  end)

  it("give their addresses back where these run out", function()
    if sanitized then
      pending("a sanitizer's shadow memory exceeds any limit")
      return
    end
    assert.equal("done\n", limited("ulimit -v 1000000", [[
      local mapped = require "mapped"
      collectgarbage("stop")
      local kept = mapped.anonymous(10)
      for _ = 1, 100 do
        local region <const> = assert(mapped.anonymous(100 << 20))
      end
      for _ = 1, 20 do
        mapped.anonymous(400 << 20)
        assert(kept:resize(kept:sub(1) and #kept + (10 << 20)))
      end
      print "done"
    ]]))
  end)

  it("are collected once only", function()
    local message = limited("ulimit -n 40", [[
      local mapped = require "mapped"
      local kept = {}
      for i = 1, 100 do
        local region, message, code = mapped.anonymous(1, { shared = true })
        if not region then print(code, message) break end
        kept[i] = region
      end
    ]])
    assert.matches("^24\tanonymous: memfd_create: ", message)
  end)
end)
