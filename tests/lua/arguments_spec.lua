-- Guards against arguments that are ignored without an error, against writes
-- that go into a copy, and against messages whose length a script can choose.
local mapped = require "mapped"
local support = require "tests.lua.support"
local failure = support.failure

local region_of = support.region_of

describe("ranges", function()
  it("limit what is filled", function()
    local region = region_of(("."):rep(8))
    region:fill(120, 3, 5)
    assert.equal("..xxx...", region:tostring())
    region:fill(121, -2)
    assert.equal("..xxx.yy", region:tostring())
    region:fill(122, 5, 4)
    region:fill(122, 9)
    assert.equal("..xxx.yy", region:tostring())
    region:sub(2, 4):fill(122, 2, 100)
    assert.equal("..zzx.yy", region:tostring())
    assert.matches("number expected", failure(region.fill, region, 1, {}))
  end)

  it("limit what is counted", function()
    local region = region_of("banana")
    assert.equal(3, region:count("a"))
    assert.equal(2, region:count("a", 3))
    assert.equal(1, region:count("a", 3, 5))
    assert.equal(1, region:count("a", -2))
    assert.equal(0, region:count("a", 6, 1))
    assert.equal(0, region:count("an", 6))
    assert.matches("number expected", failure(region.count, region, "a", "x"))
  end)

  it("limit where rfind looks", function()
    local region = region_of("banana")
    assert.same({ 6, 6 }, { region:rfind("a") })
    assert.same({ 6, 6 }, { region:rfind("a", 3) })
    assert.same({ 1, 1 }, { region:rfind("b", 1) })
    assert.is_nil((region:rfind("b", 2)))
    assert.same({ 4, 5 }, { region:rfind("an", -3) })
    assert.is_nil((region:rfind("a", 8)))
    assert.same({ 7, 6 }, { region:rfind("", 7) })
    assert.matches("number expected", failure(region.rfind, region, "a", {}))
  end)
end)

it("a string is no position, neither to read nor to write", function()
  local region = region_of("abc")
  assert.is_nil(region["1"])
  assert.matches("number expected, got string",
                 failure(function() region["1"] = 1 end))
  assert.equal("abc", region:tostring())
end)

