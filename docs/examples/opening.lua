-- Opening: modes, options, what a region tells about itself, the end.
local mapped = require "mapped"

local first
do
  local region <close> = assert(mapped.open("data.bin", "w+",
    { length = 4096, reserve = 1 << 20 }))
  region:write(1, "hello")
  assert(#region == 4096 and region:size() == 4096)
  assert(region:mode() == "w+" and region:name() == "data.bin")
  assert(region:file_offset() == 0 and region:offset() == 0)
  assert(not region:readonly() and region:fileno() >= 0)
  first = region:sub(1, 5)
  assert(first:region() == region and not first:closed())
end
assert(first:closed() and not pcall(first.get, first, "B")) -- harmless

-- A part of the file, from any byte on; what is written stays here.
local part = assert(mapped.open("data.bin", "c", { offset = 1, length = 4 }))
part:fill(0)
part:close()

-- A handle of the io library stays open, and yours.
local file = assert(io.open("data.bin", "rb"))
local region = assert(mapped.open(file))
assert(region:sub(1, 5):equals("hello") and region:readonly())
region:close()
file:close()

-- What the system refuses is nil, a message and a number.
local none, message, code = mapped.open("missing.bin")
assert(none == nil and message:find("missing.bin", 1, true) and code > 0)

-- Bytes that are no file.
local scratch <close> = assert(mapped.anonymous(1000))
scratch[1] = 255
assert(mapped.stats().regions == 1)
