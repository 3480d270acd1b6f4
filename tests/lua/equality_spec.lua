-- Guards against a comparison that raises where == must not, that depends on
-- the order of its operands, or that finds different values equal.
local mapped = require "mapped"
local support = require "tests.lua.support"

local region_of = support.region_of

local function both_ways(expected, a, b)
  assert.equal(expected, a == b)
  assert.equal(expected, b == a)
  assert.equal(not expected, a ~= b)
end

describe("equality", function()
  after_each(support.clean)

  it("is by the values of elements, whatever their types", function()
    local region = region_of("\1\0\2\0\3\0")
    both_ways(true, region:cast("<I2"), region:cast("<i2"))
    both_ways(false, region:cast("<I2"), region:cast(">I2"))
    both_ways(true, region:cast("<I2"), region_of("\1\2\3"))
    both_ways(true, region:cast("<I2"), region_of("\0\1\0\2\0\3"):cast(">I2"))
    both_ways(true, region_of(string.pack("<d", 1)):cast("<d"), region_of("\1"))
    both_ways(false, region_of(string.pack("<d", 0 / 0)):cast("<d"),
              region_of(string.pack("<d", 0 / 0)):cast("<d"))
    both_ways(false, region, region:cast("<I2"))
    both_ways(true, region:sub(1, 0), region:cast("<I2"):sub(1, 0))
  end)

  it("is by the fields of records", function()
    local region = region_of("\1\2xx\1\2yy\1\3xx")
    local records = region:records("a:u8 b:u8 size=4")
    both_ways(true, records[1], records[2])
    both_ways(false, records[1], records[3])
    both_ways(true, records:sub(1, 1), records:sub(2, 2))
    both_ways(false, records, records:sub(1, 2))
    local other = region_of("\0\1\0\2"):records("> a:u16 b:u16")
    both_ways(true, other[1], records[1])
    both_ways(false, region_of("\1\2"):records("a:u8 c:u8")[1], records[1])
    both_ways(false, records[1], records)
    both_ways(false, records[1], region)
  end)

  it("is by the fields of records in records", function()
    local records = region_of("\1\2xx\1\2yy\1\3xx"):records("p:{a:u8 b:u8 size=4}")
    both_ways(true, records[1], records[2])
    both_ways(true, records[1].p, records[2].p)
    both_ways(false, records[1].p, records[3].p)
    both_ways(false, records[1], records[3])
    both_ways(true, records:column("p"):sub(1, 2), region_of("\1\2\1\2"):records("a:u8 b:u8"))
    both_ways(false, records:column("p"), records)
    both_ways(false, records:column("p"), region_of("\1\2\1\2\1\3"))
    local pairs_of = region_of("\1\2\1\2"):records("p:{a:u8 b:u8}[2]")
    both_ways(true, pairs_of[1].p, pairs_of[1].p)
    both_ways(true, pairs_of[1].p, records:column("p"):sub(1, 2))
    both_ways(false, pairs_of[1].p, pairs_of[1].p[1])
  end)

  it("is by the bytes of texts", function()
    local column = region_of("ab\0cd\0"):records("t:char[3]"):column("t")
    both_ways(true, column, region_of("ab\0cd\0"):records("t:char[3]"):column("t"))
    both_ways(false, column, region_of("ab\0ce\0"):records("t:char[3]"):column("t"))
  end)

  it("never raises: an object that can't be read equals only itself", function()
    local path = support.file(("a"):rep(65536))
    local cut = assert(mapped.open(path, "r"))
    local closed, shrunk = mapped.anonymous(8), mapped.anonymous(8)
    local objects = { closed, closed:sub(1), closed:cast("B"),
      closed:records("a:u8"), closed:records("a:u8")[1],
      shrunk:sub(1), shrunk:cast("I4"), shrunk:records("a:u64")[1],
      cut, cut:sub(4097), cut:cast("I4") }
    closed:close()
    shrunk:resize(2)
    assert(io.open(path, "wb")):close()
    for i, a in ipairs(objects) do
      for j, b in ipairs(objects) do
        both_ways(i == j, a, b)
      end
      for _, other in ipairs { io.stdout, "aa", 1, {}, print } do
        both_ways(false, a, other)
      end
    end
  end)
end)

describe("order", function()
  it("is by bytes, also with strings", function()
    local a, b = region_of("abc"), region_of("abd")
    assert.is_true(a < b and a <= b and b > a and b >= a)
    assert.is_false(b < a or b <= a or a < a or a > b)
    assert.is_true(a:sub(1, 2) < a and a <= a and a >= a)
    assert.is_true(a < "abd" and "abb" < a and a <= "abc" and "abc" <= a)
    assert.is_false(a < "abc" or "abc" < a)
    assert.is_true(region_of("\200") > region_of("\100"))
    assert.is_true(a:cast("B") < b)
  end)

  it("raises as every access does", function()
    local closed = region_of("abc")
    closed:close()
    assert.error_matches(function() return closed < "a" end, "closed region")
    assert.error_matches(function() return region_of("a") < {} end, "expected")
    assert.error_matches(function() return 1 < region_of("a") end, "expected")
  end)
end)

describe("order of elements that lie apart", function()
  it("is that of their bytes", function()
    local region = region_of("a.b.c.a.b.d.")
    local records = region:records("x:u8 size=2")
    local first, second = records:sub(1, 3):column("x"), records:sub(4):column("x")
    assert.is_true(first < second and first <= second)
    assert.is_true(first < "abd" and "abb" < first and first <= "abc")
    assert.is_false(second < first or first < "abc" or first < first)
    assert.is_true(first < region:sub(3) and region:sub(1, 1) < second)
  end)
end)
