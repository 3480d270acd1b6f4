-- Lost pages and exports.
local mapped = require "mapped"

assert(mapped.guard())
local region = assert(mapped.open("cut.bin", "w+", { length = 8192 }))
assert(os.execute("truncate -s 4096 cut.bin")) -- by another process
local ok, message = pcall(region.get, region, "B", 5001)
assert(not ok)
print(message)
assert(region[1] == 0) -- the rest is there
assert(region:faults()[1].pos == 4097)
local whole, why, errno = region:check()
assert(whole == nil and why and errno > 0)

assert(os.execute("truncate -s 8192 cut.bin"))
assert(region:recover())
assert(region[5001] == 0 and region:check())

local pointer = region:topointer() -- an export, for C libraries
local done, busy, code = region:resize(4096)
assert(pointer and done == nil and code == mapped.status.BUSY)
print(busy)
assert(region:close())
