-- Tells type, shape and sum of the array in a NumPy .npy file.
local mapped = require "mapped"

local path = arg[1] or error("usage: npy_array.lua FILE", 0)
local file <close> = assert(mapped.open(path))
assert(file:startswith("\x93NUMPY"), "not a .npy file")
local code, start = "<I2", 11
if file[7] > 1 then
  code, start = "<I4", 13
end
local length = file:get(code, 9)
local header = file:slice(start, length)
local order, kind, size = header:match("'descr': '([<>|])([iuf])(%d)'")
assert(order, "no numbers")
local shape = header:match("'shape': (%b())")
local letter = kind == "f" and (size == "4" and "f" or size == "8" and "d")
  or kind == "i" and "i" .. size or kind == "u" and "I" .. size
local element = (order == "|" and "<" or order) .. assert(letter, "too small")
local array = file:sub(start + length):cast(element)
local sum = 0.0
for i = 1, #array do
  sum = sum + array[i]
end
print(order .. kind .. size .. shape:gsub("%D+", " "):gsub(" $", ""))
print(("%.6f"):format(sum))
