-- Guards against a register that is read twice, in parts or with its neighbours:
-- the processor counts and measures every access (tests/core/posix/registers.h).
local mapped = require "mapped"
local support = require "tests.lua.support"

local PAGE <const> = 4096
local WORD <const> = string.packsize("T")
local library = os.getenv("MAPPED_BUILD") .. "/tests/core/posix/registers_lua.so"
local registers = assert(package.loadlib(library, "luaopen_registers"))()
local missing = registers.missing()

-- Opens a device. Returns it and a function that returns the accesses since its
-- last call, as text: offset, width, and R or W.
local function open_device()
  local path = support.file(("\0"):rep(PAGE))
  local device = assert(mapped.open(path, "r+", { device = true }))
  assert(registers.watch(path))
  return device, function()
    local found = registers.stop()
    assert(registers.watch(path))
    return found
  end
end

local function case(name, body)
  it(name, function()
    if missing then
      pending(missing)
      return
    end
    local device, take = open_device()
    finally(function()
      registers.stop()
      device:close()
    end)
    body(device, take)
  end)
end

local function each(first, last, width, kind)
  local texts = {}
  for i = first, last, width do
    texts[#texts + 1] = ("%d:%d%s"):format(i, width, kind)
  end
  return table.concat(texts, " ")
end

describe("a device", function()
  after_each(support.clean)

  local codes = { b = 1, B = 1, h = 2, H = 2, i4 = 4, I4 = 4, i8 = 8, I8 = 8,
    f = 4, d = 8, u8 = 1, u16 = 2, f16 = 2, u32be = 4, u64 = 8, f64be = 8 }
  for code, width in pairs(codes) do
    if width <= WORD then
      case("gets and sets " .. code .. " in one access", function(device, take)
        local value = device:get(code, 17)
        assert.equal(each(16, 16, width, "R"), take())
        device:set(code, 25, value)
        assert.equal(each(24, 24, width, "W"), take())
      end)
    else
      case("has no single access for " .. code, function(device, take)
        support.failure(device.get, device, code, 17)
        support.failure(device.set, device, code, 17, 1)
        assert.equal("", take())
      end)
    end
  end

  case("goes element by element", function(device, take)
    for code, width in pairs { B = 1, I2 = 2, I4 = 4, f = 4 } do
      local array = device:sub(17, 48):cast(code)
      array[2] = array[1]
      assert.equal(each(16, 16, width, "R") .. " "
        .. each(16 + width, 16 + width, width, "W"), take())
      for i = 1, #array do
        array[i] = array[i]
      end
      assert.equal(2 * #array, select(2, take():gsub(":" .. width, "")))
    end
  end)

  case("goes byte by byte", function(device, take)
    assert.equal(0, device[6])
    device[7] = 1
    assert.equal("5:1R 6:1W", take())
    assert.equal(("\0"):rep(12), device:tostring(9, 20))
    assert.equal(each(8, 19, 1, "R"), take())
    device:write(9, "abcdefghijkl")
    assert.equal(each(8, 19, 1, "W"), take())
    device:fill(7, 33, 40)
    assert.equal(each(32, 39, 1, "W"), take())
  end)

  case("unpacks value by value", function(device, take)
    device:pack("<I4 I2 B", 9, 1, 2, 3)
    assert.equal("8:4W 12:2W 14:1W", take())
    assert.same({ 1, 2, 3, 16 }, { device:unpack("<I4 I2 B", 9) })
    assert.equal("8:4R 12:2R 14:1R", take())
  end)

  case("is not touched by what is refused", function(device, take)
    support.failure(device.get, device, "I4", 3)
    support.failure(device.set, device, "I4", PAGE, 1)
    support.failure(device.set, device, "I4", 1, 1 << 40)
    support.failure(device.find, device, "a")
    support.failure(device.count, device, "a")
    assert.equal("", take())
  end)

  it("names what it doesn't support", function()
    local device <close> = assert(mapped.open("/dev/zero", "r", {
      length = PAGE, device = true }))
    for _, name in ipairs { "find", "count", "rfind", "gsub" } do
      assert.matches(name .. ": not supported here",
        support.failure(device[name], device, "a", name == "gsub" and "b"
          or nil), 1, true)
    end
  end)

  it("needs a length where the file has none", function()
    assert.matches("without a length",
      support.failure(mapped.open, "/dev/zero", "r", { device = true }))
    local device <close> = assert(mapped.open("/dev/zero", "r+",
      { device = true, length = 5000 }))
    assert.equal(5000, #device)
    assert.equal(0, device:get("I4", 4997))
    support.failure(device.get, device, "I4", 3)
    support.failure(device.get, device, "I4", 5001)
  end)
end)
