-- Lists the rows on the leaf pages of an SQLite database: page, row number and
-- length of each, after the page size, the pages and the user's version.
local mapped = require "mapped"

local TABLE_LEAF = 13
local path = arg[1] or error("usage: sqlite_rows.lua FILE", 0)
local file <close> = assert(mapped.open(path))
assert(file:startswith("SQLite format 3\0"), "not an SQLite database")

-- A number of seven bits a byte, and where it ends.
local function varint(page, at)
  local value = 0
  for i = at, at + 7 do
    local byte = page:get("B", i)
    value = value << 7 | byte & 0x7f
    if byte < 0x80 then
      return value, i + 1
    end
  end
  return value << 8 | page:get("B", at + 8), at + 9
end

local size, pages = file:get(">I2", 17), file:get(">I4", 29)
size = size == 1 and 65536 or size
print(size, pages, file:get(">I4", 61))
for number = 1, pages do
  local page = file:slice((number - 1) * size + 1, size)
  local start = number == 1 and 101 or 1
  local kind, _, count = page:unpack(">BI2I2", start)
  for i = 1, kind == TABLE_LEAF and count or 0 do
    local length, at = varint(page, page:get(">I2", start + 6 + 2 * i) + 1)
    print(number, (varint(page, at)), length)
  end
end
