-- Guards against a lease of luabuffer.h that shows other bytes than the
-- object's, that hides a lost page, that lasts too long or too short, or that a
-- forged object gets. lua/examples/crc.c is the library that takes the leases:
-- it doesn't know ours.
local mapped = require "mapped"
local crc = require "crc"
local support = require "tests.lua.support"
local failure, region_of = support.failure, support.region_of
local has_rex, rex = pcall(require, "rex_pcre2")

local CHECK = 0xCBF43926 -- of "123456789"

describe("a lease", function()
  after_each(support.clean)

  it("shows the bytes of whatever lends", function()
    local region = region_of("..123456789")
    local slice = region:sub(3)
    assert.equal(CHECK, crc.crc32("123456789"))
    assert.equal(CHECK, crc.crc32(slice))
    assert.equal(CHECK, crc.crc32(region_of("123456789")))
    assert.equal(CHECK, crc.crc32(slice:cast("B")))
    assert.equal(CHECK, crc.crc32(slice:records("a:char[3]")))
    assert.equal(CHECK, crc.crc32(slice:readonly(true)))
    local path = support.file("123456789")
    assert.equal(CHECK, crc.crc32(assert(mapped.open(path))))
    assert.equal(0, crc.crc32(mapped.anonymous(0)))
    assert.equal(0, crc.crc32(region:sub(1, 0)))
  end)

  it("ends: nothing stays busy", function()
    local before = mapped.stats().exports
    local region = mapped.anonymous(100)
    crc.crc32(region)
    assert.equal(before, mapped.stats().exports)
    assert.is_true(region:resize(10))
    assert.is_true(region:close())
  end)

  it("keeps the memory as long as it lasts", function()
    local region = region_of("123456789")
    local later = crc.later(region)
    local done, _, code = region:close()
    assert.is_nil(done)
    assert.equal(mapped.status.BUSY, code)
    assert.is_nil((region:resize(1)))
    assert.equal(CHECK, later())
    assert.matches("the lease has ended", failure(later))
    assert.is_true(region:resize(1))
    assert.is_true(region:close())
  end)

  it("keeps the object, and is ended by the collector", function()
    local later = crc.later(region_of("123456789"):sub(1))
    collectgarbage()
    collectgarbage()
    assert.equal(CHECK, later())
    local region = mapped.anonymous(8)
    crc.later(region)
    collectgarbage()
    collectgarbage()
    assert.is_true(region:close())
  end)

  it("is written only where that is possible", function()
    local region = region_of("abcdef")
    assert.equal(3, crc.copy("xyz", region))
    assert.equal("xyzdef", region:tostring())
    assert.equal(2, crc.copy(region:sub(4), region:sub(1, 2)))
    assert.equal("dezdef", region:tostring())
    local path = support.file("abc")
    local opened <close> = assert(mapped.open(path))
    for _, to in ipairs { opened, region:readonly(true),
      region:readonly(true):cast("B") } do
      assert.matches("bad argument #2 to '.*' %(.*read%-only memory",
                     failure(crc.copy, "x", to))
    end
    assert.matches("a string can't be written", failure(crc.copy, "x", "y"))
    assert.equal("abc", support.content(path))
    assert.equal("dezdef", region:tostring())
    collectgarbage()
    collectgarbage()
    assert.is_true(region:close())
  end)

  it("tells of what can't be had", function()
    local region = mapped.anonymous(100)
    local slice, column = region:sub(50), region:records("a:u8 b:u8"):column("a")
    assert.matches("elements of a column lie apart", failure(crc.crc32, column))
    region:resize(10)
    assert.matches("out of range", failure(crc.crc32, slice))
    region:close()
    assert.matches("closed region", failure(crc.crc32, region))
    for _, value in ipairs { 1, true, {}, print, io.stdout } do
      assert.matches("string or object that lends memory expected, got "
        .. type(value), failure(crc.crc32, value))
    end
  end)

  it("tells of a page that is lost meanwhile", function()
    local path = support.file(("x"):rep(20000))
    local region <close> = assert(mapped.open(path))
    local later = crc.later(region)
    support.write(path, "x")
    assert.matches("page lost", failure(later))
    assert.matches("page lost", failure(crc.crc32, region))
    assert.is_true(crc.crc32(region:sub(1, 4096)) > 0)
  end)

  it("of the end of a block stays true", function()
    local later
    do
      local region <close> = region_of("123456789")
      later = crc.later(region)
    end
    assert.equal(CHECK, later())
  end)
end)

describe("another library's object", function()
  it("lends in the same way", function()
    local block = crc.block(9)
    crc.copy("123456789", block)
    assert.equal(CHECK, crc.crc32(block))
    local region = mapped.anonymous(9)
    assert.equal(9, crc.copy(block, region))
    assert.equal("123456789", region:tostring())
    assert.matches("out of range", failure(crc.block, -1))
  end)

  it("stands for a string of its bytes", function()
    local block, region = crc.block(3), mapped.anonymous(8)
    crc.copy("a%b", block)
    region:write(2, block)
    region:copy_from(block, 6)
    assert.equal("\0a%b\0a%b", region:tostring())
    assert.is_true(region:append(block))
    assert.is_true(region:sub(2, 4):equals(block))
    assert.is_true(region:endswith(block))
    assert.same({ 2, 4 }, { region:find(block) })
    assert.equal(3, region:count(block))
    assert.equal("a%b", region:match(block))
    assert.equal("\0x\0xx", (region:gsub(block, "x")))
    assert.equal("a%b" .. region:tostring(), block .. region)
    assert.is_true(region:sub(2) >= block)
    local parts = 0
    for _ in region:split(block) do parts = parts + 1 end
    assert.equal(4, parts)
    region:pack("s1", 1, block)
    assert.equal("\3a%b", region:tostring(1, 4))
    region:records("t:char[11]")[1].t = block
    assert.equal("a%b", region:tostring(1, 3))
    local ring = mapped.Ring(mapped.anonymous(400))
    ring:send(block)
    assert.equal("a%b", ring:recv())
    assert.equal(2, ring:send_many { block, block })
    assert.same({ "a%b", "a%b" }, ring:recv_many())
    local name = _VERSION >= "Lua 5.3" and "crc.block" or "userdata"
    assert.matches("expected, got " .. name, failure(region.get, region, block))
    assert.matches("expected, got " .. name, failure(region.copy_to, region, block))
    region:write(1, crc.block(0))
  end)

  it("lends nothing if it is forged", function()
    local region = mapped.anonymous(64)
    local forged = setmetatable({}, { __buffer = region:topointer(),
      __name = "mapped.Region" })
    assert.matches("expected, got table", failure(crc.crc32, forged))
    assert.matches("expected, got userdata",
                   failure(crc.crc32, region:topointer()))
    local meta = getmetatable(io.stdout)
    meta.__buffer = region:topointer()
    assert.matches("expected, got userdata", failure(crc.crc32, io.stdout))
    meta.__buffer = nil
    local with_it = {}
    debug.setmetatable(with_it, debug.getmetatable(region))
    assert.matches("expected, got table", failure(crc.crc32, with_it))
    if has_rex then
      local bytes = string.pack("<I8", support.address(region)):rep(16)
      assert.matches("expected, got userdata",
                     failure(crc.crc32, rex._newmembuffer(bytes)))
    end
  end)
end)
