-- Guards against a lock that two hold, that outlives its variable, or that ends
-- with another descriptor of the file.
local mapped = require "mapped"
local support = require "tests.lua.support"
local failure = support.failure

describe("a lock", function()
  local path, region
  local NOW = { timeout = 0 }

  before_each(function()
    path = support.file(("x"):rep(100))
    region = assert(mapped.open(path, "r+"))
  end)

  after_each(function()
    region:close()
    support.clean()
  end)

  it("is held until its variable goes out of scope", function()
    do
      local lock <close> = assert(region:sub(11, 20):lock())
      assert.is_true(lock:held())
      assert.same({ nil, "timeout" }, { region:lock(NOW) })
      assert.same({ nil, "timeout" },
                  { region:sub(20):lock { shared = true, timeout = 0.001 } })
      local other <close> = assert(region:sub(21):lock(NOW))
      assert.equal("mapped.Lock", tostring(other))
    end
    local lock <close> = assert(region:lock(NOW))
    assert.is_true(lock:held())
  end)

  it("is shared with those who share it", function()
    local one <close> = assert(region:lock { shared = true })
    local two <close> = assert(region:lock { shared = true, timeout = 0 })
    assert.same({ nil, "timeout" }, { region:lock(NOW) })
    one:unlock()
    two:unlock()
    assert(region:lock(NOW)):unlock()
  end)

  it("ends once", function()
    local lock = assert(region:lock())
    lock:unlock()
    assert.is_false(lock:held())
    assert.equal("mapped.Lock (ended)", tostring(lock))
    assert.matches("ended", failure(lock.unlock, lock))
    assert.matches("mapped.Lock expected", failure(lock.unlock, region))
  end)

  it("ends with its last reference", function()
    assert(region:lock())
    collectgarbage()
    collectgarbage()
    assert(region:lock(NOW)):unlock()
  end)

  it("outlives its region, and closing another descriptor", function()
    local lock <close> = assert(region:lock())
    io.open(path):close()
    region:close()
    local other = assert(mapped.open(path, "r+"))
    assert.same({ nil, "timeout" }, { other:lock(NOW) })
    lock:unlock()
    assert(other:lock(NOW)):unlock()
    other:close()
  end)

  it("keeps out other processes, and is free when they die", function()
    local lock = assert(region:lock())
    local code = [[
      local mapped = require "mapped"
      local region = assert(mapped.open(%q, "r+"))
      local lock, why = region:lock { timeout = %s }
      print(lock and "locked" or why)
      os.exit(false, false)
    ]]
    assert.matches("^timeout\n", support.child(code:format(path, "0")))
    lock:unlock()
    assert.matches("^locked\n", support.child(code:format(path, "60")))
    assert(region:lock(NOW)):unlock()
  end)

  it("that makes no sense is refused", function()
    local reader = assert(mapped.open(path))
    assert.matches("read%-only", failure(reader.lock, reader))
    assert(reader:lock { shared = true }):unlock()
    reader:close()
    assert.matches("closed", failure(reader.lock, reader))
    local none = region:sub(1, 0)
    assert.matches("no bytes", failure(none.lock, none))
    local anonymous = mapped.anonymous(10)
    local lock, message = anonymous:lock()
    assert.is_nil(lock)
    assert.matches("not supported", message)
    for _, timeout in ipairs { -1, 0 / 0, -math.huge, "x", {} } do
      assert.matches("0 or more seconds",
                     failure(region.lock, region, { timeout = timeout }))
    end
    assert.matches("unknown option",
                   failure(region.lock, region, { timeouts = 1 }))
    assert.matches("boolean", failure(region.lock, region, { shared = 1 }))
  end)
end)
