-- Counts the lines of a text log that name each level.
local mapped = require "mapped"

local levels = { "ERROR", "WARNING", "INFO", "DEBUG" }

local function main(path)
  assert(path, "usage: log_levels.lua FILE")
  local log <close> = assert(mapped.open(path))
  local counts = {}
  for line in log:lines() do
    for _, level in ipairs(levels) do
      if line:find(level, 1, true) then
        counts[level] = (counts[level] or 0) + 1
      end
    end
  end
  for _, level in ipairs(levels) do
    print(("%s %d"):format(level, counts[level] or 0))
  end
end

local done, message = pcall(main, arg[1])
if not done then
  io.stderr:write("error: ", message, "\n")
  os.exit(false)
end
