-- Values: one at a time, several, bytes in bulk.
local mapped = require "mapped"

local region <close> = assert(mapped.anonymous(4096))

-- One value, at any position.
region:set("<I4", 10, 42)
assert(region:get("<I4", 10) == 42)
region:set("u24be", 101, 0x010203) -- the names of layouts are codes, too
assert(region:tostring(101, 103) == "\1\2\3")
assert(not pcall(region.get, region, "<I4", 4094))

-- Several values, in the language of string.pack.
local after = region:pack("<I4 s1", 201, 7, "ore")
local number, text, next = region:unpack("<I4 s1", 201)
assert(number == 7 and text == "ore" and next == after)

-- Bytes: items are integers, sub is a view, tostring copies.
region:write(1, "hello")
assert(region[1] == 104 and region:sub(1, 5) == region:slice(1, 5))
assert(region:sub(1, 5):equals("hello") and region:byte(1) == 104)
region:move(11, 1, 5) -- to 11 from 1
region:copy_from("HE", 11)
local copy <close> = assert(mapped.anonymous(5))
region:sub(11, 15):copy_to(copy)
assert(copy:tostring() == "HEllo")
assert(copy:startswith("HE") and copy:endswith("llo"))
region:sub(11, 15):fill(0)
assert(region:tostring(11, 15) == ("\0"):rep(5))
