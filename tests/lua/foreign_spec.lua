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

-- A program that finalizes objects in the middle of their methods: Lua runs ten
-- finalizers at a time, so one may hand out an object whose own is still to
-- come. It comes once the collector is restarted, the later the longer `delay`
-- is; and right behind it another file is mapped, into whatever it freed.
local RESURRECT = [[
  local mapped = require "mapped"
  local path, other = %q, %q
  local LENGTH = 6144
  local LAYOUT = "n:u16[4] c:char[500] v:u32"
  local Nop = { __gc = function() end }
  local kept, ended, others = nil, false, {}
  for i = 1, 40 do others[i] = false end

  local function write(name, byte)
    local file <close> = assert(io.open(name, "wb"))
    assert(file:write(byte:rep(LENGTH)))
  end
  write(path, "a")
  write(other, "\xEE")

  local function hand_out(make, delay)
    kept = nil
    collectgarbage("restart")
    collectgarbage()
    for i = 1, #others do others[i] = false end
    collectgarbage()
    write(path, "a")
    ended = false
    collectgarbage("incremental", 100, 100, 1)
    collectgarbage("stop")
    setmetatable({}, { __gc = function()
      ended = true
      for i = 1, #others do others[i] = mapped.open(other, "r+") end
    end })
    local holder = { made = make() }
    for _ = 1, 9 + 10 * delay do setmetatable({}, Nop) end
    setmetatable(holder, { __gc = function(self) kept = self.made end })
    holder = nil
    repeat collectgarbage("step", 0) until kept
    collectgarbage("stop")
    assert(not ended, "finalized too early")
    return kept
  end

  local function open() return assert(mapped.open(path, "r+")) end
  local MAKERS = {
    region = open,
    slice = function() return open():sub(1) end,
    array = function() return open():cast("<I4") end,
    column = function() return open():records(LAYOUT):column("c") end,
    records = function() return open():records(LAYOUT) end,
    record = function() return open():records(LAYOUT)[2] end,
    layout = function() return mapped.layout(LAYOUT) end,
  }
]]

