-- Rings: records from one process to another.
local mapped = require "mapped"

local region = assert(mapped.anonymous(4096, { shared = true }))
local ring = mapped.Ring(region)
assert(ring:capacity() > ring:longest() and ring:used() == 0)
assert(ring:region() == region)

ring:send("hello", 1)
assert(ring:recv(1) == "hello")
assert(ring:try_send("now") and ring:try_recv() == "now")
local _, why = ring:recv(0)
assert(why == "timeout")

assert(ring:send_many { "a", "bc" } == 2)
assert(ring:recv_many()[2] == "bc")

-- Written and read where they lie.
local record = ring:reserve(100)
record:set("<I4", 1, 42)
ring:commit(4)
assert(ring:peek():get("<I4") == 42)
ring:release()
ring:reserve(100)
ring:cancel() -- dropped
assert(ring:senders_died() == 0 and ring:receivers_died() == 0)

ring:send("last")
for text in ring:iter(0.01) do -- until nothing has come for so long
  assert(text == "last")
end
region:close()
