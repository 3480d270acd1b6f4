-- Records: values with names, in place.
local mapped = require "mapped"

local layout = mapped.layout("< id:u32 price:f64@8 name:char[8] levels:u8[2]")
assert(layout:size() == 26 and layout:fields()[2].offset == 8)

local region <close> = assert(mapped.anonymous(26 * 3))
local records = region:records(layout)
records[1] = { id = 7, price = 1.5, name = "ore", levels = { 1, 2 } }
local first = records[1]
first.price = first.price * 2 -- in the memory itself
assert(first.price == 3.0 and first.name == "ore" and first.levels[2] == 2)

records:copy_from({ first }, 2)
records[2].id = 8
assert(#records == 3 and records:sub(2, 3)[1].id == 8)
assert(records:totable(1, 1)[1].name == "ore")
assert(#records:bytes() == 78 and records:layout():size() == 26)

local prices = records:column("price") -- an array
assert(prices[1] == 3.0 and prices[3] == 0.0)