describe("a surplus argument", function()
  local most = {
    region = { close = 0, resize = 1, append = 1, refresh = 0, size = 0,
      file_offset = 0, mode = 0, name = 0,
      fileno = 0, seal = 1, check = 0, recover = 0, faults = 0 },
    view = { sub = 2, slice = 2, byte = 2, tostring = 2, write = 2, equals = 1,
      copy_from = 2, copy_to = 2, fill = 3, move = 3, get = 2, set = 3,
      cast = 1, ffi = 1, records = 1, topointer = 0, unpack = 2, rfind = 2, count = 3,
      startswith = 1, endswith = 1, flush = 1, lines = 1, split = 1, find = 3,
      match = 2, gmatch = 2, gsub = 4, readonly = 1, offset = 0, closed = 0,
      region = 0, advise = 1, discard = 0, revert = 0, prefetch = 2,
      residency = 1, mlock = 0, munlock = 0, protect = 1, atomic = 2,
      file = 1, write_to = 1,
      lock = 1 },
    lock = { unlock = 0, held = 0 },
    atomic = { load = 1, store = 2, exchange = 2, compare_exchange = 3, add = 2,
      sub = 2, and_ = 2, or_ = 2, xor = 2, wait = 2, notify = 1, region = 0,
      offset = 0 },
    array = { sub = 2, bytes = 0, totable = 2, copy_from = 2, readonly = 1,
      offset = 0, closed = 0, region = 0 },
    records = { sub = 2, bytes = 0, totable = 2, copy_from = 2, layout = 0,
      column = 2 },
    layout = { size = 0, fields = 0 },
    windows = { find = 2, count = 1, lines = 1, seek = 1, size = 0, close = 0,
      closed = 0 },
    module = { open = 3, anonymous = 2, layout = 1, guard = 1, stats = 0, windows = 3,
      fence = 1, unlink = 1, shared = 4, Mutex = 1, Ring = 1, type = 1 },
    mutex = { lock = 1, unlock = 0, abandon = 0 },
    ring = { send = 2, try_send = 1, send_many = 2, recv = 1, try_recv = 0,
      recv_many = 2, reserve = 2, commit = 1, peek = 1, release = 0, cancel = 0,
      iter = 1, capacity = 0, longest = 0, used = 0, senders_died = 0,
      receivers_died = 0, region = 0 },
  }

  local function refuses(object, methods, self)
    for name, count in pairs(methods) do
      local arguments = { self }
      for i = #arguments + 1, count + #arguments + 1 do arguments[i] = 1 end
      assert.equal(("%d argument%s expected at most, got %d"):format(
        #arguments - 1, #arguments == 2 and "" or "s", #arguments),
        failure(object[name], table.unpack(arguments)), name)
    end
  end

  it("is an error", function()
    local region = mapped.anonymous(8)
    refuses(region, most.region, region)
    refuses(region, most.view, region)
    refuses(region:sub(1), most.view, region:sub(1))
    refuses(region:cast("B"), most.array, region:cast("B"))
    refuses(region:records("a:u8"), most.records, region:records("a:u8"))
    refuses(region:atomic("I4"), most.atomic, region:atomic("I4"))
    local shared = mapped.anonymous(8, { shared = true })
    local lock <close> = assert(shared:lock())
    refuses(lock, most.lock, lock)
    refuses(mapped.Mutex(region), most.mutex, mapped.Mutex(region))
    local ring = mapped.Ring(mapped.anonymous(320))
    refuses(ring, most.ring, ring)
    refuses(mapped.layout("a:u8"), most.layout, mapped.layout("a:u8"))
    refuses((mapped.windows("README.md", 1)), most.windows,
            (mapped.windows("README.md", 1)))
    refuses(mapped, most.module)
    assert.equal("5 arguments expected at most, got 6",
                 failure(region.pack, region, "BB", 1, 2, 3, 4))
    assert.equal("3 arguments expected at most, got 4",
                 failure(region.pack, region, "", 1, nil))
    assert.equal(8, #region)
  end)

  it("is tested for every method", function()
    local region = mapped.anonymous(8)
    local function known(object, ...)
      for name in pairs(support.methods(object)) do
        local found = name == "pack"
        for _, list in ipairs { ... } do found = found or list[name] end
        assert.is_truthy(found, name)
      end
    end
    known(region, most.region, most.view)
    known(region:sub(1), most.view)
    known(region:cast("B"), most.array)
    known(region:records("a:u8"), most.records)
    known(region:atomic("I4"), most.atomic)
    local shared = mapped.anonymous(8, { shared = true })
    local lock <close> = assert(shared:lock())
    known(lock, most.lock)
    known(mapped.Mutex(region), most.mutex)
    known(mapped.Ring(mapped.anonymous(320)), most.ring)
    known(mapped.layout("a:u8"), most.layout)
    known((mapped.windows("README.md", 1)), most.windows)
  end)
end)

describe("a field of several elements", function()
  it("is written in place", function()
    local region = mapped.anonymous(48)
    local records = region:records("levels:u16[4] n:u64")
    records[2].levels[1] = 9
    records[2].levels[4] = 10
    assert.equal(9, region:get("I2", 17))
    assert.same({ 9, 0, 0, 10 }, records[2].levels:totable())
    assert.equal(4, #records[2].levels)
    assert.is_nil(records[2].levels[5])
    assert.has_error(function() records[2].levels[5] = 1 end)
    assert.same({ 0, 10 }, records[2].levels:sub(3):totable())
    assert.equal(16, records[2].levels:offset())
  end)

  it("takes a table, an Array and the record it came from", function()
    local region = mapped.anonymous(48)
    local records = region:records("levels:u16[4] n:u64")
    records[1].levels = { 1, 2, 3, 4 }
    records[2].levels = records[1].levels
    records[3] = records[2]
    records[1].levels = records[1].levels
    records[1].levels = region_of("\4\3\2\1"):cast("B")
    assert.same({ 4, 3, 2, 1 }, records[1].levels:totable())
    assert.same({ 1, 2, 3, 4 }, records[3].levels:totable())
    assert.matches("4 values expected, got 3", failure(function()
      records[1].levels = region_of("abc"):cast("B")
    end))
    assert.matches("table or mapped.Array expected, got string", failure(
      function() records[1].levels = "abcd" end))
    assert.matches("300 does not fit u8", failure(function()
      local bytes = mapped.anonymous(4):records("b:u8[4]")
      bytes[1].b = { 1, 2, 300, 4 }
    end))
  end)
end)

describe("a row of a table", function()
  it("has no field but those named by strings", function()
    local records = mapped.anonymous(8):records("a:u32")
    local other = setmetatable({}, { __tostring = function() return "a" end })
    assert.matches("^no field 'a'", failure(function()
      records[1] = { a = 1, [other] = 2 }
    end))
    assert.matches("^no field '1'", failure(function() records[1] = { 2 } end))
    assert.equal(0, records[1].a)
  end)
end)

describe("the text of a message", function()
  it("is cut where a script has passed in more", function()
    local long = ("x"):rep(1000000)
    local region = mapped.anonymous(64)
    local loud = setmetatable({}, { __tostring = function() return long end })
    local named = setmetatable({}, { __name = long })
    local layout = "a" .. ("b"):rep(10000) .. ":u8"
    local records = region:sub(1, 1):records(layout)
    for name, action in pairs {
      code = function() region:get(long, 1) end,
      cast = function() region:cast(long) end,
      mode = function() mapped.open("x", long) end,
      option = function() mapped.anonymous(1, { [long] = 1 }) end,
      ["option's value"] = function() mapped.anonymous(1, { reserve = long }) end,
      ["loud value"] = function() mapped.anonymous(1, { reserve = loud }) end,
      ["loud option"] = function() mapped.anonymous(1, { [loud] = 1 }) end,
      field = function() return records[1][long] end,
      column = function() return records:column(long) end,
      row = function() records[1] = { [long] = 1 } end,
      ["field's value"] = function() records[1]["a" .. ("b"):rep(10000)] = "x" end,
      value = function() region:set("B", 1, 10 ^ 300 // 1 | 0) end,
      path = function() assert(mapped.open("/" .. long)) end,
      ["type for a number"] = function() region:sub(named) end,
      ["type for a switch"] = function() mapped.guard(named) end,
      ["type for a length"] = function() mapped.anonymous(named) end,
      ["type for a byte"] = function() region:fill(named) end,
      ["type for a position"] = function() region:get("B", named) end,
      ["type for a float"] = function() region:set("d", 1, named) end,
      ["type for bytes"] = function() region:write(1, named) end,
      ["type for a format"] = function() region:unpack(named) end,
      ["type for a pattern"] = function() region:gmatch(named) end,
      ["type for a replacement"] = function() region:gsub("a", io.stdout) end,
      ["type for a layout"] = function() region:records(named) end,
      ["type for a path"] = function() mapped.open(named) end,
      ["type for a mode"] = function() mapped.open("x", named) end,
      ["type for us"] = function() region.sub(named, 1) end,
    } do
      local message = failure(action)
      assert.is_true(#message < 250, name .. ": " .. message:sub(1, 300))
    end
  end)
end)

describe("topointer", function()
  after_each(support.clean)

  local function grows(region)
    local n = #region
    for i = 1, 50 do
      assert(region:append(("y"):rep(100000)))
      assert.equal(n + i * 100000, #region)
    end
  end

  it("lets a file grow, and stays true", function()
    local path = support.file("abc")
    local region <close> = assert(mapped.open(path, "r+"))
    local slice = region:sub(1, 3)
    local pointer = region:topointer()
    grows(region)
    assert.equal("abcy", region:tostring(1, 4))
    assert.equal("abc", slice:tostring())
    assert.is_true(support.mappings(path) <= 2)
    assert.is_truthy(pointer)
    assert.is_true(region:close())
  end)

  it("lets memory grow", function()
    local region = mapped.anonymous(4096)
    region:write(1, "abc")
    local pointer = region:topointer()
    grows(region)
    assert.equal("abc\0", region:tostring(1, 4))
    assert.is_true(pointer ~= region:topointer())
    grows(region)
    assert.is_true(region:resize(10) == nil)
    assert.is_true(region:close())
  end)

  it("stays valid behind the end of a block, which warns", function()
    local path = support.file(("abc "):rep(2000))
    local said = support.child(([[
      local mapped = require "mapped"
      warn("@on")
      local function mappings()
        local count = 0
        for line in io.lines("/proc/self/maps") do
          if line:find(%q, 1, true) then count = count + 1 end
        end
        return count
      end
      local kept
      do
        local region <close> = assert(mapped.open(%q))
        region:topointer()
        kept = region
      end
      assert(kept:closed() and not pcall(kept.topointer, kept))
      io.write(mappings(), "\t")
      kept = nil
      collectgarbage()
      print(mappings())
    ]]):format(path, path))
    assert.matches("Lua warning: mapped: a region was closed by the end of its "
      .. "block, and the pointer to its memory that was given away is valid "
      .. "until it is collected\n", said, 1, true)
    assert.matches("1\t0\n", said, 1, true)
  end)
end)

describe("a file whose size the system doesn't know", function()
  it("is refused", function()
    local region, message, code = mapped.open("/proc/self/status")
    assert.is_nil(region)
    assert.equal("/proc/self/status: open: not a file that can be mapped: "
      .. "No such device", message)
    assert.equal(19, code)
  end)
end)

describe("an error", function()
  after_each(support.clean)

  it("names what was called, and the file", function()
    local path = support.file("abc")
    local region <close> = assert(mapped.open(path))
    assert.equal(path .. ': fill: attempt to write to read-only memory (open '
      .. 'with "r+" to change the file, or with "c" to change a private copy)',
                 failure(region.fill, region, 1))
    assert.equal(path .. ': append: attempt to write to read-only memory '
      .. '(open with "r+")', failure(region.append, region, "x"))
    local copy <close> = assert(mapped.open(path, "c"))
    local _, refused = copy:append("x")
    assert.matches(path .. ": append: ", refused, 1, true)
    local reserved = mapped.anonymous(8, { reserve = 10 })
    assert.matches("^append: longer than the reserve: ",
                   failure(reserved.append, reserved, "xyz"))
    assert.matches("anonymous: longer than the reserve: invalid argument: ",
                   failure(mapped.anonymous, 10, { reserve = 5 }))
    local _, message = mapped.open("/nowhere/at/all")
    assert.equal("/nowhere/at/all: open: No such file or directory", message)
    _, message = mapped.anonymous(10, { reserve = 1 << 60 })
    assert.matches("^anonymous: mmap of the reserve: ", message)
    local full = assert(io.open("/dev/full", "w"))
    full:write("x")
    _, message = mapped.open(full)
    assert.equal("open: fflush: No space left on device", message)
    full:close()
  end)

  it("names what asks for an array of bytes that are gone", function()
    local region <close> = mapped.anonymous(100)
    local slice = region:sub(51, 100)
    region:resize(20)
    assert.matches("^cast: out of range: ", failure(slice.cast, slice, "B"))
    assert.matches("^records: out of range: ",
                   failure(slice.records, slice, "a:u8"))
  end)

  it("names the method that writes", function()
    local region <close> = assert(mapped.open(support.file(("a"):rep(64))))
    local bytes, records = region:cast("B"), region:records("x:u32 t:char[4]")
    local column = records:column("x")
    for name, actions in pairs {
      write = { function() region:write(1, "x") end },
      copy_from = { function() region:copy_from("x") end,
        function() bytes:copy_from({ 1 }) end,
        function() column:copy_from({ 1 }) end },
      copy_to = { function() mapped.anonymous(64):copy_to(region) end },
      move = { function() region:move(1, 2, 3) end },
      pack = { function() region:pack("B", 1, 1) end },
      set = { function() region:set("B", 1, 1) end,
        function() region[1] = 1 end,
        function() bytes[1] = 1 end,
        function() records[1].x = 1 end,
        function() records[1].t = "a" end,
        function() records[1] = { x = 1, t = "" } end },
    } do
      for i, action in ipairs(actions) do
        assert.matches(": " .. name .. ": attempt to write", failure(action),
                       1, true, name .. i)
      end
    end
  end)

  it("names the method that is given items that lie apart", function()
    local lost = mapped.anonymous(64)
    local column = lost:records("x:u32 y:u32"):column("x")
    local other = mapped.anonymous(64)
    lost:resize(32)
    for name, action in pairs {
      copy_from = function() other:copy_from(column) end,
      write = function() other:write(1, column) end,
      append = function() other:append(column) end,
      equals = function() other:equals(column) end,
      compare = function() return other < column end,
      find = function() other:find(column) end,
      count = function() other:count(column) end,
    } do
      assert.equal(1, (failure(action):find(name .. ": out of range", 1, true)),
                   name)
    end
  end)

  it("names the method that reads", function()
    local region = mapped.anonymous(64)
    local slice = region:sub(1)
    local bytes, records = slice:cast("B"), slice:records("x:u32 t:char[4]")
    region:resize(4)
    for name, action in pairs {
      tostring = function() slice:tostring() end,
      byte = function() slice:byte(5) end,
      sub = function() slice:sub(1) end,
      slice = function() slice:slice(1, 64) end,
      cast = function() slice:cast("B") end,
      get = function() slice:get("B", 9) end,
      equals = function() slice:equals(("a"):rep(64)) end,
      totable = function() bytes:totable() end,
      column = function() records:column("x") end,
      startswith = function() slice:startswith("a") end,
      endswith = function() slice:endswith("a") end,
      topointer = function() slice:topointer() end,
      record = function() return records[2].x end,
    } do
      assert.equal(1, (failure(action):find(name .. ": out of range", 1, true)),
                   name)
    end
    assert.matches("^sub: out of range", failure(bytes.sub, bytes, 1))
    assert.matches("^sub: out of range", failure(records.sub, records, 1))
    for name, action in pairs {
      find = function() slice:find("[%d]+x") end,
      match = function() slice:match("[%d]+x") end,
      gmatch = function() slice:gmatch("x")() end,
      gsub = function() slice:gsub("x", "y") end,
    } do
      assert.equal(1, (failure(action):find(name .. ": out of range", 1, true)),
                   name)
    end
    for _, name in ipairs { "find", "rfind", "count", "startswith", "endswith" } do
      assert.equal(1, (failure(region[name], region, slice)
        :find(name .. ": out of range", 1, true)), name)
    end
  end)
end)
