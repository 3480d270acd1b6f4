-- Handles of the io library over the bytes, and bytes written to handles.
local mapped = require "mapped"

local region <close> = assert(mapped.anonymous(100))
assert(mapped.type(region) == "region" and mapped.type("text") == nil)

local handle <close> = assert(region:file())
handle:write("name=ore\n", 7, "\n") -- in the memory at once
handle:seek("set")
assert(handle:read() == "name=ore" and handle:read("n") == 7)

local out = assert(io.open("copy.bin", "wb"))
assert(region:sub(1, 9):write_to(out) == 9) -- without a string
out:close()
for line in io.lines("copy.bin") do
  assert(line == "name=ore")
end

local fixed = region:readonly(true) -- a slice that can't be written through
assert(fixed:readonly() and not pcall(fixed.fill, fixed, 0))
