-- Devices: registers, each access exactly one of its width. A file stands for
-- the device here.
local mapped = require "mapped"

assert(io.open("device.bin", "wb")):close()
local device <close> = assert(mapped.open("device.bin", "r+",
  { length = 4096, device = true }))
device:set("<I4", 17, 1) -- one store of 4 bytes
assert(device:get("<I4", 17) == 1)
local registers = device:cast("<I4")
registers[6] = 7
