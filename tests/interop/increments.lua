-- Adds 1, so many times, to an atomic counter and to one that a mutex guards.
-- Begins when all
-- the processes have come. Usage: increments.lua FILE TIMES PROCESSES.
local mapped = require "mapped"

local region <close> = assert(mapped.open(arg[1], "r+"))
local counter, mutex = region:atomic("I8"), mapped.Mutex(region:sub(9))
local here = region:atomic("I8", 25)
here:add(1)
repeat until here:load() == tonumber(arg[3])
for _ = 1, tonumber(arg[2]) do
  counter:add(1)
  assert(mutex:lock(60))
  region:set("I8", 17, region:get("I8", 17) + 1)
  mutex:unlock()
end
