-- Guards against a pack or unpack that differs from string.pack or
-- string.unpack in a value, in the position of the next value, or in what it
-- refuses.
local mapped = require "mapped"
local support = require "tests.lua.support"

local region_of = support.region_of

-- Returns the call's results, or its error without positions in the program and
-- in the format and without the argument's number.
local function outcome(f, ...)
  local result = table.pack(pcall(f, ...))
  if result[1] then return result end
  local text = tostring(result[2])
  text = text:gsub("^[^:]+:%d+: ", ""):gsub("^bad argument #%d+ to '[^']*' ", "")
  text = text:gsub(" at position %d+ of the format", "")
  return { text }
end

local function assert_same(ours, theirs, about)
  if #ours ~= #theirs then
    error(("%s: %s, not %s"):format(about, ours[#ours], theirs[#theirs]))
  end
  for i = 1, theirs.n or 1 do
    local a, b = ours[i], theirs[i]
    local same = a == b and math.type(a) == math.type(b) or (a ~= a and b ~= b)
    if not same then
      error(("%s, value %d: %s, not %s"):format(about, i, a, b))
    end
  end
end

local codes = {
  "b", "B", "h", "H", "l", "L", "j", "J", "T", "i", "I", "f", "d", "n", "s",
  "z", "x", " ", "<", ">", "=", "!", "X", "c0", "c1", "c5", "c", "s1", "s2",
  "s4", "i3", "i7", "i9", "i16", "I1", "I5", "I12", "!1", "!2", "!3", "!4",
  "!8", "!16", "Xi4", "Xd", "Xs2", "Xz", "i0", "i17", "s99", "y", "\0", "%",
  "!", "Xx", "XX", "X ", "9", "c99999999999", "c2147483647",
}
local huge = 2 -- with the last codes string.pack would make gigabytes

-- Returns a random format. Bad codes are rare, because unpacking ends at the
-- first one.
local function random_format(random, most)
  local parts = {}
  for i = 1, random(0, 7) do
    parts[i] = codes[random(random(8) == 1 and most or 40)]
  end
  return table.concat(parts)
end

local function random_bytes(random, most)
  local bytes = {}
  for i = 1, random(0, most) do
    bytes[i] = string.char(random(3) == 1 and random(0, 3) or random(0, 255))
  end
  return table.concat(bytes)
end

local values = {
  0, 1, -1, 127, 128, -128, -129, 255, 256, 32768, 65535, 65536, 2147483647,
  2147483648, -2147483648, -2147483649, 4294967295, 4294967296, math.maxinteger,
  math.mininteger, 0.5, -0.0, 1 / 0, 0 / 0, 1e300, 3.0, 2 ^ 53, 2 ^ 63, "", "a",
  "abc", "abcde", "a\0b", ("x"):rep(255), ("x"):rep(256), ("y"):rep(70000), "12",
  "0x10", true,
}

describe("unpack", function()
  it("agrees with string.unpack on random formats and data", function()
    local random = math.random
    math.randomseed(20)
    for _ = 1, support.rounds(10000) do
      local format = random_format(random, #codes)
      local data = random_bytes(random, 48)
      local pos = random(4) == 1 and random(-60, 60) or 1
      local region <close> = region_of(data)
      assert_same(outcome(region.unpack, region, format, pos),
                  outcome(string.unpack, format, data, pos),
                  ("%q on %q at %d"):format(format, data, pos))
    end
  end)

  it("agrees on formats of many values", function()
    local format = ("<i3 z s1 >d x"):rep(100)
    local parts = {}
    for i = 1, 100 do
      for _, part in ipairs { i, "z" .. i, ("s"):rep(i), i / 3 } do
        parts[#parts + 1] = part
      end
    end
    local data = string.pack(format, table.unpack(parts))
    local region <close> = region_of(data)
    assert_same(outcome(region.unpack, region, format),
                outcome(string.unpack, format, data), "400 values")
  end)

  it("aligns to the start of what it is called on", function()
    local region <close> = region_of(("\1"):rep(32))
    assert.equal(17, select(-1, region:unpack("!8 b i8", 2)))
    assert.equal(17, select(-1, region:sub(2):unpack("!8 b i8")))
  end)

  it("names the place of a mistake", function()
    local region <close> = region_of("abcdefgh")
    local function message(...)
      return select(2, pcall(region.unpack, region, ...))
    end
    assert.matches("invalid format option 'y' at position 3 of", message("i4y"))
    assert.matches("too short at position 4 of", message("i4 i8"))
    assert.matches("string for format 'z' at position 1 of", message("z"))
  end)

  it("refuses a closed region", function()
    local region = region_of("abcdefgh")
    local slice = region:sub(1)
    region:close()
    for _, format in ipairs { "", "b", "z", "s1" } do
      assert.error_matches(function() region:unpack(format) end,
                           "attempt to use a closed region")
      assert.error_matches(function() slice:unpack(format, 100) end,
                           "attempt to use a closed region")
    end
  end)

  it("remembers formats without mixing them up", function()
    local region <close> = region_of(("\1"):rep(800))
    for round = 1, 3 do
      for i = 1, 600 do
        local format = ("b"):rep(i % 200) .. ("x"):rep(i)
        assert.equal(i % 200 + i + 1, select(-1, region:unpack(format)), round)
      end
    end
  end)

  it("survives a finalizer that removes the format from the cache", function()
    local region <close> = region_of(("ab\0"):rep(50))
    for i = 1, support.rounds(300) do
      setmetatable({}, { __gc = function()
        for j = 1, 300 do region:unpack("<i4" .. (" "):rep(i + j)) end
      end })
      local format = ("z"):rep(50) .. (" "):rep(i)
      assert.equal("ab", (select(50, region:unpack(format))))
    end
  end)
end)

describe("pack", function()
  it("agrees with string.pack on random formats and values", function()
    local random = math.random
    math.randomseed(30)
    local filler = ("\xEE"):rep(300)
    for _ = 1, support.rounds(10000) do
      local format = random_format(random, #codes - huge)
      local arguments = table.pack(format)
      for i = 1, random(0, 7) do
        arguments[i + 1] = values[random(#values)]
        arguments.n = i + 1
      end
      local theirs = outcome(string.pack, table.unpack(arguments, 1, arguments.n))
      local packed = theirs[1] == true and theirs[2] or ""
      if theirs[1] == true then -- string.pack ignores surplus values
        arguments.n = select("#", string.unpack(format, packed))
      end
      local region <close> = region_of(filler, #packed)
      local ours = outcome(region.pack, region, format, 1,
                           table.unpack(arguments, 2, arguments.n))
      local about = ("%q of %d values"):format(format, arguments.n - 1)
      if theirs[1] == true then theirs = { true, #packed + 1, n = 2 } end
      assert_same(ours, theirs, about)
      if region:sub(1, #packed):tostring(1) ~= packed or
         region:sub(#packed + 1, 300):tostring(1) ~= filler:sub(#packed + 1) then
        error(about .. ": other bytes")
      end
    end
  end)

  it("writes nothing unless all of it fits", function()
    local region <close> = region_of("abcdefgh")
    for _, call in ipairs {
      { "<i4 i4", 2, 1, 2 }, { "<i4 b", 1, 1, 128 }, { "z", 1, "12345678" },
      { "s1 b", 1, "abc", {} }, { "<i4", 10, 1 }, { "<i4", 0, 1 },
      { "<i4", -3, 1 }, { "<i4", math.maxinteger, 1 }, { "<i4", math.mininteger, 1 },
    } do
      assert.has_error(function() region:pack(table.unpack(call)) end)
      assert.is_true(region:equals("abcdefgh"))
    end
  end)

  it("counts a negative position from the end", function()
    local region <close> = region_of("abcdefgh")
    assert.equal(9, region:pack("<I4", -4, 0x31323334))
    assert.is_true(region:equals("abcd4321"))
  end)

  it("refuses a read-only and a closed region", function()
    local region = assert(mapped.open(support.file("abcdefgh")))
    assert.error_matches(function() region:pack("b", 1, 1) end, "read%-only")
    region:close()
    assert.error_matches(function() region:pack("b", 1, 1) end, "closed region")
    support.clean()
  end)

  it("keeps its arguments when a long format collects garbage", function()
    local region <close> = region_of("", 4000)
    local format, arguments = ("s1"):rep(200), {}
    for i = 1, 200 do arguments[i] = ("v" .. i) end
    setmetatable({}, { __gc = function() region:pack("<d", 3000, 1) end })
    region:pack(format, 1, table.unpack(arguments))
    for i, value in ipairs(table.pack(region:unpack(format))) do
      if i <= 200 then assert.equal(arguments[i], value) end
    end
  end)
end)

describe("the formats in tests/vectors", function()
  local bytes = support.unhex
  local function value_of(text)
    if text:sub(1, 2) == "f:" then return (string.unpack(">d", bytes(text:sub(3)))) end
    if text:sub(1, 2) == "x:" then return bytes(text:sub(3)) end
    return math.tointeger(text)
  end
  local rows = 0
  for line in io.lines("tests/vectors/format.tsv") do
    local format, data, start, values_text, stop =
      line:match("^pack\t([^\t]*)\t(%x*)\t(%d+)\t([^\t]*)\t(%d+)$")
    if format then
      rows = rows + 1
      it(("%d: %s"):format(rows, format:sub(1, 40)), function()
        local expected = {}
        for text in values_text:gmatch("%S+") do expected[#expected + 1] = value_of(text) end
        local region <close> = region_of(bytes(data))
        local found = table.pack(region:unpack(format, start + 1))
        assert.equal(#expected + 1, found.n)
        assert.equal(stop + 1, found[found.n])
        for i, value in ipairs(expected) do assert.equal(value, found[i]) end
        region:fill(0xEE)
        region:pack(format, start + 1, table.unpack(expected))
        assert.is_true(region:equals(bytes(data)))
      end)
    end
  end
  it("are there", function() assert.is_true(rows > 20) end)
end)
