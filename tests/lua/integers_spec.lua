-- Guards against a 64-bit value that is changed on its way through a Lua whose
-- numbers are doubles: there it is a string beyond 2^53, in LuaJIT an int64_t or
-- uint64_t.
local mapped = require "mapped"
local support = require "tests.lua.support"

local HAS_INTEGERS = _VERSION >= "Lua 5.3"
local LIMIT = 2 ^ 53
local BYTES = "\1\0\0\0\0\0\32\128" -- as <I8: 2^63 + 2^53 + 1

-- The value's digits; LuaJIT writes LL or ULL behind them.
local function digits(value)
  return (tostring(value):gsub("U?LL$", ""))
end

-- Makes garbage whose finalizer closes the region.
local function close_when_collected(region)
  local function close()
    region:close()
  end
  if newproxy then -- luacheck: ignore 113
    getmetatable(newproxy(true)).__gc = close -- luacheck: ignore 113
  else
    setmetatable({}, { __gc = close })
  end
end

describe("64-bit integers", function()
  it("are numbers up to 2^53", function()
    local region = mapped.anonymous(8)
    for _, value in ipairs { 0, 1, -1, LIMIT, -LIMIT } do
      region:set("<i8", 1, value)
      assert.equal("number", type(region:get("<i8", 1)))
      assert.is_true(region:get("<i8", 1) == value)
    end
  end)

  it("are exact beyond", function()
    local region = support.region_of(BYTES)
    assert.equal("-9214364837600034815", digits(region:get("<i8", 1)))
    assert.equal(HAS_INTEGERS and "-9214364837600034815" or "9232379236109516801",
                 digits(region:get("<I8", 1)))
    assert.equal(HAS_INTEGERS and "number" or _G.jit and "cdata" or "string",
                 type(region:get("<i8", 1)))
  end)

  -- To make one may collect garbage, which the rest of an access must survive.
  it("may close their region on the way out", function()
    local format = (">i8"):rep(8)
    local before = { collectgarbage("setpause", 1),
                     collectgarbage("setstepmul", 10000) }
    for _ = 1, support.rounds(20) do
      local region = support.region_of(("\127"):rep(4096))
      local expected = { region:unpack(format) }
      close_when_collected(region)
      for _ = 1, 5 do
        local results = { pcall(region.unpack, region, format, 2048) }
        if results[1] then
          assert.equal(tostring(expected[8]), tostring(results[9]))
        else
          assert.matches("closed region", results[2])
        end
      end
    end
    collectgarbage("setpause", before[1])
    collectgarbage("setstepmul", before[2])
  end)

  it("are the same after each way in and out", function()
    local from = support.region_of(BYTES)
    for _, code in ipairs { "<i8", "<I8", "i64", "u64" } do
      local to = mapped.anonymous(8)
      to:set(code, 1, from:get(code, 1))
      assert.equal(BYTES, to:tostring())
      to:fill(0)
      to:cast(code)[1] = from:cast(code)[1]
      assert.equal(BYTES, to:tostring())
      to:cast(code):copy_from { from:cast(code):totable()[1] }
      assert.equal(BYTES, to:tostring())
    end
    local to = mapped.anonymous(8)
    to:pack("<i8", 1, (from:unpack("<i8", 1)))
    assert.equal(BYTES, to:tostring())
    to:records("< a:u64")[1].a = from:records("< a:u64")[1].a
    assert.equal(BYTES, to:tostring())
  end)

  it("are taken as digits", function()
    local region = mapped.anonymous(8)
    region:set("<i8", 1, "-9214364837600034815")
    assert.equal(BYTES, region:tostring())
    for text, value in pairs { ["010"] = 10, [" 0x10\v"] = 16, ["-0011"] = -11,
      ["08"] = 8, ["1e3"] = 1000, ["+7"] = 7 } do
      assert.equal(value, tonumber(text))
      region:set("<i8", 1, text)
      assert.equal(value, region:get("<i8", 1), text)
    end
    region:set("<i8", 1, "-9214364837600034815")
    for _, text in ipairs { "9223372036854775808", "1x", "", "-", "0x", "1LL2",
      "\v-18446744073709551615", not tonumber("1\0x") and "1\0x" or nil } do
      assert.is_false(pcall(region.set, region, "<i8", 1, text))
      assert.equal(text == "9223372036854775808" and not HAS_INTEGERS,
                   pcall(region.set, region, "<I8", 1, text))
      region:set("<i8", 1, "-9214364837600034815")
    end
    assert.equal(BYTES, region:tostring())
  end)

  it("have no fraction, and are no infinity", function()
    local region = mapped.anonymous(8)
    for _, value in ipairs { 0.5, 1 / 0, -1 / 0, 0 / 0, 2 ^ 64, -2 ^ 64 } do
      assert.is_false(pcall(region.set, region, "<i8", 1, value))
      assert.is_false(pcall(region.set, region, "<I8", 1, value))
    end
  end)
end)
