-- Arrays: values of one type over the bytes, in place.
local mapped = require "mapped"

local region = assert(mapped.anonymous(24))
local numbers = region:cast("<I2")
numbers:copy_from { 10, 20, 30 }
numbers[12] = 120
assert(#numbers == 12 and numbers[2] == 20 and numbers[13] == nil)
assert(numbers:sub(2, 3)[1] == 20)
assert(table.concat(numbers:totable(1, 3), " ") == "10 20 30")
local sum = 0
for _, number in ipairs(numbers) do
  sum = sum + number
end
assert(sum == 180)
assert(#numbers:bytes() == 24 and numbers:offset() == 0)
assert(numbers:region() == region and not numbers:readonly())
region:close()
assert(numbers:closed())
