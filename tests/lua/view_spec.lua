-- Guards against regions and slices that behave otherwise than strings. They
-- are compared with `string`, with random bytes and positions.
local mapped = require "mapped"
local support = require "tests.lua.support"

local ROUNDS = support.rounds(300)

local function random_bytes(n)
  local bytes = {}
  for i = 1, n do
    bytes[i] = string.char(math.random(0, 255))
  end
  return table.concat(bytes)
end

-- Returns a position inside, at the borders, outside, or as far outside as
-- possible.
-- The functions of LuaJIT's strings take integers of 32 bits.
local MIN, MAX = math.mininteger, math.maxinteger
if _G.jit then
  MIN, MAX = -2 ^ 31, 2 ^ 31 - 1
end

local function random_position(n)
  local choice = math.random(10)
  if choice == 1 then
    return MAX
  elseif choice == 2 then
    return MIN
  end
  return math.random(-n - 3, n + 3)
end

-- Returns a string, and a region and a slice of a larger region that have the
-- same bytes.
local function models(n)
  local text = random_bytes(n)
  local region, outer = mapped.anonymous(n), mapped.anonymous(n + 11)
  region:write(1, text)
  outer:write(6, text)
  return text, region, outer:slice(6, n)
end

describe("regions and slices", function()
  setup(function()
    math.randomseed(20221)
  end)

  it("cut like string.sub", function()
    for _ = 1, ROUNDS do
      local n = math.random(0, 40)
      local text, region, slice = models(n)
      local i, j = random_position(n), random_position(n)
      for _, object in ipairs { region, slice } do
        assert.equal(text:sub(i, j), object:sub(i, j):tostring())
        assert.equal(text:sub(i), object:sub(i):tostring())
        assert.equal(text:sub(i, j), object:tostring(i, j))
        assert.equal(text:sub(i, j):sub(j, i),
          object:sub(i, j):sub(j, i):tostring())
      end
    end
  end)

  it("return bytes like string.byte", function()
    for _ = 1, ROUNDS do
      local n = math.random(0, 40)
      local text, region, slice = models(n)
      local i, j = random_position(n), random_position(n)
      for _, object in ipairs { region, slice } do
        assert.same({ text:byte(i, j) }, { object:byte(i, j) })
        assert.same({ text:byte(i) }, { object:byte(i) })
        assert.same({ text:byte() }, { object:byte() })
        assert.equal(i ~= 0 and text:byte(i) or nil, object[i])
      end
    end
  end)

  it("have a length, and bytes by ipairs", function()
    local text, region, slice = models(33)
    for _, object in ipairs { region, slice } do
      assert.equal(33, #object)
      local bytes = {}
      for i, byte in ipairs(object) do
        bytes[i] = byte
      end
      assert.same({ text:byte(1, -1) }, bytes)
    end
  end)

  it("take positions as Lua does: floats with an integer value", function()
    local text, region = models(10)
    assert.equal(text:byte(3), region[3.0])
    assert.is_nil(region[3.5])
    region[3.0] = 65.0
    assert.equal(65, region:byte("3"))
    assert.equal(65, region:sub(3.0, 3.0)[1])
  end)

  it("slice strictly", function()
    for _ = 1, ROUNDS do
      local n = math.random(0, 20)
      local text, region = models(n)
      local i, length = random_position(n), math.random(0, n + 2)
      local first = i < 0 and i + n + 1 or i
      local fits = first >= 1 and first <= n + 1 and length <= n - first + 1
      local ok, part = pcall(region.slice, region, i, length)
      assert.equal(fits, ok)
      if ok then
        assert.equal(text:sub(first, first + length - 1), part:tostring())
        assert.equal(first - 1, part:offset())
      end
    end
  end)

  it("write what a string would become, or nothing", function()
    for _ = 1, ROUNDS do
      local n = math.random(0, 20)
      local text, region, slice = models(n)
      local data, i = random_bytes(math.random(0, 8)), random_position(n)
      local first = i < 0 and i + n + 1 or i
      local fits = first >= 1 and first <= n + 1 and #data <= n - first + 1
      local expected = fits and
        text:sub(1, first - 1) .. data .. text:sub(first + #data) or text
      for _, object in ipairs { region, slice } do
        assert.equal(fits, (pcall(object.write, object, i, data)))
        assert.equal(expected, object:tostring())
      end
      local around = slice:region()
      assert.equal(("\0"):rep(5), around:tostring(1, 5))
      assert.equal(("\0"):rep(6), around:tostring(-6))
    end
  end)

  it("compare by content", function()
    for _ = 1, ROUNDS do
      local text, region, slice = models(math.random(0, 3))
      local other = models(#text)
      assert.is_true(region == slice)
      assert.is_true(slice == region)
      assert.equal(text == other, region:equals(other))
      assert.is_true(slice:equals(text))
      assert.is_true(slice:equals(region))
      assert.is_true(slice:equals(region:cast("B")))
      assert.is_false(slice:equals(text .. "x"))
      assert.is_false(region == region:sub(2) and #region > 0)
    end
    local region = mapped.anonymous(2)
    assert.is_true(region == region:cast("B"))
    assert.is_true(region:cast("B") == region)
    assert.is_false(region == region:cast("I2"))
    assert.is_false(region == io.stdout)
    assert.is_false(region == "\0\0")
  end)

  it("fill and move like rebuilt strings", function()
    for _ = 1, ROUNDS do
      local n = math.random(1, 30)
      local text, region, slice = models(n)
      local length = math.random(0, n)
      local to, from = math.random(n - length + 1), math.random(n - length + 1)
      for _, object in ipairs { region, slice } do
        object:move(to, from, length)
        assert.equal(text:sub(1, to - 1) .. text:sub(from, from + length - 1)
          .. text:sub(to + length), object:tostring())
      end
      slice:sub(to, to + length - 1):fill(0x2a)
      assert.equal(("*"):rep(length), slice:tostring(to, to + length - 1))
      assert.equal(("\0"):rep(5), slice:region():tostring(1, 5))
    end
  end)

  it("copy from and to each other, overlapping too", function()
    local text, region, slice = models(20)
    region:fill(0)
    region:copy_from(slice)
    assert.equal(text, region:tostring())
    region:copy_from(region:sub(1, 10), 6)
    assert.equal(text:sub(1, 5) .. text:sub(1, 10) .. text:sub(16),
      region:tostring())
    slice:sub(1, 4):copy_to(region, -4)
    assert.equal(text:sub(1, 4), region:tostring(-4))
    local array = region:cast("I4")
    slice:copy_to(array)
    assert.equal(text, region:tostring())
    region:copy_from("ab", 2)
    assert.equal(text:sub(1, 1) .. "ab" .. text:sub(4), region:tostring())
  end)

  it("have attributes that describe them", function()
    local region = mapped.anonymous(100)
    local slice = region:sub(11, 30):sub(2)
    assert.equal(11, slice:offset())
    assert.is_true(rawequal(region, slice:region()))
    assert.is_false(slice:readonly())
    assert.is_false(slice:closed())
    assert.equal("mapped.Slice (19 bytes at offset 11)", tostring(slice))
    assert.equal("mapped.Region (100 bytes, mode r+)", tostring(region))
  end)

  it("copy many bytes at once", function()
    local text = random_bytes(1000):rep(300)
    local region = mapped.anonymous(#text)
    region:write(1, text)
    assert.is_true(text == region:tostring())
    assert(region:resize(2000000))
    assert.matches("too many bytes", select(2, pcall(region.byte, region, 1, -1)))
  end)
end)
