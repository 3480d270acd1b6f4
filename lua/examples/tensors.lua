-- Lists the tensors of a safetensors file: name, type, sum and shape. A pattern
-- is enough for headers as the library writes them; it is no JSON parser.
local mapped = require "mapped"

local CODES = { F64 = "<d", F32 = "<f", I64 = "<i8", I32 = "<i4", I16 = "<i2",
  I8 = "<i1", U8 = "<I1" }
local TENSOR = '"([^"]+)":%s*{"dtype":%s*"(%w+)",%s*"shape":%s*%[([^%]]*)%],'
  .. '%s*"data_offsets":%s*%[(%d+),%s*(%d+)%]}'

local path = arg[1] or error("usage: tensors.lua FILE", 0)
local file <close> = assert(mapped.open(path))
local length = file:get("<I8")
local header, data = file:slice(9, length), file:sub(9 + length)
local lines = {}
for name, kind, shape, first, last in header:gmatch(TENSOR) do
  local values = data:slice(first + 1, last - first)
    :cast(assert(CODES[kind], "unknown type"))
  local sum = 0.0
  for i = 1, #values do
    sum = sum + values[i]
  end
  lines[#lines + 1] = ("%s %s %.6f %s"):format(name, kind, sum,
    (shape:gsub(",%s*", " ")))
end
table.sort(lines)
print(table.concat(lines, "\n"))
