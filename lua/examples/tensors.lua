-- Lists the tensors of a safetensors file: name, type, least and greatest
-- number, and shape.
local mapped = require "mapped"

local LAYOUTS = { F64 = "< x:f64", F32 = "< x:f32", F16 = "< x:f16",
  I64 = "< x:i64", I32 = "< x:i32", I16 = "< x:i16", I8 = "x:i8",
  U32 = "< x:u32", U16 = "< x:u16", U8 = "x:u8" }
local ESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }
local MALFORMED = "malformed header"

-- JSON whose texts hold no quote, brace or bracket: \DDD stands for those.
local function hide(character)
  return ("\\%03d"):format(character:byte())
end

local function plain(header)
  return (header:gsub("\\(.)", hide):gsub('"[^"]*"', function(text)
    return (text:gsub("[][{}]", hide))
  end))
end

local function low_bits(surrogate)
  return utf8.codepoint(surrogate, 1, 1, true) & 0x3ff
end

-- The text that JSON and `hide` made of it.
local function reveal(text)
  text = text:gsub("\\(%d%d%d)(%x?%x?%x?%x?)", function(code, digits)
    local letter = string.char(code)
    if letter == "u" then
      return utf8.char(tonumber(digits, 16) or error(MALFORMED, 0))
    end
    return (ESCAPES[letter] or letter) .. digits
  end)
  return (text:gsub("(\xed[\xa0-\xaf].)(\xed[\xb0-\xbf].)", function(high, low)
    return utf8.char(0x10000 + (low_bits(high) << 10 | low_bits(low)))
  end))
end

-- A list of name, type, shape, first and last of each tensor.
local function describe(header)
  local members = assert(plain(header):match("^%s*{(.*)}%s*$"), MALFORMED)
  local tensors = {}
  local rest = members:gsub('%s*"([^"]*)"%s*:%s*(%b{})%s*,?', function(name, body)
    if name ~= "__metadata__" then
      local first, last = body:match '"data_offsets"%s*:%s*%[%s*(%d+)%s*,%s*(%d+)'
      local tensor = { reveal(name), body:match '"dtype"%s*:%s*"([^"]*)"',
        body:match '"shape"%s*:%s*%[([%d%s,]*)%]', tonumber(first),
        tonumber(last) }
      assert(#tensor == 5, MALFORMED)
      tensors[#tensors + 1] = tensor
    end
    return ""
  end)
  assert(not rest:find("%S"), MALFORMED)
  table.sort(tensors, function(a, b) return a[1] < b[1] end)
  return tensors
end

local function text_of(value)
  if value == nil then
    return "-"
  end
  return (math.type(value) == "integer" and "%d" or "%.9g"):format(value)
end

local function limits(array)
  local least, greatest
  for i = 1, #array do
    local value = array[i]
    if value == value then -- no NaN
      least = (not least or value < least) and value or least
      greatest = (not greatest or value > greatest) and value or greatest
    end
  end
  return text_of(least), text_of(greatest)
end

local function main(path)
  assert(path, "usage: tensors.lua FILE")
  local file <close> = assert(mapped.open(path))
  local length = file:get("<I8")
  local header, data = file:slice(9, length), file:sub(9 + length)
  for _, tensor in ipairs(describe(header)) do
    local name, kind, shape, first, last = table.unpack(tensor)
    local layout = LAYOUTS[kind]
    if not layout then
      error(("tensor %s has a type not read here: %s"):format(name, kind), 0)
    end
    local array = data:slice(first + 1, last - first):records(layout):column("x")
    local words, count = { name, kind, limits(array) }, 1
    for digits in shape:gmatch("%d+") do
      words[#words + 1], count = digits, count * digits
    end
    assert(#array == count, "a tensor's shape is not that of its bytes")
    print(table.concat(words, " "))
  end
end

local done, message = pcall(main, arg[1])
if not done then
  io.stderr:write("error: ", message, "\n")
  os.exit(false)
end
