-- Lists the changes of a time zone from a TZif file (big-endian, RFC 8536):
-- second, offset from UTC, daylight saving and name of each.
local mapped = require "mapped"

-- UTC and standard flags, leap seconds, changes, types, letters.
local COUNTS = ">I4I4I4I4I4I4"

local function main(path)
  assert(path, "usage: zone_file.lua FILE")
  local zone <close> = assert(mapped.open(path))
  assert(zone:match("^TZif[2-9]"), "not a TZif file of version 2 or later")

  -- Behind the old block, with times of 32 bits, comes the one with 64.
  local utc, standard, leaps, times, types, letters = zone:unpack(COUNTS, 21)
  local second = zone:sub(45 + 5 * times + 6 * types + letters + 8 * leaps
    + standard + utc)
  times, types, letters = select(4, second:unpack(COUNTS, 21))

  local when = second:slice(45, 8 * times):cast(">i8")
  local which = second:slice(45 + 8 * times, times)
  local kinds = second:slice(45 + 9 * times, 6 * types)
  local names = second:slice(45 + 9 * times + 6 * types, letters)
  for i = 1, times do
    local offset, daylight, start = kinds:unpack(">i4BB", 6 * which[i] + 1)
    local name = names:match("^([^\0]*)\0", start + 1)
    assert(name, "a name has no end")
    print(when[i], offset, daylight, name)
  end
end

local done, message = pcall(main, arg[1])
if not done then
  io.stderr:write("error: ", message, "\n")
  os.exit(false)
end
