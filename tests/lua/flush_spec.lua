-- Guards against a flush that ignores its options, or that reports success
-- where nothing can be durable.
local mapped = require "mapped"
local support = require "tests.lua.support"

local failure = support.failure

describe("flush", function()
  after_each(support.clean)

  it("writes a region and a slice, and waits or doesn't", function()
    local region <close> = assert(mapped.open(support.file(("a"):rep(9000)), "r+"))
    region:write(1, "b")
    assert.is_true(region:flush())
    assert.is_true(region:sub(5000):flush { wait = false })
    assert.is_true(region:flush { wait = true })
    assert.is_true(region:sub(1, 0):flush {})
  end)

  it("takes no other options and arguments", function()
    local region <close> = assert(mapped.open(support.file("abc"), "r+"))
    assert.matches("unknown option 'now'", failure(region.flush, region, { now = 1 }))
    assert.matches("option 'wait': boolean expected",
                   failure(region.flush, region, { wait = 1 }))
    assert.matches("table expected", failure(region.flush, region, false))
    assert.matches("2 arguments expected at most",
                   failure(region.flush, region, {}, 1))
  end)

  it("says where nothing can be durable", function()
    local path = support.file("abc")
    local reader <close> = assert(mapped.open(path))
    assert.matches(path .. ": flush: attempt to write to read%-only memory",
                   failure(reader.flush, reader))
    local private <close> = assert(mapped.open(path, "c"))
    for _, region in ipairs { private, mapped.anonymous(3) } do
      local ok, message, code = region:flush()
      assert.is_nil(ok)
      assert.matches("flush: not supported", message)
      assert.equal(mapped.status.UNSUPPORTED, code)
    end
    reader:close()
    assert.matches("closed", failure(reader.flush, reader))
  end)

  it("reports a lost page", function()
    local path = support.file(("a"):rep(8192))
    local region <close> = assert(mapped.open(path, "r+"))
    assert(io.open(path, "w")):close()
    assert.is_false(pcall(region.write, region, 1, "x"))
    local ok, message = region:flush()
    assert.is_nil(ok)
    assert.matches("flush: page lost", message)
  end)
end)
