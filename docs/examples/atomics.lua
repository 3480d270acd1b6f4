-- Shared words and locks.
local mapped = require "mapped"

local region <close> = assert(mapped.open("counters.bin", "a+",
  { length = 4096 }))
local word = region:atomic("I4", 9)
word:store(0, "release")
assert(word:add(5) == 0) -- what it was
assert(word:sub(1) == 5)
assert(word:or_(3) == 4 and word:and_(6) == 7 and word:xor(1) == 6)
assert(word:exchange(1) == 7)
assert(word:compare_exchange(1, 2) == 1) -- so 2 was stored
assert(word:load("acquire") == 2)
mapped.fence()
local _, why = word:wait(2, 0.001) -- sleeps while it is 2
assert(why == "timeout")
word:notify() -- wakes who waits, after a change
assert(word:region() == region and word:offset() == 8)

local mutex = mapped.Mutex(region:sub(65))
do
  local held <close>, owner_died = assert(mutex:lock(1))
  assert(held == mutex and not owner_died)
end
mutex:lock()
mutex:abandon() -- leaves what it guards half changed
local _, owner_died = mutex:lock()
assert(owner_died)
mutex:unlock()

do
  local lock <close> = assert(region:sub(4001):lock { shared = true })
  assert(lock:held())
end
local lock = assert(region:sub(4001):lock { timeout = 1 })
lock:unlock()
