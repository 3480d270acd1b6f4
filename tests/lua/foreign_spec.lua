-- Guards against code that runs in the middle of a call, such as a finalizer
-- that closes, searches or sets the locale, and against objects that a script
-- has forged. Such code must not cause a use after free, map another file or
-- read any address.
local mapped = require "mapped"
local support = require "tests.lua.support"
local child = support.child
local has_rex, rex = pcall(require, "rex_pcre2")

-- The beginning of a program in which nearly every allocation collects all
-- garbage.
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

  -- Makes a userdata whose bytes are those of a region's, as far as a script
  -- can know them.
  local function forged(object, size)
    local address = string.pack("<I8", support.address(object))
    return rex._newmembuffer(address:rep(size // 8))
  end

  it("is refused, whatever its bytes are", function()
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

describe("a finalizer", function()
  -- In a state that is being closed, what the module makes would be freed
  -- without its own finalizers, and stay in the tables of the process.
  it("can't load the module", function()
    if support.hostile then
      pending("a hostile build has loaded it before")
      return
    end
    assert.equal("false\tmapped can't be loaded by a finalizer\ntrue\n",
                 child [[
      local function load_it() print(pcall(require, "mapped")) end
      local function load_in_a_coroutine()
        print(not pcall(coroutine.wrap(require), "mapped"))
      end
      kept = setmetatable({}, { __gc = load_in_a_coroutine })
      kept_too = setmetatable({}, { __gc = load_it })
    ]])
  end)
end)

describe("a finalizer in the middle of a call", function()
  -- The elements are gathered in a userdata that is large enough for a whole
  -- collection.
  it("may close the region that is compared", function()
    assert.equal("false\tattempt to use a closed region\n", child [[
      local mapped = require "mapped"
      local region = mapped.anonymous(1048576)
      local column = mapped.anonymous(2097152):records("a:u8 b:u8"):column("a")
      collectgarbage("incremental", 200, 1000, 63)
      collectgarbage()
      setmetatable({}, { __gc = function() region:close() end })
      print(pcall(region.equals, region, column))
    ]])
  end)

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

  it("may go on with the iterator that is at work", function()
    assert.equal("1048576 b c d\n", child([[
      local mapped = require "mapped"
      local region = mapped.anonymous(2 ^ 20 + 3)
      region:fill(97)
      region:write(2 ^ 20 + 1, "bcd")
      local iterate, inside, ran
      local function arm()
        setmetatable({}, { __gc = function()
          if ran then return end
          ran = inside and pcall(iterate)
          arm()
        end })
      end
      collectgarbage()
      arm()
      collectgarbage("incremental", 100, 1000, 30)
      for _ = 1, 50 do
        iterate = region:gmatch("(a+)(b)(c)(d)")
        inside = true
        local a, b, c, d = iterate()
        inside = false
        if ran then
          print((a and #a or "lost") .. " " .. b .. " " .. c .. " " .. d)
          break
        end
      end
    ]]))
  end)

  it("may change the folder that a path begins in", function()
    assert.equal("done\n", child(HOSTILE .. [[
      local lfs = require "lfs"
      local top, name = os.tmpname(), ("d"):rep(200)
      os.remove(top)
      local folders = { top, top .. "/" .. name }
      for _, folder in ipairs(folders) do
        assert(lfs.mkdir(folder))
        assert(io.open(folder .. "/file", "w")):write("x"):close()
      end
      local at = 0
      local stop = each_allocation(function()
        at = at + 1
        lfs.chdir(folders[at % 2 + 1])
      end)
      for i = 1, 500 do
        lfs.chdir(folders[i % 2 + 1])
        assert(#assert(mapped.open("file")) == 1)
      end
      stop()
      lfs.chdir("/")
      for i = 2, 1, -1 do
        os.remove(folders[i] .. "/file")
        assert(lfs.rmdir(folders[i]))
      end
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
        records = region:records(
          "a:u16[8] b:char[16] p:{x:u32 y:u32} q:{t:char[70] n:u16[3]}[2] _:u8[64]")
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
          function() records[1].q = { records[2].q[1], records[3].q[2] } end,
          function() records[1].p = { x = 1, y = 2 } end,
          function() return records:totable()[1].q[2].n[3] end,
          function() return records:copy_from(records) end,
          function() return records[1].q[1].t, records:column("q", 2):layout() end,
          function() return records:column("b"):totable() end,
          function() return region:get("char", 3), region:get("u24be", "5") end,
          function() return region:pack("<I4 s1 z", 1, 2, 3, 4) end,
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

describe("a file handle", function()
  it("that was never opened is refused", function()
    assert.equal("2 refused\n", child [[
      local mapped = require "mapped"
      local leaked
      getmetatable(io.stdout).__gc = function(file) leaked = file end
      io.open("/nonexistent/x")
      collectgarbage()
      collectgarbage()
      local refused = 0
      for _, use in ipairs { mapped.open, mapped.windows } do
        local ok, message = pcall(use, leaked, use == mapped.windows and 10 or nil)
        assert(not ok and message:find "closed file", message)
        refused = refused + 1
      end
      print(refused .. " refused")
    ]])
  end)
end)
