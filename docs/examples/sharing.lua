-- Shared memory, by name and without one.
local mapped = require "mapped"

local name = "mapped-example-" .. os.tmpname():match("%w+$")
do
  local maker <close> = assert(mapped.shared(name, 1000, "x+"))
  maker:set("I4", 1, 17)
  local other <close> = assert(mapped.shared(name)) -- in any process
  assert(other:get("I4") == 17 and #other == 1000)
  assert(mapped.unlink(name)) -- those who have it keep it
end

local region <close> = assert(mapped.anonymous(4096, { shared = true }))
assert(region:seal()) -- nobody can make it longer or shorter
local again <close> = assert(mapped.open(nil, "r+", { fd = region:fileno() }))
again:set("I4", 1, 42)
assert(region:get("I4") == 42)
