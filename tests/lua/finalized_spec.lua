-- Guards against a use after free, and against bytes of a wrong file, when an
-- object is finalized in the middle of one of its own methods. Every method of
-- every type is called so.
local support = require "tests.lua.support"
local child = support.child

-- A program that finalizes objects in the middle of their methods. Lua runs ten
-- finalizers at a time, so a finalizer can store an object somewhere whose own
-- finalizer hasn't run yet. That one runs when the collector is restarted, the
-- later the larger `delay` is. Directly after it another file is mapped, often
-- at the addresses that it has freed.
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
    atomic = function() return open():atomic("I4") end,
    ring = function()
      local region = open()
      region:fill(0)
      local ring = mapped.Ring(region)
      for _ = 1, 3 do ring:send(("a"):rep(700)) end
      return ring
    end,
  }
]]

-- Lists how each method and operator of a type is called. `gc` collects
-- garbage, and `new` makes a text that is in no cache.
local METHODS = [[
  local function gc() collectgarbage() return "x" end
  local function turn() collectgarbage("generational") return "x" end
  local function three() collectgarbage() return 3 end
  local texts = setmetatable({}, { __index = gc, __len = three })
  local numbers = setmetatable({}, { __index = three, __len = three })
  local memory, small = mapped.anonymous(LENGTH), mapped.anonymous(8)
  local null = assert(io.open("/dev/null", "w"))
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
    __concat = { function(o) return o .. "a" end,
      function(o) return 12.5 .. o end,
      function(o) return o .. memory:records(LAYOUT):column("c") end },
    __pairs = { first_pair },
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
    atomic = { function(o) return o:atomic("I4"):add(1) end,
      function(o) return o:atomic(new("I8"), 9) end },
    lock = { function(o) return o:lock() end,
      function(o) return o:sub(2):lock { timeout = 0 } end },
    file = { function(o) return o:file():read("a") end,
      function(o) return o:file("r"):seek("end") end },
    write_to = { function(o) return o:write_to(null) end,
      function(o) return o:write_to(8999) end },
    advise = { function(o) return o:advise("random") end,
      function(o) return o:advise(new("cold")) end },
    discard = { function(o) return o:discard() end },
    mlock = { function(o) return o:mlock() end },
    munlock = { function(o) return o:munlock() end },
    prefetch = { function(o) return o:prefetch() end,
      function(o) return o:prefetch(true, gc) end,
      function(o) return o:prefetch(false) end },
    protect = { function(o) return o:protect("r+") end },
    residency = { function(o) return o:residency() end,
      function(o) return o:residency(true) end },
    revert = { function(o) return o:revert() end },
    byte = { function(o) return o:byte() end,
      function(o) return o:byte(1, 200) end },
    ffi = { function(o) return pcall(o.ffi, o, "uint8_t") end },
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
    flush = { function(o) return o:flush() end,
      function(o) return o:flush { wait = false } end },
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
      function(o) return o:gsub(new("a"), "") end,
      function(o) return o:gsub(small, small) end,
      function(o) return o:gsub("a", gc, 3, memory) end,
      function(o) return o:gsub("a", "%0", nil, memory) end },
    lines = { function(o) return first(o:lines()) end,
      function(o) return first(o:lines(true)) end },
    match = { function(o) return o:match("(a+)()") end,
      function(o) return o:match(new("a")) end,
      function(o) return memory:match(o) end },
    move = { function(o) return o:move(1, 9, 90) end },
    offset = { function(o) return o:offset() end },
    pack = { function(o) return o:pack("s4 z", 1, ("x"):rep(900), "x") end,
      function(o) return o:pack(("<I4 "):rep(made % 90 + 1), 1) end,
      function(o) return o:pack("c4", 1, 12.5) end,
      function(o) return o:pack("s4", 1, memory:sub(1, 900)) end },
    readonly = { function(o) return o:readonly() end,
      function(o) return o:readonly(true):tostring() end },
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
    refresh = { function(o) return o:refresh() end },
    check = { function(o) return o:check() end },
    close = { function(o) return o:close() end },
    faults = { function(o) return o:faults() end },
    file_offset = { function(o) return o:file_offset() end },
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
    __concat = view.__concat,
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
    readonly = { function(o) return o:readonly() end,
      function(o) return o:readonly(true)[1] end },
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
    copy_from = { function(o) o:copy_from({ o[2] }) end,
      function(o) o:copy_from(o) end,
      function(o) o:copy_from({ { n = numbers, c = "x", v = 7 } }, 2) end },
    layout = { function(o) return o:layout():size(), o:layout():fields() end },
    sub = { function(o) return o:sub(2)[1].c end },
    totable = { function(o) return o:totable()[1].c end,
      function(o) return o:totable(2, 2) end },
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
    __index = { function(o) return o.size end,
      function(o) return memory:records(o)[1].c end,
      function(o) return #memory:records(o) end },
    __tostring = view.__tostring,
    fields = { function(o) return o:fields() end },
    size = { function(o) return o:size() end },
  }
  local atomic = {
    __index = { function(o) return o.load end },
    __tostring = view.__tostring,
    add = { function(o) return o:add(1) end,
      function(o) return o:add(1, new("relaxed")) end },
    and_ = { function(o) return o:and_(-1 >> 32) end },
    compare_exchange = { function(o) return o:compare_exchange(1, 2) end },
    exchange = { function(o) return o:exchange(7) end },
    load = { function(o) return o:load() end,
      function(o) return o:load("acquire") end },
    notify = { function(o) return o:notify() end },
    offset = view.offset,
    or_ = { function(o) return o:or_(1) end },
    region = view.region,
    store = { function(o) return o:store(7) end,
      function(o) return o:store("7") end },
    sub = { function(o) return o:sub(1) end },
    wait = { function(o) return o:wait(1) end,
      function(o) return o:wait(o:load(), 0) end },
    xor = { function(o) return o:xor(1) end },
  }
  local ring = {
    __close = { function(o) local closed <close> = o return closed end },
    __gc = { function(o) return debug.getmetatable(o).__gc(o) end },
    __index = { function(o) return o.send end },
    __tostring = view.__tostring,
    cancel = { function(o) return o:cancel() end,
      function(o) return o:peek(0), gc(), o:cancel() end },
    capacity = { function(o) return o:capacity() end },
    commit = { function(o) return o:reserve(9, 0), gc(), o:commit(3) end },
    iter = { function(o) for x in o:iter(0) do return x end end },
    longest = { function(o) return o:longest() end },
    peek = { function(o) return o:peek(0):tostring() end },
    receivers_died = { function(o) return o:receivers_died() end },
    recv = { function(o) return o:recv(0) end },
    recv_many = { function(o) return o:recv_many(2, 0) end,
      function(o) return o:recv_many(nil, 0) end },
    region = { function(o) return o:region():tostring() end },
    release = { function(o) return o:peek(0), gc(), o:release() end },
    reserve = { function(o) return o:reserve(2000, 0):fill(97) end },
    send = { function(o) return o:send(memory:sub(1, 99), 0) end,
      function(o) return o:send(memory:records(LAYOUT):column("c"), 0) end,
      function(o) return o:send(o:region():sub(1, 99), 0) end },
    send_many = { function(o) return o:send_many({ new("a"), memory:sub(1, 99) }, 0) end,
      function(o) return o:send_many({ o:region():sub(1, 99), new("a") }, 0) end },
    senders_died = { function(o) return o:senders_died() end },
    try_recv = { function(o) return o:try_recv() end },
    try_send = { function(o) return o:try_send(new("a")) end },
    used = { function(o) return o:used() end },
  }
  local TYPES = { ring = ring, atomic = atomic, region = region, slice = view, array = array,
    column = array, records = records, record = record, layout = layout }
]]

-- Makes every call of a type, and prints results that contain bytes of the
-- other file, and unexpected errors. Whether the finalizer runs inside of a
-- call depends on how much the call allocates; it does in about half of the
-- calls.
local CALL_ALL = [[
  local SANE = { "closed", "bad argument", "out of range", "expected",
    "no field", "memory order", "no record is", "neither zero nor a ring" }

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

-- Prints the names of a type's methods that are not called.
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
  if support.hostile then
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

  -- Not "atomic": its methods allocate next to nothing.
  for _, kind in ipairs { "region", "slice", "array", "column", "records",
    "record", "layout", "ring" } do
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
      fails(objects.atomic.load, objects.atomic)
      fails(objects.atomic.add, objects.atomic, 1)
      fails(objects.atomic.wait, objects.atomic, 1)
      fails(objects.atomic.notify, objects.atomic)
      for name, argument in pairs { send = "x", try_send = "x", send_many = { "x" },
        reserve = 1 } do
        fails(objects.ring[name], objects.ring, argument)
      end
      for _, name in ipairs { "recv", "try_recv", "recv_many", "peek", "used" } do
        fails(objects.ring[name], objects.ring)
      end
      fails(objects.ring:iter())
      objects.ring:cancel()

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
