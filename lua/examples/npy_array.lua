-- Tells type, shape, least and greatest number of a NumPy .npy file.
local mapped = require "mapped"

local PLAIN = { i1 = true, i2 = true, i4 = true, i8 = true, u1 = true, u2 = true,
  u4 = true, u8 = true, f2 = true, f4 = true, f8 = true }
local MALFORMED = "malformed header"

-- A list of the lengths in "(20, 30)", and their product.
local function read_shape(text)
  local shape, count = {}, 1
  assert(text and not text:find("[^%d%s(),]"), MALFORMED)
  for digits in text:gmatch("%d+") do
    local length = assert(math.tointeger(tonumber(digits)), MALFORMED)
    shape[#shape + 1], count = length, count * length
  end
  return shape, count
end

-- The order and the type in the header, and what `read_shape` says. A pattern
-- is enough for headers as NumPy writes them: dicts of Python.
local function describe(header)
  local order, kind = header:match "'descr':%s*'([<>|])(%l%d+)'"
  if not PLAIN[kind] then
    local other = header:match "'descr':%s*'([^']*)'"
      or header:match "'descr':%s*(%b[])" or error(MALFORMED, 0)
    error("not an array of plain numbers: " .. other, 0)
  end
  return order, kind, read_shape(header:match "'shape':%s*(%b())")
end

-- An array over the numbers, each typed in place: the field x of a record.
local function numbers_of(bytes, order, kind)
  local layout = ("%s x:%s%d"):format(order == "|" and "<" or order,
    kind:sub(1, 1), 8 * kind:sub(2))
  return bytes:records(layout):column("x")
end

local function limits(array, less)
  local least, greatest
  for i = 1, #array do
    local value = array[i]
    if value == value then -- no NaN
      least = (not least or less(value, least)) and value or least
      greatest = (not greatest or less(greatest, value)) and value or greatest
    end
  end
  return least, greatest
end

-- Lua's integers are signed: from 2^63 on a u8 looks negative.
local function text_of(value, kind)
  if kind == "u8" and value < 0 then
    local tens = (value >> 1) // 5
    return ("%d%d"):format(tens, value - 10 * tens)
  end
  return (math.type(value) == "integer" and "%d" or "%.9g"):format(value)
end

local function main(path)
  assert(path, "usage: npy_array.lua FILE")
  local file <close> = assert(mapped.open(path))
  assert(file:startswith("\x93NUMPY"), "not a .npy file")
  local code, start = "<I2", 11
  if file[7] ~= 1 then
    code, start = "<I4", 13
  end
  local length = file:get(code, 9)
  local order, kind, shape, count = describe(file:slice(start, length))
  local bytes = file:slice(start + length, count * kind:sub(2))
  local less = kind == "u8" and math.ult or function(a, b) return a < b end
  local least, greatest = limits(numbers_of(bytes, order, kind), less)
  print(order .. kind, table.unpack(shape))
  if least then
    print(text_of(least, kind), text_of(greatest, kind))
  end
end

local done, message = pcall(main, arg[1])
if not done then
  io.stderr:write("error: ", message, "\n")
  os.exit(false)
end
