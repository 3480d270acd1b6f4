-- Pages: advice, reading ahead, what is in memory, protection.
local mapped = require "mapped"

local region <close> = assert(mapped.anonymous(1 << 20))
region:fill(7)
assert(region:advise("sequential"))
assert(region:prefetch(true, function(done, total) assert(done <= total) end))
local found = assert(region:residency(true))
assert(found.resident <= found.pages and #found.map >= found.pages / 8)

assert(region:sub(1, 4096):discard()) -- zeros, and the memory is given back
assert(region[1] == 0 and region[4097] == 7)
assert(region:sub(1, 64):protect("r"))
assert(not pcall(region.fill, region, 1))
assert(region:sub(1, 64):protect("r+"))
if region:sub(1, 4096):mlock() then -- else RLIMIT_MEMLOCK
  region:sub(1, 4096):munlock()
end

local file = assert(io.open("original.bin", "wb"))
file:write("original")
file:close()
local private <close> = assert(mapped.open("original.bin", "c"))
private:fill(0)
assert(private:revert() and private:equals("original"))
