-- The worker of python/examples/web_counter.py, which starts it: receives texts
-- from a ring and counts each of their words in a table that both share.
--
--     lua5.4 worker.lua FILE
--
-- A text stays in the ring until it is done: one that the worker died at is
-- counted by the next worker, from its beginning.
local mapped = require "mapped"

local TABLE, ROWS, RING = 65, 100, 4097 -- positions; offsets in Python
local ROW = mapped.layout "used:u32 _:u32 count:u64 name:char[16]"

-- Returns a function that finds the counter of a name, which gets one if it has
-- none; nil if there is no room.
local function counters(region, bytes)
  local mutex, rows = mapped.Mutex(region), bytes:records(ROW)
  return function(name)
    local _ <close> = assert(mutex:lock())
    for i, row in ipairs(rows) do
      if row.used == 0 then
        row.name = name
        row.used = 1 -- after the name: we may die
      end
      if row.name == name then
        return bytes:atomic("u64", (i - 1) * ROW:size() + 9)
      end
    end
  end
end

local function main(path)
  assert(path, "usage: worker.lua FILE")
  local region <close> = assert(mapped.open(path, "r+"))
  local bytes = region:slice(TABLE, ROWS * ROW:size())
  local find, jobs = counters(region, bytes), mapped.Ring(region:sub(RING))
  while true do
    local job = jobs:peek(1)
    if job then
      for word in job:gmatch "%l+" do
        local count = find(word:sub(1, 16))
        if count then
          count:add(1)
        end
      end
      jobs:release()
    elseif bytes:lock { timeout = 0 } then
      return -- the server has died, which had locked it
    end
  end
end

local done, message = pcall(main, arg[1])
if not done then
  io.stderr:write("error: ", message, "\n")
  os.exit(false)
end
