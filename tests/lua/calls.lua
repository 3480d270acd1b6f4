-- Calls the library at random: every method and operator of its objects, with
-- every kind of argument, while finalizers, callbacks and metamethods close,
-- resize and search the objects in use. Any error is fine; only a crash, a
-- hang, a sanitizer's report, or a descriptor that is left open is a defect.
--
-- Usage: calls.lua SEED SECONDS LOG, in a directory for its files. Before each
-- call it writes to LOG which call it is; LOG keeps the last lines. Functions
-- that may end the process (mapped.guard) or block it are not called. A seed
-- gives the same values each time, but garbage may be collected at other
-- moments.
local mapped = require "mapped"
local lfs = require "lfs"
local has_rex, rex = pcall(require, "rex_pcre2")

local seed, seconds = math.tointeger(arg[1]), tonumber(arg[2])
local log = assert(io.open(arg[3], "w"))
log:setvbuf("no")
math.randomseed(seed)
local random = math.random

local SLOTS, WIDTH = 64, 240
local POOL = 24
local MODES = { "r", "r+", "c", "w+", "x+", "a+", "rb", "r+b", "b" }
local NEVER = { guard = true }
local calls = 0

local pool = {}
local act

local function any(t)
  return t[random(#t)]
end

local function note(text)
  calls = calls + 1
  log:seek("set", calls % SLOTS * WIDTH)
  text = ("%d %s"):format(calls, (text:gsub("[^ -~]", "?")))
  text = text:sub(1, WIDTH - 1)
  log:write(text, (" "):rep(WIDTH - 1 - #text), "\n")
end

-- Arguments -----------------------------------------------------------------

local SIZES = { 0, 1, 2, 7, 8, 64, 100, 4095, 4096, 4097, 20000 }
local CODES = { "B", "b", "<I2", ">I4", "<i8", "f", "<d", "j", "T", "I16", "c3",
  "z", "s1", "s4", "<!8 I3 x", "X", "Xi4", " ", "i17", "c", "u32", "bf16", "bool", "char", "char[4]" }
local LAYOUTS = { "a:u8 b:u32", "a:u8", "x:f64 y:char[3] z:i16[4]",
  "flag:bool t:>u32", "n:u64", "p:{x:u8 y:bf16}", "b:{n:u16 c:char[3]}[2]", "a:u8[0]", "", ":", "a:u9", "a:u8 a:u8" }
local PATTERNS = { "%a+", "x", "", "(x)()", "%f[%w]%w+", "[^x]*", "%b()", "(",
  "%", "^x", "x-$", "(.)%1", "[%z\1-\127]", ("x?"):rep(30), "%1" }
local NAMES = { "a", "b", "mode", "length", "offset", "reserve", "fd", "sparse",
  "shared", "huge", "populate", "device", "permissions", "n", "x", "y",
  "cold", "sequential", "pageout" }

-- No number between the small and the impossible ones: as a size it would fill
-- the machine's memory or disk.
local function integer()
  local kind = random(10)
  if kind <= 4 then
    return random(-3, 40)
  elseif kind <= 7 then
    return any(SIZES)
  elseif kind == 8 then
    return -any(SIZES)
  end
  return any { math.maxinteger, math.mininteger, 1 << 62, -1 << 62, 1 << 47,
    1 << 50, -1 << 40, math.maxinteger - 4095 }
end

local function text()
  local kind = random(8)
  if kind == 1 then
    return any(PATTERNS)
  elseif kind == 2 then
    return any(CODES)
  elseif kind == 3 then
    return any(LAYOUTS)
  elseif kind == 4 then
    return any(MODES)
  elseif kind == 5 then
    return any(NAMES)
  elseif kind == 6 then
    return ("x\0y"):rep(random(0, 2000))
  elseif kind == 7 then
    return ("[%%d]x%d"):format(random(600)) -- more texts than a cache has room for
  end
  return ("<I%d c%d"):format(random(8), random(600))
end

local function result()
  act()
  return any { random(9), 1.5, "x", {}, false, function() end }
end

-- Returns an object whose metamethods each do something random.
local function hostile()
  local meta = {}
  for _, name in ipairs { "__index", "__len", "__eq", "__lt", "__le",
    "__tostring", "__call", "__concat", "__newindex", "__close", "__pairs",
    "__name", "__add", "__unm" } do
    if random(4) > 1 then
      meta[name] = result
    end
  end
  return setmetatable({}, meta)
end

-- Returns the bytes of an object's memory, or other bytes if they can't be
-- read.
local function stolen(object)
  local bytes = ("%p"):format(object):gsub("0x", "")
  local memory <close> = io.open("/proc/self/mem", "rb")
  local address = tonumber(bytes, 16)
  return memory and address and memory:seek("set", address)
    and memory:read(any { 16, 40, 64, 72 }) or ("x"):rep(64)
end

-- Returns a userdata of another library, whose bytes a script can choose.
local function foreign()
  local bytes
  local kind = random(3)
  if kind == 1 then
    bytes = stolen(any(pool))
  elseif kind == 2 then
    local address = tonumber((("%p"):format(any(pool)):gsub("0x", "")), 16)
    bytes = string.pack("<jjjjjj", address or 1, address or 2, 0, address or 3,
      64, 64)
  else
    bytes = ("\255\0\1x"):rep(random(30))
  end
  return rex._newmembuffer(bytes)
end

local function options()
  local made = {}
  for _ = 1, random(0, 3) do
    made[any(NAMES)] = any { integer(), true, text(), "advise", hostile() }
  end
  return made
end

local handles = {}

local function handle()
  local file = io.open("file" .. random(4), any { "rb", "r+b", "ab", "w+b" })
    or io.tmpfile()
  if random(3) == 1 then
    file:close()
  end
  table.insert(handles, 1, file)
  handles[9] = nil
  return file
end

local function value()
  local kind = random(17)
  if kind <= 4 then
    return integer()
  elseif kind <= 7 then
    return text()
  elseif kind <= 10 then
    return any(pool)
  elseif kind == 11 then
    return any { 1.5, 3.0, 0 / 0, 1 / 0, -1 / 0, 2 ^ 53, -0.0, 1e300 }
  elseif kind == 12 then
    return any { true, false }
  elseif kind == 13 then
    return hostile()
  elseif kind == 14 then
    return options()
  elseif kind == 15 then
    return result
  elseif kind == 16 then
    return any { handle, coroutine.create }(result)
  elseif has_rex then
    return foreign()
  end
end

local function values()
  local made = { n = random(0, 5) }
  for i = 1, made.n do
    made[i] = value()
  end
  return made
end

-- Objects -------------------------------------------------------------------

local function file(length)
  local name = "file" .. random(4)
  local made <close> = io.open(name, "wb")
  if made then
    made:write(("line\n"):rep(length // 5 + 1))
  end
  return name
end

local function view()
  local object = any(pool)
  local made, slice = pcall(function()
    return object:sub(random(-9, 9), random(-9, 99))
  end)
  return made and slice or mapped.anonymous(any(SIZES))
end

local makers = {
  function() return mapped.anonymous(any(SIZES)) end,
  function() return mapped.anonymous(any(SIZES), { shared = true }) end,
  function() return mapped.anonymous(64, { reserve = 1 << 20 }) end,
  function() return mapped.anonymous(0) end,
  function() return mapped.open(file(any(SIZES)), "r") end,
  function() return mapped.open(file(any(SIZES)), "r+") end,
  function() return mapped.open(file(any(SIZES)), "c") end,
  function() return mapped.open(file(9999), "r+", { offset = 5000 }) end,
  function() return mapped.open("new" .. random(3), "w+", { length = 300 }) end,
  function() return mapped.open(handle(), any(MODES), { length = 100 }) end,
  function() return mapped.open(handle(), any(MODES)) end,
  view, view, view,
  function() return view():cast(any { "B", "<I4", ">d", "i2" }) end,
  function() return mapped.layout(any(LAYOUTS)) end,
  function() return view():records(any(LAYOUTS)) end,
  function() return mapped.anonymous(90):records("a:u16 b:char[7]") end,
  function() return mapped.anonymous(90):records("a:u16 b:char[7]"):column("a") end,
  function() return mapped.anonymous(90):records("a:u16 b:char[7]")[2] end,
  function() return mapped.anonymous(80):records("a:u8 b:{n:u16 c:char[5]}[2] _:u8")[5].b end,
  function() return mapped.anonymous(80):records("a:u8 b:{n:u16 c:char[7]}")[2].b end,
  function() return mapped.Ring(mapped.anonymous(any { 320, 1000, 5000 })) end,
  function()
    local region = mapped.anonymous(1000)
    pool[random(#pool)] = mapped.Ring(region)
    return mapped.Ring(region)
  end,
  function() return view():gmatch(any(PATTERNS)) end,
  function() return view():file() end,
  function() return view():readonly(true) end,
  function() return view():lines() end,
  function() return view():split("x") end,
  function()
    local region = mapped.anonymous(10)
    region:close()
    return region
  end,
}

local function fresh()
  local made, object = pcall(any(makers))
  return made and object or mapped.anonymous(8)
end

-- Actions of finalizers, callbacks and metamethods --------------------------

local actions = {
  function(o) o:close() end,
  function(o) o:resize(any(SIZES)) end,
  function(o) o:append(("y"):rep(random(300))) end,
  function(o) o:refresh() end,
  function(o) o:find(any(PATTERNS)) end,
  function(o) o:gsub(text(), "%0") end,
  function(o) o:unpack(any(CODES)) end,
  function(o) o:records(any(LAYOUTS)) end,
  function(o) o:topointer() end,
  function(o) o:fill(random(255)) end,
  function(o) for i = 1, 99 do o:find(("[%%d]x%d"):format(i * 3)) end end,
  function(o) for i = 1, 99 do o:unpack(("<I4 c%d"):format(i)) end end,
  function() os.setlocale(any { "C", "C.UTF-8" }) end,
  function() file(any(SIZES)) end, -- truncates a mapped file
  function() (handles[random(random(8))]):close() end,
  function() table.remove(handles, 1) end,
  function() pool[random(#pool)] = mapped.anonymous(8) end,
  function() collectgarbage() end,
  function() error("an action fails") end,
}

local depth = 0

function act()
  if depth < 3 then
    depth = depth + 1
    pcall(any(actions), any(pool))
    depth = depth - 1
  end
end

local running = true

local function arm()
  setmetatable({}, { __gc = function()
    if running then
      arm()
      act()
    end
  end })
end

-- Calls ---------------------------------------------------------------------

local function sorted(t)
  local names = {}
  for name, member in pairs(t) do
    if type(name) == "string" and type(member) == "function" then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

-- Methods that may wait for ever, and which argument their timeout is.
local WAITS = { ["mapped.Ring"] = { send = 2, send_many = 2, recv = 1,
  recv_many = 2, reserve = 2, peek = 1, iter = 1 } }

-- Returns the method without the waits.
local function at_once(f, last)
  return function(object, argument)
    if last == 1 then
      return f(object, 0)
    end
    return f(object, argument, 0)
  end
end

-- Returns the method lock of a Region or Slice without the wait, which may be
-- for a lock of this process.
local function lock_at_once(f)
  return function(object, given, ...)
    if given == nil then
      given = { timeout = 0 }
    elseif type(given) == "table" then
      given = { shared = rawget(given, "shared"), timeout = 0 }
    end
    return f(object, given, ...)
  end
end

-- Returns the method write_to for handles alone: a number might be any
-- descriptor.
local function to_handles(f)
  return function(object, to, ...)
    return f(object, tonumber(to) == nil and to or nil, ...)
  end
end

-- Returns the methods that the metatable of one of our objects gives it: they
-- are __index, or the last upvalue of that function. Else returns an empty table.
local function methods_of(meta)
  local index = meta and rawget(meta, "__index")
  if type(index) == "function" then
    index = select(2, debug.getupvalue(index, debug.getinfo(index).nups))
  elseif meta and not tostring(rawget(meta, "__name")):find("^mapped%.") then
    index = nil
  end
  return type(index) == "table" and index or {}
end

-- Returns every method and metamethod of an object, by name.
local function functions_of(object)
  local found = {}
  local meta = debug.getmetatable(object)
  local methods = methods_of(meta)
  local waits = meta and WAITS[rawget(meta, "__name")] or {}
  for name, f in pairs(methods) do
    found[name] = waits[name] and at_once(f, waits[name])
      or name == "write_to" and to_handles(f)
      or name == "lock" and methods.flush and lock_at_once(f) or f
  end
  for name, f in pairs(meta or {}) do
    found[name] = f
  end
  return found
end

local known, known_names = {}, {}

local function learn()
  for name, f in pairs(mapped) do
    known[name] = not NEVER[name] and f or nil
  end
  for _ = 1, 300 do
    local object = fresh()
    if type(object) == "userdata" then
      local kind = tostring(object):match("^[%w.]+")
      for name, f in pairs(functions_of(object)) do
        known[kind .. "." .. name] = f
      end
    end
  end
  known_names = sorted(known)
end

local operators = {
  function(a, b) return a[b] end,
  function(a, b, c) a[b] = c end,
  function(a) return #a end,
  function(a, b) return a == b end,
  function(a, b) return a < b end,
  function(a, b) return a <= b end,
  function(a, b) return a .. b end,
  function(a, b) return a:write(b) end,
  function(a, b) return a:read(b) end,
  function(a, b) return a + b end,
  function(a) return -a end,
  function(a, b, c) return a(b, c) end,
  function(a) return tostring(a) end,
  function(a) return ("%s %q"):format(a, a) end,
  function(a) local closed <close> = a return closed end,
  function(a) for k in pairs(a) do if k then break end end end,
  function(a) for i in ipairs(a) do if i > 9 then break end end end,
  function(a, b, c) for x in a, b, c do if x then break end end end,
  function(a) for _ = 1, 9 do a() end end,
  function(a) return table.unpack(a, 1, 9) end,
  function(a) return table.concat(a, ",", 1, 3) end,
  function(a, b) return setmetatable({}, { __index = a })[b] end,
  function(a, b) return coroutine.wrap(function() return a:gsub(b, result) end)() end,
  function(a, b) return coroutine.wrap(function()
    return a:gsub(b, coroutine.yield) end)() end,
}
if has_rex then
  local more = {
    function(a, b) return rex.find(a, b) end,
    function(a, b) return rex.match(a, b) end,
    function(a, b) return rex.count(a, b) end,
    function(a) return rex.gsub(a, "[xl]", result) end,
    function(a) for x in rex.gmatch(a, ".") do if x then act() break end end end,
    function(a) for x in rex.split(a, "x") do if x then act() break end end end,
  }
  table.move(more, 1, #more, #operators + 1, operators)
end

local function text_of(object)
  if type(object) == "string" then
    return ("%q"):format(object:sub(1, 12))
  end
  for i, member in ipairs(pool) do
    if rawequal(member, object) then
      return ("pool[%d]"):format(i)
    end
  end
  return rawequal(object, object) and math.type(object) and tostring(object)
    or type(object)
end

local function describe(name, target, arguments)
  local words = { text_of(target) }
  for i = 1, arguments.n do
    words[#words + 1] = text_of(arguments[i])
  end
  local kind = ""
  if type(target) == "userdata" and debug.getmetatable(target) then
    kind = tostring(rawget(debug.getmetatable(target), "__name"))
  end
  note(("%s(%s) %s"):format(name, table.concat(words, ", "), kind))
end

-- Keeps a call's result, at times, for later calls.
local function keep(ok, ...)
  local got = random(3) == 1 and (...)
  if ok and (type(got) == "userdata" or type(got) == "function") then
    pool[random(#pool)] = got
  end
end

-- Calls a method of the object's own most of the time, and any function
-- otherwise.
local function call()
  local target, arguments = any(pool), values()
  local kind = random(10)
  if kind <= 6 and type(target) == "userdata" then
    local own = functions_of(target)
    local names = sorted(own)
    if #names > 0 then
      local name = any(names)
      describe(name, target, arguments)
      return keep(pcall(own[name], target,
        table.unpack(arguments, 1, arguments.n)))
    end
  elseif kind <= 8 then
    local i = random(#operators)
    describe("operator " .. i, target, arguments)
    return keep(pcall(operators[i], target,
      table.unpack(arguments, 1, arguments.n)))
  end
  local name = any(known_names)
  target = random(3) > 1 and target or value()
  describe(name, target, arguments)
  keep(pcall(known[name], target, table.unpack(arguments, 1, arguments.n)))
end

-- The program runs in a folder of its own, from where it can't load support.lua.
local function descriptors()
  local count = 0
  for _ in lfs.dir("/proc/self/fd") do
    count = count + 1
  end
  return count
end

local is_hostile, collector = pcall(require, "mapped.hostile")
if is_hostile then
  collector.start()
end
collectgarbage()
local before = descriptors()
for i = 1, POOL do
  pool[i] = fresh()
end
learn()
arm()
collectgarbage("incremental", 150, 400)
local stop = os.time() + seconds
local least = 200
repeat
  if random(4) == 1 then
    pool[random(POOL)] = fresh()
  end
  if random(60) == 1 then
    note "collectgarbage()"
    collectgarbage()
  end
  if is_hostile and calls % 100 == 0 then
    collector.start() -- at every call again
  end
  call()
  least = least - 1
until least < 0 and os.time() >= stop
running = false
pool, known, handles = { mapped.anonymous(1) }, {}, {}
for _ = 1, 3 do
  collectgarbage()
end
local left = descriptors() - before
note(("the end: %d descriptors left"):format(left))
print(("%d calls, %d descriptors left"):format(calls, left))
os.exit(left == 0, true)
