-- The second of three programs in a row: receives lines from one ring, in
-- batches, and sends those that match a Lua pattern into another one. An empty
-- record is the end, and is sent on. See core/examples/produce.c.
--
--     lua5.4 filter.lua FROM TO PATTERN
--
-- FROM and TO are names of shared memory.
local mapped = require "mapped"

local function main(from, to, pattern)
  assert(pattern, "usage: filter.lua FROM TO PATTERN")
  local source = mapped.Ring(assert(mapped.shared(from)))
  local target = mapped.Ring(assert(mapped.shared(to)))
  local more = true
  while more do
    local kept = {}
    for _, line in ipairs(assert(source:recv_many(256))) do
      more = line ~= ""
      if not more or line:find(pattern) then
        kept[#kept + 1] = line
      end
    end
    assert(target:send_many(kept) == #kept, "interrupted")
  end
end

local done, message = pcall(main, table.unpack(arg))
if not done then
  io.stderr:write("error: ", message, "\n")
  os.exit(false)
end
