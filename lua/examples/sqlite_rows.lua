-- Lists the rows of every table of an SQLite database: table, row id and length
-- of the record, after the page size, the pages and the user's version.
local mapped = require "mapped"

local TABLE_INTERIOR, TABLE_LEAF = 5, 13
local INDEX = { [2] = true, [10] = true }
-- Of what isn't a text or a blob; the first is that of kind 0.
local WIDTHS = { 0, 1, 2, 3, 4, 6, 8, 8, 0, 0 }

-- A signed number of seven bits a byte, eight in a ninth; where it ends.
local function varint(data, at)
  local value = 0
  for i = at, at + 7 do
    local byte = assert(data:byte(i), "a number without an end")
    value = value << 7 | byte & 0x7f
    if byte < 0x80 then
      return value, i + 1
    end
  end
  return value << 8 | assert(data:byte(at + 8), "a number without an end"), at + 9
end

-- The bytes of each value of a record.
local function columns(record)
  local size, at = varint(record, 1)
  local start, values = size + 1, {}
  while at <= size do
    local kind
    kind, at = varint(record, at)
    local width = kind >= 12 and (kind - 12) // 2 or WIDTHS[kind + 1]
    local last = start + assert(width, "a value of no kind")
    values[#values + 1] = record:sub(start, last - 1)
    start = last
  end
  return values
end

local function open_database(file)
  assert(file:startswith("SQLite format 3\0"), "not an SQLite database")
  local size = file:get(">I2", 17)
  size = size == 1 and 65536 or size
  local usable = size - file[21]
  assert(usable >= 480 and file:get(">I4", 57) <= 1,
    "neither pages nor text as they should be")
  return { file = file, size = size, usable = usable }
end

local function page_of(database, number)
  assert(number > 0, "there is no page 0")
  return database.file:slice((number - 1) * database.size + 1, database.size)
end

-- Calls `visit` with page, position on it, row id and length of each record.
local function each_cell(database, root, visit)
  local pages, seen = { root }, {}
  while #pages > 0 do
    local number = table.remove(pages)
    assert(not seen[number], "a page is in a tree twice")
    seen[number] = true
    local page, start = page_of(database, number), number == 1 and 101 or 1
    local kind, count, last = page:unpack(">Bxx I2 xxx I4", start)
    if kind == TABLE_LEAF then
      for _, cell in ipairs(page:slice(start + 8, 2 * count):cast(">I2")
        :totable()) do
        local length, at = varint(page, cell + 1)
        local row
        row, at = varint(page, at)
        visit(page, at, row, length)
      end
    elseif kind == TABLE_INTERIOR then
      local cells = page:slice(start + 12, 2 * count):cast(">I2")
      pages[#pages + 1] = last
      for i = count, 1, -1 do
        pages[#pages + 1] = page:get(">I4", cells[i] + 1)
      end
    else
      assert(number == root and INDEX[kind], "a page is not of a table")
    end
  end
end

-- The bytes of a record, whose rest may lie in a chain of pages.
local function record_of(database, page, at, length)
  assert(length >= 0 and length <= #database.file, "too long a record")
  local most, step = database.usable - 35, database.usable - 4
  local least = (database.usable - 12) * 32 // 255 - 23
  local here = length
  if length > most then
    here = least + (length - least) % step
    here = here <= most and here or least
  end
  local parts = { page:slice(at, here):tostring() }
  at, length = at + here, length - here
  while length > 0 do
    page, at = page_of(database, page:get(">I4", at)), 1
    parts[#parts + 1] = page:slice(5, math.min(step, length)):tostring()
    length = length - step
  end
  return table.concat(parts)
end

-- Name and first page of each table; the schema that tells is a table too.
local function tables_of(database)
  local tables = {}
  each_cell(database, 1, function(page, at, _, length)
    local row = columns(record_of(database, page, at, length))
    local root = assert(row[4], "too short a row of the schema")
    if row[1] == "table" and root:find("[^\0]") then -- virtual ones have none
      tables[#tables + 1] = { row[2], (string.unpack(">i" .. #root, root)) }
    end
  end)
  return tables
end

local function main(path)
  assert(path, "usage: sqlite_rows.lua FILE")
  local file <close> = assert(mapped.open(path))
  local database = open_database(file)
  print(database.size, file:get(">I4", 29), file:get(">I4", 61))
  for _, name_and_root in ipairs(tables_of(database)) do
    local name, root = table.unpack(name_and_root)
    each_cell(database, root, function(_, _, row, length)
      print(name, row, length)
    end)
  end
end

local done, message = pcall(main, arg[1])
if not done then
  io.stderr:write("error: ", message, "\n")
  os.exit(false)
end
