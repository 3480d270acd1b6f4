-- Does in Lua what probe.py does in Python.
local mapped = require "mapped"

local SIZE = 4096
local path, how = arg[1], arg[2]
local region <close> = assert(mapped.open(path, how == "read" and "r" or "r+"))

local function touch(page)
  if how == "read" then
    assert(region[page * SIZE + 1] == 0x53)
  else
    region[page * SIZE + 1] = 0x53
  end
end

for i = 3, #arg do
  local page = tonumber(arg[i])
  local ok, message = pcall(touch, page)
  local code = 0
  if not ok then
    assert(message:find("page lost", 1, true), message)
    code = select(3, region:check())
  end
  print(page .. " " .. code)
end
for _, lost in ipairs(region:faults()) do
  print("lost " .. (lost.pos - 1) // SIZE .. " " .. lost.length // SIZE)
end
