-- Does in Lua what duet.py does in Python. Usage: duet.lua FILE FIRST LAST.
local mapped = require "mapped"

local path, first, last = arg[1], tonumber(arg[2]), tonumber(arg[3])
local deadline = os.time() + 20
local region <close> = assert(mapped.open(path, "r+"))
local count = 0
for expected = first, last - 1, 2 do
  local seen = region:get("<I4", 1)
  while seen ~= expected do
    if seen > expected or os.time() > deadline then
      error(("waited for %d, last saw %d"):format(expected, seen), 0)
    end
    seen = region:get("<I4", 1)
  end
  region:set("<I4", 1, expected + 1)
  count = count + 1
end
region:write(17, "Lua")
print("saw " .. count)
