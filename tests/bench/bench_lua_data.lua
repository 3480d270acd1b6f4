-- Measures typed data in Lua beside string.unpack on the loaded string, in turns,
-- and prints a line of JSON for each row.
local mapped = require "mapped"

local ELEMENTS = 1 << 20
local ROUNDS = 15

local function print_row(row, against, at_most, count, ours, peer)
  local texts = { {}, {} }
  for i = 1, ROUNDS do
    for side, run in ipairs { ours, peer } do
      collectgarbage()
      local start = os.clock()
      run()
      texts[side][i] = ("%.2f"):format((os.clock() - start) * 1e9 / count)
    end
  end
  print(([[{"row": "%s", "against": "%s", "at_most": %.2f, "unit": "ns", ]]
    .. [["ours": [%s], "peer": [%s]}]]):format(row, against, at_most,
    table.concat(texts[1], ", "), table.concat(texts[2], ", ")))
end

local path = os.tmpname()
do
  local file <close> = assert(io.open(path, "wb"))
  for i = 1, ELEMENTS do
    assert(file:write(string.pack("<i4", i * 0x9e3779b1 % 0x7fffffff)))
  end
end
local file <close> = assert(io.open(path, "rb"))
local s = file:read("a")
local region <close> = assert(mapped.open(path))
os.remove(path)

local last = #s - 64
print_row("Lua s:unpack('<I4 i8 d', pos)", "string.unpack on the loaded string",
  1.00, last // 4, function()
    local a, b, c
    for pos = 1, last, 4 do a, b, c = region:unpack("<I4 i8 d", pos) end
    return a, b, c
  end, function()
    local a, b, c
    for pos = 1, last, 4 do a, b, c = string.unpack("<I4 i8 d", s, pos) end
    return a, b, c
  end)

print_row("Lua s:get('<I4', pos), in a row", "string.unpack on the loaded string",
  0.90, last // 4, function()
    local a
    for pos = 1, last, 4 do a = region:get("<I4", pos) end
    return a
  end, function()
    local a
    for pos = 1, last, 4 do a = string.unpack("<I4", s, pos) end
    return a
  end)

local array = region:cast("<i4")
local sums = {}
print_row("Lua sum of 1 M array elements", "the same with string.unpack", 0.70,
  ELEMENTS, function()
    local sum = 0
    for i = 1, ELEMENTS do sum = sum + array[i] end
    sums[1] = sum
  end, function()
    local sum = 0
    for pos = 1, #s, 4 do sum = sum + string.unpack("<i4", s, pos) end
    sums[2] = sum
  end)
assert(sums[1] == sums[2])
