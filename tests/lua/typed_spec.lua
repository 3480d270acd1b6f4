-- Guards against typed access that differs from string.pack and string.unpack:
-- for every code, in both byte orders, at any alignment, with random values.
local mapped = require "mapped"
local support = require "tests.lua.support"

local ROUNDS = support.rounds(40)

local integers = { "b", "B", "h", "H", "i", "I", "l", "L", "j", "J", "T" }
for n = 1, 16 do
  integers[#integers + 1] = "i" .. n
  integers[#integers + 1] = "I" .. n
end
local floats = { "f", "d", "n" }
local orders = { "", "<", ">", "=" }

local function random_integer()
  return math.random(math.mininteger, math.maxinteger) >> math.random(0, 63)
    * (math.random(2) == 1 and 1 or -1)
end

local function random_float()
  local kind = math.random(8)
  if kind == 1 then
    return ({ 1 / 0, -1 / 0, 0.0, -0.0 })[math.random(4)]
  end
  return (math.random() - 0.5) * 2.0 ^ math.random(-100, 100)
end

-- Returns the result of string.pack, or nil if it refuses the value.
local function packed(code, value)
  local ok, text = pcall(string.pack, code, value)
  return ok and text or nil
end

local function each_code(codes, f)
  for _, code in ipairs(codes) do
    for _, order in ipairs(orders) do
      f(order .. code)
    end
  end
end

describe("get and set", function()
  local region
  before_each(function()
    math.randomseed(1729)
    region = mapped.anonymous(64)
  end)

  it("read integers as string.unpack", function()
    each_code(integers, function(code)
      for _ = 1, ROUNDS do
        local bytes = {}
        for i = 1, 16 do
          bytes[i] = string.char(math.random(3) == 1 and 0 or math.random(3) > 1
            and 255 or math.random(0, 255))
        end
        local text, pos = table.concat(bytes), math.random(1, 20)
        region:write(pos, text)
        local ok, expected = pcall(string.unpack, code, text)
        local done, value = pcall(region.get, region, code, pos)
        assert.equal(ok, done)
        if ok then
          assert.equal(expected, value)
          assert.equal("integer", math.type(value))
        end
      end
    end)
  end)

  it("write integers as string.pack, or refuse the same", function()
    each_code(integers, function(code)
      for _ = 1, ROUNDS do
        local value, pos = random_integer(), math.random(2, 20)
        local expected = packed(code, value)
        region:fill(0xa5)
        local done = pcall(region.set, region, code, pos, value)
        assert.equal(expected ~= nil, done, code .. " " .. value)
        local text = expected or ""
        assert.equal(("\xa5"):rep(pos - 1) .. text
          .. ("\xa5"):rep(64 - #text - pos + 1), region:tostring())
      end
    end)
  end)

  it("move floats as string.pack and string.unpack", function()
    each_code(floats, function(code)
      for _ = 1, ROUNDS do
        local value, pos = random_float(), math.random(1, 20)
        local expected = packed(code, value)
        region:set(code, pos, value)
        assert.equal(expected, region:tostring(pos, pos + #expected - 1))
        assert.equal(string.unpack(code, expected), region:get(code, pos))
        assert.equal("float", math.type(region:get(code, pos)))
      end
    end)
    region:set("d", 1, 0 / 0)
    assert.is_true(region:get("d") ~= region:get("d"))
    region:set("d", 1, 3)
    assert.equal(3.0, region:get("d"))
  end)

  it("take values as Lua does", function()
    region:set("i4", 1, 7.0)
    assert.equal(7, region:get("i4"))
    region:set("i4", -4, "12")
    assert.equal(12, region:get("i4", -4))
    region:set("J", 1, -1)
    assert.equal(-1, region:get("J"))
    assert.equal(-1, region:get("i8"))
  end)
end)

describe("arrays", function()
  it("hold what get and set see", function()
    each_code(integers, function(code)
      local size = string.packsize(code)
      local region = mapped.anonymous(size * 5 + 1)
      local array = region:sub(2):cast(code)
      assert.equal(5, #array)
      for i = 1, 5 do
        array[i] = i * 10
        assert.equal(i * 10, region:get(code, 2 + (i - 1) * size))
      end
      region:set(code, 2 + 4 * size, 77)
      assert.equal(77, array[5])
      assert.equal(77, array[-1])
      assert.equal(10, array[-5])
      assert.is_nil(array[0])
      assert.is_nil(array[6])
      assert.is_nil(array[-6])
      assert.is_nil(array[math.maxinteger])
      assert.is_nil(array[math.mininteger])
    end)
  end)

  it("are iterated by ipairs and pairs", function()
    local array = mapped.anonymous(4 * 100):cast("i4")
    for i = 1, #array do
      array[i] = -i
    end
    for _, iterate in ipairs { ipairs, pairs } do
      local n = 0
      for i, value in iterate(array) do
        n = n + 1
        assert.equal(n, i)
        assert.equal(-n, value)
      end
      assert.equal(100, n)
    end
  end)

  it("are cut like string.sub, in elements", function()
    math.randomseed(4)
    local region = mapped.anonymous(20)
    local text = {}
    for i = 1, 10 do
      region:set("<I2", i * 2 - 1, i)
      text[i] = string.char(i)
    end
    text = table.concat(text)
    local array = region:cast("<I2")
    for _ = 1, 300 do
      local i, j = math.random(-12, 12), math.random(-12, 12)
      local part, values = array:sub(i, j), {}
      for k, value in ipairs(part) do
        values[k] = value
      end
      assert.same({ text:byte(i, j) }, j == i and values or values)
      assert.equal(#text:sub(i, j), #part)
      assert.equal(#part * 2, #part:bytes())
    end
    assert.is_nil(array:sub(3, 4)[3])
    assert.equal(4, array:sub(3, 4):offset())
  end)

  it("have attributes that describe them", function()
    local region = mapped.anonymous(20)
    local array = region:sub(5):cast(">I4")
    assert.equal("mapped.Array (4 elements of type u32be)", tostring(array))
    assert.is_true(rawequal(region, array:region()))
    assert.equal(4, array:offset())
    assert.is_false(array:readonly())
    assert.is_false(array:closed())
    assert.is_true(array:bytes() == region:sub(5))
  end)
end)

describe("names of a layout", function()
  it("are codes too", function()
    local region = mapped.anonymous(24)
    region:set("u24be", 2, 0x010203)
    assert.equal("\0\1\2\3\0", region:tostring(1, 5))
    assert.equal(0x010203, region:get("u24be", 2))
    assert.equal(0x00010203, region:get("u32be"))
    assert.equal(0x00010203, region:cast("u32be")[1])
    assert.equal(0x01020300, region:cast("u24be")[1] * 0 + region:get("u32be", 2))
    region:set("f16", 9, 1.5)
    assert.equal(1.5, region:get("f16", 9))
    -- A name that is a code of string.pack too means that code.
    assert.equal(8, #string.pack("i8", 1))
    assert.has_error(function() region:get("i8", 20) end)
  end)

  it("are of booleans and bytes", function()
    local region = mapped.anonymous(4)
    for _, value in ipairs { "", "ab", {}, 12 } do
      assert.error_matches(function() region:set("bool", 1, value) end, "boolean expected")
      assert.error_matches(function() region:set("char", 1, value) end, "one byte expected")
    end
    for _, code in ipairs { "bool[2]", "char[2]", "u32x", "u7", "f128", "bf32", "{a:u8}", "<u32" } do
      assert.error_matches(function() region:get(code) end, "bad argument #1 to 'get'")
      assert.error_matches(function() region:cast(code) end, "bad argument #1 to 'cast'")
    end
    region:set("bool", 1, true)
    region:set("char", 2, "x")
    assert.equal("\1x\0\0", region:tostring())
    assert.is_true(region:get("bool"))
    assert.equal("x", region:get("char", 2))
    assert.same({ true, true, false, false }, region:cast("bool"):totable())
    assert.same({ "\1", "x", "\0", "\0" }, region:cast("char"):totable())
  end)

  -- A code's text may be collected, and another text may take its address.
  it("are not mistaken for a collected text at the same address", function()
    local region = mapped.anonymous(16)
    region:write(1, "\1\2\3\4\5\6\7\8")
    local sizes = {}
    for n = 1, 8 do sizes[n] = n end
    for round = 1, support.rounds(400) do
      local n = sizes[round * 5 % 8 + 1]
      local order = round % 2 == 0 and "<" or ">"
      local code = table.concat({ order, "I", n })
      assert.equal(string.unpack(code, "\1\2\3\4\5\6\7\8"), region:get(code))
      if round % 7 == 0 then collectgarbage() end
    end
  end)
end)
