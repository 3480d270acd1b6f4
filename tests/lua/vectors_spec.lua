-- Guards against bytes that mean something else in Lua than in C and Python.
-- The tests of all three languages run the cases of tests/vectors/.
local support = require "tests.lua.support"
local unhex = support.unhex

local ERRORS = {
  ["!range"] = "outside of ",
  ["!value"] = "does not fit",
  ["!code"] = "unknown element code",
}

local function hex(text)
  return (text:gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end))
end

local function split(line)
  local fields = {}
  for field in (line .. "\t"):gmatch("([^\t]*)\t") do
    fields[#fields + 1] = field
  end
  return fields
end

-- Makes a test of every row of the file, which calls `check` with the row's
-- fields.
local function each(name, check)
  local number = 0
  for line in io.lines("tests/vectors/" .. name) do
    number = number + 1
    local row = split(line)
    if line ~= "" and line:sub(1, 1) ~= "#" and row[3] ~= "-" then
      it(("%s:%d"):format(name, number), function()
        check(table.unpack(row))
      end)
    end
  end
end

local function region_of(bytes)
  return support.region_of(unhex(bytes))
end

-- Returns the result of `act`, or nil if it raises the expected error.
local function result_of(expected, act)
  local pattern = ERRORS[expected]
  if not pattern then
    return act()
  end
  local done, message = pcall(act)
  assert.is_false(done)
  assert.truthy(tostring(message):find(pattern, 1, true), message)
end

local HAS_INTEGERS = _VERSION >= "Lua 5.3"

-- Converts decimal digits; the result wraps round to 64 bits as in Lua's
-- arithmetic, or where numbers are doubles, is the next that an argument can be.
local function integer(text)
  if not HAS_INTEGERS then
    return math.max(math.min(tonumber(text), 2 ^ 63 - 1024), -2 ^ 63)
  end
  local value = 0
  for digit in text:gmatch("%d") do
    value = value * 10 + tonumber(digit)
  end
  return text:sub(1, 1) == "-" and -value or value
end

-- Without integers, one beyond 2^53 is its digits.
local function value_of(text)
  local bits = text:match("^f:(%x+)$")
  if bits then
    return (string.unpack(">d", unhex(bits)))
  end
  local value = integer(text)
  return not HAS_INTEGERS and math.abs(value) > 2 ^ 53 and text or value
end

local function check_value(value, expected)
  local wanted = expected ~= "nan" and value_of(expected)
  if expected == "nan" then
    assert.is_true(value ~= value)
  elseif type(wanted) == "string" then
    assert.equal(_G.jit and "cdata" or "string", type(value))
    assert.equal(wanted, (tostring(value):gsub("U?LL$", "")))
  else
    assert.equal(math.type(wanted), math.type(value))
    assert.equal(wanted, value)
    assert.equal(string.pack(">n", wanted), string.pack(">n", value))
  end
end

-- Rows have offsets from 0, and Lua counts positions from 1.
local function position(offset)
  return integer(offset) + 1
end

describe("access.tsv", function()
  each("access.tsv", function(operation, _, code, before, offset, value, after)
    local whole = region_of(before)
    if operation == "get" then
      local got = result_of(value, function()
        return whole:get(code, position(offset))
      end)
      if not ERRORS[value] then
        check_value(got, value)
      end
    else
      result_of(after, function()
        whole:set(code, position(offset), value_of(value))
      end)
      assert.equal(ERRORS[after] and before or after, hex(whole:tostring()))
    end
    whole:close()
  end)
end)

local operations = {}

local function part(before, expected, act)
  local whole = region_of(before)
  local found = result_of(expected, function()
    return act(whole)
  end)
  if not ERRORS[expected] then
    assert.equal(expected, hex(tostring(found)))
    assert.equal(#expected // 2, #found)
  end
  whole:close()
end

local function change(before, expected, act)
  local whole = region_of(before)
  result_of(expected, function()
    act(whole)
  end)
  assert.equal(ERRORS[expected] and before or expected, hex(whole:tostring()))
  whole:close()
end

function operations.slice(before, offset, length, expected)
  part(before, expected, function(whole)
    return whole:slice(position(offset), integer(length)):tostring()
  end)
end

function operations.clamp(before, first, last, expected)
  part(before, expected, function(whole)
    local i, j = integer(first), integer(last)
    return whole:sub(i < 0 and i or i + 1, j < 0 and j - 1 or j):tostring()
  end)
end

function operations.read(before, offset, length, expected)
  part(before, expected, function(whole)
    return whole:slice(position(offset), integer(length)):tostring()
  end)
end

function operations.write(before, offset, data, expected)
  change(before, expected, function(whole)
    whole:write(position(offset), unhex(data))
  end)
end

function operations.fill(before, offset, length, byte, expected)
  change(before, expected, function(whole)
    whole:slice(position(offset), integer(length)):fill(integer(byte))
  end)
end

function operations.move(before, to, from, length, expected)
  change(before, expected, function(whole)
    whole:move(position(to), position(from), integer(length))
  end)
end

function operations.compare(left, right, expected)
  local a, b = region_of(left), region_of(right)
  assert.equal(expected == "0", a:equals(unhex(right)))
  assert.equal(expected == "0", a:equals(b))
  assert.equal(expected == "0", a:sub(1, -1) == b:sub(1, -1))
  a:close()
  b:close()
end

describe("bytes.tsv", function()
  each("bytes.tsv", function(operation, ...)
    operations[operation](...)
  end)
end)
