-- Durability: what has been flushed survives a loss of power.
local mapped = require "mapped"

local ledger <close> = assert(mapped.open("ledger.bin", "w+",
  { length = 1 << 16 }))
local entry = ledger:sub(4001, 4200)
entry:write(1, "paid")
assert(entry:flush { wait = false }) -- the writing begins
assert(entry:flush()) -- on the disk when it returns
