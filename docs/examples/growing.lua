-- Growing, and following what others do to a file.
local mapped = require "mapped"

do
  local region <close> = assert(mapped.open("grows.log", "w+",
    { length = 0, reserve = 1 << 20 }))
  assert(region:append("first\n"))
  local first = region:sub(1, 6)
  assert(region:append(first)) -- once more
  assert(#region == 12)
  assert(region:resize(6))
  assert(first:equals("first\n"))
end

local log <close> = assert(mapped.open("grows.log"))
assert(log:refresh() == "unchanged")
local file = assert(io.open("grows.log", "a")) -- as others do
file:write("second\n")
file:close()
assert(log:refresh() == "longer" and #log == 13)
