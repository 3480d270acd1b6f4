-- The FFI view of LuaJIT: elements of a C type, in compiled code.
local mapped = require "mapped"

local region = assert(mapped.anonymous(4096))
if not rawget(_G, "jit") then -- other Luas have `cast` and `records`
  assert(not pcall(region.ffi, region, "uint32_t"))
  return
end

local words = region:ffi("uint32_t")
for i = 1, #words do
  words[i] = i
end
assert(words[1024] == 1024 and words[-1] == 1024 and words[1025] == nil)
assert(not pcall(function() words[1] = 2 ^ 32 end)) -- does not fit

local ffi = require "ffi"
ffi.cdef "struct point { double x, y; int16_t tags[4]; };"
local points = region:sub(1, 24 * 100):ffi("struct point")
points[1].x = 1.5 -- written through to the memory
points[2] = { x = 3, y = 4 }
points[2].tags[4] = -1
assert(points[2].x + points[1].x == 4.5 and #points[2].tags == 4)

local copy = points:copy(2) -- a struct of our own
region:close()
assert(copy.y == 4)
assert(not pcall(function() return points[1].x end)) -- closed
