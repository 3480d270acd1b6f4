-- The finalizers of a hostile build (hostile.c). There is always one piece of
-- garbage; its finalizer uses the library in one of several ways, and makes the
-- next piece. It touches no object of the running test, whose expectations
-- still hold. busted runs this file before the tests (--helper), and their
-- child processes run it too (LUA_INIT).
local mapped = require "mapped"
local hostile = require "mapped.hostile"

local POOL = 400 -- more texts than a cache has room for
local step = 0
local kept -- a region that lives from one turn to the next
local made -- objects in memory that was collected
local text = ("x"):rep(64)

-- These texts stay, and are used again, so that an entry that a cache has freed
-- but still lists is noticed.
local patterns, formats = {}, {}
for i = 1, POOL do
  patterns[i] = ("[%%d]x%08d"):format(i)
  formats[i] = ("<I%d c%d"):format(i % 8 + 1, i)
end

local turns = {}

function turns.regions()
  local region <close> = mapped.anonymous(100)
  region:fill(7)
  local other = mapped.anonymous(step % 9000)
  other:close()
end

-- Uses a few patterns, and at times as many as a good part of a cache. One
-- pattern is new, and nothing keeps its text.
function turns.patterns()
  local region <close> = mapped.anonymous(64)
  for i = 1, step % 13 == 0 and 100 or 3 do
    region:find(patterns[(step * 7 + i) % POOL + 1])
  end
  region:find(("[%%d]y%08d"):format(step))
end

function turns.formats()
  local region <close> = mapped.anonymous(512)
  for i = 1, step % 11 == 0 and 100 or 3 do
    region:unpack(formats[(step * 7 + i) % POOL + 1])
  end
  pcall(region.unpack, region, ("<I4 c%d"):format(step))
end

function turns.records()
  local layout = mapped.layout(("f%d:u32 g:char[%d]"):format(step,
    step % 9 + 1))
  local region <close> = mapped.anonymous(layout:size() * 5)
  local records = region:records(layout)
  records[1]["f" .. step] = step
  region:cast("<I1")[1] = step % 256
end

-- Memory that was exported grows, and is left to the collector.
function turns.pointers()
  local region = mapped.anonymous(16, { reserve = 1 << 16 })
  region:topointer()
  region:append(text)
  region:resize(8192)
end

function turns.growth()
  kept = kept and not kept:closed() and kept or mapped.anonymous(8)
  if not kept:resize(step * 997 % 70000) then
    kept:close()
  end
  if step % 5 == 0 then
    kept:close()
  end
end

-- When the finalizer ends, the locale is the same as before, but the string
-- that setlocale returned earlier has been freed.
function turns.locale()
  local before = os.setlocale()
  for _, name in ipairs { "C.UTF-8", "C" } do
    if os.setlocale(name) then
      local region <close> = mapped.anonymous(8)
      region:find("%a")
    end
  end
  os.setlocale(before)
end

-- New strings take the memory of objects that were collected.
function turns.room()
  made = { step }
  for i = 1, 40 do
    made[#made + 1] = text:rep(i % 5) .. step .. i
  end
end

local names = {}
for name in pairs(turns) do
  names[#names + 1] = name
end
table.sort(names)

-- Returns a random element. The order is the same in every run, and math.random
-- is not used, because the tests use it.
local state = 1
local function any(t)
  state = (state * 1103515245 + 12345) % 2147483648
  return t[(state >> 16) % #t + 1]
end

-- The first turn that failed: a turn that does nothing would test nothing.
local broken

local running = true

local function arm()
  setmetatable({}, { __gc = function()
    if not running then
      return
    end
    arm()
    step = step + 1
    local name = any(names)
    local ok, message = pcall(turns[name])
    if not ok then
      broken = broken or ("%s: %s"):format(name, message)
    end
    error("a hostile finalizer fails") -- becomes a warning, which is off
  end })
end

os.setlocale("C.UTF-8") -- the name "C" would not be on the heap
arm()
hostile.start()

-- Under busted, each test begins again with a collection at every call.
local loaded, busted = pcall(require, "busted")
if loaded and busted.subscribe then
  busted.subscribe({ "test", "start" }, function()
    hostile.start()
    return nil, true
  end)
  busted.subscribe({ "suite", "end" }, function()
    running = false -- later objects might never be collected
    local _, collections = hostile.count()
    print(("# %d finalizers in %d collections"):format(step, collections))
    if broken then
      print("# a hostile finalizer could not act: " .. broken)
      os.exit(1)
    end
    return nil, true
  end)
end
