-- Lists the sections of an ELF file: 32 or 64 bits, either byte order.
local mapped = require "mapped"

local function main(path)
  assert(path, "usage: elf_sections.lua FILE")
  local elf <close> = assert(mapped.open(path))
  assert(elf:get(">I4", 1) == 0x7f454c46, "not an ELF file")
  local word = elf[5] == 2 and 8 or 4
  local order = elf[6] == 2 and ">" or "<"
  local short, int, long = order .. "I2", order .. "I4", order .. "I" .. word

  local size = elf:get(short, 35 + 3 * word)
  local count = elf:get(short, 37 + 3 * word)
  local strings = elf:get(short, 39 + 3 * word)
  local headers = elf:slice(elf:get(long, 25 + 2 * word) + 1, size * count)

  local function header(index)
    return headers:slice(size * index + 1, size)
  end

  local function field(row, number) -- flags, address, offset, size
    return row:get(long, 9 + number * word)
  end

  for i = 0, count - 1 do
    local row, text = header(i), header(strings)
    local names = elf:slice(field(text, 2) + 1, field(text, 3))
    local name = names:tostring(row:get(int, 1) + 1):match("^(.-)\0")
    assert(name, "a section name has no end")
    print(string.format("%2d %8x %8x %8x %8x %s", i, row:get(int, 5),
                        field(row, 1), field(row, 2), field(row, 3), name))
  end
end

local done, message = pcall(main, arg[1])
if not done then
  io.stderr:write("error: ", message, "\n")
  os.exit(false)
end