-- How each method and operator of a type is called: `gc` collects, and `new`
-- makes a text that no cache has.
local METHODS = [[
  local function gc() collectgarbage() return "x" end
  local function turn() collectgarbage("generational") return "x" end
  local function three() collectgarbage() return 3 end
  local texts = setmetatable({}, { __index = gc, __len = three })
  local numbers = setmetatable({}, { __index = three, __len = three })
  local memory, small = mapped.anonymous(LENGTH), mapped.anonymous(8)
  local made = 0
  local function new(text)
    made = made + 1
    return text .. (" "):rep(made % 50) .. ("x"):rep(made)
  end
  local function first(...)
    for x in ... do
      return gc() and type(x) == "userdata" and x:tostring() or x
    end
  end
  local function first_pair(o)
    for _, x in pairs(o) do return gc() and x end
  end

  local view = {
    __eq = { function(o) return o == memory end,
      function(o) return memory == o end },
    __index = { function(o) return o[1] end, function(o) return o.find end,
      function(o) return o[{}] end },
    __le = { function(o) return o <= memory end,
      function(o) return o <= "a" end },
    __len = { function(o) return #o end },
    __lt = { function(o) return o < memory end,
      function(o) return "a" < o end },
    __newindex = { function(o) o[1] = 120 end,
      function(o) o[LENGTH + 1] = 1 end },
    __tostring = { function(o) return tostring(o) end },
    byte = { function(o) return o:byte() end,
      function(o) return o:byte(1, 200) end },
    cast = { function(o) return o:cast("<I4")[1] end,
      function(o) return o:cast("f") end },
    closed = { function(o) return o:closed() end },
    copy_from = { function(o) return o:copy_from("x") end,
      function(o) return o:copy_from(memory) end,
      function(o) return o:copy_from(memory:records(LAYOUT):column("c")) end,
      function(o) return o:copy_from(o, 1) end },
    copy_to = { function(o) return o:copy_to(memory) end,
      function(o) return memory:copy_from(o) end },
    count = { function(o) return o:count("aa") end,
      function(o) return o:count(12.5) end,
      function(o) return o:count(small) end },
    endswith = { function(o) return o:endswith("aa") end,
      function(o) return o:endswith(small) end },
    equals = { function(o) return o:equals(memory) end,
      function(o) return o:equals("aaa") end },
    fill = { function(o) return o:fill(120) end },
    find = { function(o) return o:find("aa", 1, true) end,
      function(o) return o:find("(a+)()") end,
      function(o) return o:find(new("[%a]")) end,
      function(o) return o:find(12.5) end },
    get = { function(o) return o:get("<I4") end,
      function(o) return o:get(new("I4")) end },
    gmatch = { function(o) return first(o:gmatch("a+")) end,
      function(o) for x, y in o:gmatch("(aa)(a)") do return gc(), x, y end end,
      function(o) return first(o:gmatch(new("[%a]*"))) end },
    gsub = { function(o) return o:gsub("a", gc, 3) end,
      function(o) return o:gsub("a", turn, 3) end,
      function(o) return o:gsub("a", texts, 3) end,
      function(o) return o:gsub("a", "%0%0") end,
      function(o) return o:gsub("a", { a = "bb" }) end,
      function(o) return o:gsub(new("a"), "") end },
    lines = { function(o) return first(o:lines()) end,
      function(o) return first(o:lines(true)) end },
    match = { function(o) return o:match("(a+)()") end,
      function(o) return o:match(new("a")) end },
    move = { function(o) return o:move(1, 9, 90) end },
    offset = { function(o) return o:offset() end },
    pack = { function(o) return o:pack("s4 z", 1, ("x"):rep(900), "x") end,
      function(o) return o:pack(("<I4 "):rep(made % 90 + 1), 1) end,
      function(o) return o:pack("c4", 1, 12.5) end },
    readonly = { function(o) return o:readonly() end },
    records = { function(o) return o:records(LAYOUT)[1].c end,
      function(o) return o:records(new("a:u8 ")) end },
    region = { function(o) return o:region():tostring() end },
    rfind = { function(o) return o:rfind("aa") end,
      function(o) return o:rfind(12.5) end,
      function(o) return o:rfind(small) end },
    set = { function(o) return o:set("<I4", 1, 7) end,
      function(o) return o:set(new("I4"), 1, 7) end },
    slice = { function(o) return o:slice(9, 5):tostring() end },
    split = { function(o) return first(o:split("a")) end,
      function(o) return first(o:split(small)) end },
    startswith = { function(o) return o:startswith("aa") end,
      function(o) return o:startswith(small) end },
    sub = { function(o) return o:sub(2, -2):tostring() end,
      function(o) return o:sub(4)[1] end },
    topointer = { function(o) return type(o:topointer()) end },
    tostring = { function(o) return o:tostring() end },
    unpack = { function(o) return o:unpack("c5000", 1) end,
      function(o) return o:unpack("c100 z") end,
      function(o) return o:unpack(("<I4 "):rep(made % 90 + 1)) end },
    write = { function(o) return o:write(1, "x") end,
      function(o) return o:write(1, memory) end,
      function(o) return memory:write(1, o) end },
  }
  local region = {
    __close = { function(o) local closed <close> = o return closed end },
    __gc = { function(o) return debug.getmetatable(o).__gc(o) end },
    append = { function(o) return o:append("x") end,
      function(o) return o:append(12.5) end,
      function(o) return o:append(o) end },
    check = { function(o) return o:check() end },
    close = { function(o) return o:close() end },
    faults = { function(o) return o:faults() end },
    fileno = { function(o) return type(o:fileno()) end },
    mode = { function(o) return o:mode() end },
    name = { function(o) return o:name() end },
    recover = { function(o) return o:recover() end },
    resize = { function(o) return o:resize(1 << 45) end,
      function(o) return o:resize(100) end },
    seal = { function(o) return o:seal() end },
    size = { function(o) return o:size() end },
  }
  for name, calls in pairs(view) do region[name] = calls end
  local array = {
    __eq = { function(o) return o == memory end,
      function(o) return o == o:sub(1) end },
    __index = { function(o) return o[1] end,
      function(o) return o.totable end },
    __le = { function(o) return o <= o end },
    __len = view.__len,
    __lt = { function(o) return o < o end },
    __newindex = { function(o) o[1] = 7 end, function(o) o[1] = "x" end,
      function(o) o[9999] = 1 end },
    __pairs = { first_pair },
    __tostring = view.__tostring,
    bytes = { function(o) return o:bytes():tostring() end },
    closed = view.closed,
    copy_from = { function(o) return o:copy_from(numbers) end,
      function(o) return o:copy_from(texts) end,
      function(o) return o:copy_from({ 7, 8, 9 }) end,
      function(o) return o:copy_from({ "x", "y" }) end,
      function(o) return o:copy_from(o, 1) end,
      function(o) return memory:copy_from(o) end },
    offset = view.offset,
    readonly = view.readonly,
    region = view.region,
    sub = { function(o) return o:sub(2)[1] end },
    totable = { function(o) return o:totable() end,
      function(o) return o:totable(1, 5) end },
  }
  local records = {
    __eq = { function(o) return o == o:sub(1) end,
      function(o) return o == memory:records(LAYOUT) end },
    __index = { function(o) return o[2].c end, function(o) return o[2].n end,
      function(o) return o.sub end },
    __len = view.__len,
    __newindex = { function(o) o[1] = { n = numbers, c = "x", v = 7 } end,
      function(o) o[1] = numbers end, function(o) o[1] = o[2] end },
    __pairs = { function(o) return first_pair(o).c end },
    __tostring = view.__tostring,
    bytes = array.bytes,
    column = { function(o) return o:column("c"):totable() end,
      function(o) return o:column("n", 2)[1] end },
    layout = { function(o) return o:layout():size(), o:layout():fields() end },
    sub = { function(o) return o:sub(2)[1].c end },
  }
  local record = {
    __eq = { function(o) return o == memory:records(LAYOUT)[1] end,
      function(o) return o == o end },
    __index = { function(o) return o.c end, function(o) return o.n end,
      function(o) return o.v end, function(o) return o.none end },
    __newindex = { function(o) o.c = "x" end, function(o) o.n = numbers end,
      function(o) o.n = { 1, 2, 3, 4 } end, function(o) o.v = 7 end,
      function(o) o.v = numbers end, function(o) o.none = 1 end },
    __pairs = { first_pair },
    __tostring = view.__tostring,
  }
  local layout = {
    __gc = region.__gc,
    __index = { function(o) return o.size end,
      function(o) return memory:records(o)[1].c end,
      function(o) return #memory:records(o) end },
    __tostring = view.__tostring,
    fields = { function(o) return o:fields() end },
    size = { function(o) return o:size() end },
  }
  local TYPES = { region = region, slice = view, array = array,
    column = array, records = records, record = record, layout = layout }
]]

-- Calls all of a type and tells of what is neither a result with nothing of the
-- other file in it nor an error about the arguments. Which calls the finalizer
-- gets into depends on what they allocate: of about half of them it does.
local CALL_ALL = [[
  local SANE = { "closed", "bad argument", "out of range", "expected",
    "no field" }

  local function is_sane(message)
    for _, text in ipairs(SANE) do
      if tostring(message):find(text, 1, true) then return true end
    end
  end

  local function is_other(value)
    if type(value) == "string" then
      return value:find("\xEE", 1, true)
    elseif math.type(value) == "integer" then
      return value == 0xEE
        or string.pack("j", value):find("\xEE\xEE", 1, true)
    elseif type(value) == "table" then
      for _, member in pairs(value) do
        if is_other(member) then return true end
      end
    end
  end

  local inside
  local function outcome(...)
    collectgarbage("stop")
    inside = inside or ended
    return { ... }
  end

  local function try(name, call, delay)
    local object = hand_out(MAKERS[kind], delay)
    collectgarbage("restart")
    local results = outcome(pcall(call, object))
    if not results[1] and not is_sane(results[2]) then
      print(name, results[2])
    elseif results[1] and is_other(results) then
      print(name, "read another file")
    end
    local file <close> = assert(io.open(other, "rb"))
    if file:read("a") ~= ("\xEE"):rep(LENGTH) then
      print(name, "wrote to another file")
      write(other, "\xEE")
    end
  end

  local names = {}
  for name in pairs(TYPES[kind]) do names[#names + 1] = name end
  table.sort(names)
  local total, interrupted = 0, 0
  for _, name in ipairs(names) do
    for i, call in ipairs(TYPES[kind][name]) do
      inside = false
      for delay = 0, 3 do try(name .. " " .. i, call, delay) end
      total = total + 1
      interrupted = interrupted + (inside and 1 or 0)
    end
  end
  print(interrupted * 3 >= total and "done" or interrupted .. " of " .. total)
]]

-- Prints what a type has that isn't called.
local CHECK_NAMES = [[
  local NO_CALLS = { __name = true, __metatable = true }
  for kind, make in pairs(MAKERS) do
    local meta = debug.getmetatable(make())
    local names, index = {}, meta.__index
    if type(index) == "function" then
      local _, methods = debug.getupvalue(index, debug.getinfo(index).nups)
      index = methods
    end
    for _, from in ipairs { meta, type(index) == "table" and index or {} } do
      for name in pairs(from) do
        if not TYPES[kind][name] and not NO_CALLS[name] then
          print(kind, name)
        end
      end
    end
  end
  print "done"
]]

describe("an object that a finalizer has handed out", function()
  if hostile then
    pending("a hostile build collects at every call")
    return
  end
  after_each(support.clean)

  local function resurrected(code)
    local path, other = support.file(), support.file()
    return child(RESURRECT:format(path, other) .. METHODS .. code)
  end

  it("is called by every name that it has", function()
    assert.equal("done\n", resurrected(CHECK_NAMES))
  end)

  for _, kind in ipairs { "region", "slice", "array", "column", "records",
    "record", "layout" } do
    it("may be finalized in the middle of a call: " .. kind, function()
      assert.equal("done\n",
        resurrected(("local kind = %q\n"):format(kind) .. CALL_ALL))
    end)
  end

  it("answers as closed once it is finalized", function()
    assert.equal("done\n", resurrected([[
      local function fails(f, ...)
        local ok, message = pcall(f, ...)
        assert(not ok and message:find("closed", 1, true), message)
      end
      local objects = {}
      for kind, make in pairs(MAKERS) do
        local object = hand_out(make, 0)
        collectgarbage()
        assert(ended)
        objects[kind] = object
        local text = tostring(object)
        assert((text:find("(closed)", 1, true) ~= nil) == (kind ~= "layout"),
               text)
      end
      for _, kind in ipairs { "region", "slice", "array", "column" } do
        local object = objects[kind]
        assert(object:closed() == true)
        assert(object == object and object ~= memory)
        fails(object.sub, object, 1)
        fails(function() object[1] = 1 end)
        fails(memory.copy_from, memory, object)
      end
      for _, kind in ipairs { "region", "slice" } do
        local object = objects[kind]
        fails(object.slice, object, 1, 1)
        fails(object.tostring, object)
        fails(object.find, object, "a")
        fails(object.unpack, object, "B")
      end
      fails(objects.region.resize, objects.region, 10)
      fails(objects.region.append, objects.region, "x")
      objects.region:close()
      fails(objects.array.totable, objects.array)
      fails(objects.column.totable, objects.column)
      fails(objects.records.layout, objects.records)
      fails(function() return objects.records[1].v end)
      fails(function() return objects.record.v end)
      fails(function() objects.record.v = 1 end)

      local layout = objects.layout
      assert(layout:size() == 512)
      local names = {}
      for i, field in ipairs(layout:fields()) do names[i] = field.name end
      assert(table.concat(names, " ") == "n c v")
      memory:fill(97)
      assert(memory:records(layout)[1].c == ("a"):rep(500))
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
  -- The most MiB that a child which runs `code` has had resident.
  local function peak_of(code)
    return tonumber(support.child(code .. [[
      for line in io.lines("/proc/self/status") do
        local kib = line:match("VmHWM:%s+(%d+)")
        if kib then print(kib // 1024) end
      end
    ]]))
  end

  it("is charged to it", function()
    local peak = peak_of([[
      local mapped = require "mapped"
      for _ = 1, 2000 do mapped.anonymous(2 ^ 20):fill(1) end
    ]])
    assert.is_true(peak < 100, peak .. " MiB")
  end)

  it("is charged where private pages grow", function()
    local path = support.file(("x"):rep(2 ^ 20))
    local peak = peak_of(([[
      local mapped = require "mapped"
      for _ = 1, 500 do
        local region = mapped.anonymous(10)
        assert(region:resize(2 ^ 20))
        region:fill(1)
        region = assert(mapped.open(%q, "c"))
        region:fill(1)
      end
    ]]):format(path))
    assert.is_true(peak < 100, peak .. " MiB")
  end)

  it("is charged where growth leaves a copy to a pointer", function()
    local peak = peak_of([[
      local mapped = require "mapped"
      for _ = 1, 10 do
        local region = mapped.anonymous(2 ^ 20)
        region:fill(1)
        for i = 1, 60 do
          region:topointer()
          assert(region:resize(2 ^ 20 + i * 4096))
        end
      end
    ]])
    assert.is_true(peak < 250, peak .. " MiB")
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
