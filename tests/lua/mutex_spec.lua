-- Guards against a mutex that two hold, or that nobody gets when its owner has
-- died.
local mapped = require "mapped"
local support = require "tests.lua.support"
local failure = support.failure

describe("a mutex", function()
  after_each(support.clean)

  it("is held until its variable goes out of scope", function()
    local region = mapped.anonymous(64)
    local mutex, same = mapped.Mutex(region), mapped.Mutex(region:sub(1, 8))
    do
      local held <close>, died = assert(mutex:lock())
      assert.equal(mutex, held)
      assert.is_false(died)
      assert.same({ nil, "timeout" }, { same:lock(0) })
      assert.same({ nil, "timeout" }, { same:lock(0.01) })
    end
    assert.equal(("\0"):rep(64), region:tostring())
    assert(same:lock(0))
    mutex:unlock()
    assert.matches("not held", failure(mutex.unlock, mutex))
    do
      local held <close> = mutex:lock()
      held:unlock()
    end
    assert.equal("mapped.Mutex", tostring(mutex))
    region:close()
    assert.equal("mapped.Mutex (closed)", tostring(mutex))
    assert.matches("closed", failure(mutex.lock, mutex))
    assert.matches("closed", failure(mutex.unlock, mutex))
    assert.matches("closed", failure(mapped.Mutex, region))
  end)

  it("is given back by the scope that holds it only", function()
    local region = mapped.anonymous(64)
    local one, two = mapped.Mutex(region), mapped.Mutex(region)
    assert(one:lock(0))
    do local _ <close> = two end
    assert.same({ nil, "timeout" }, { two:lock(0) })
    do
      local _ <close> = one
      one:unlock()
      assert(two:lock(0))
    end
    assert.same({ nil, "timeout" }, { one:lock(0) })
    two:unlock()
  end)

  it("says that it was abandoned", function()
    local mutex = mapped.Mutex(mapped.anonymous(64))
    assert.matches("not held", failure(mutex.abandon, mutex))
    assert(mutex:lock(0))
    mutex:abandon()
    local held, died = mutex:lock(0)
    assert.is_true(died)
    held:unlock()
  end)

  it("needs eight aligned bytes to write", function()
    local region = mapped.anonymous(64)
    assert.matches("out of range", failure(mapped.Mutex, region:sub(1, 7)))
    assert.matches("misaligned", failure(mapped.Mutex, region:sub(5)))
    local reader = assert(mapped.open(support.file(("\0"):rep(64))))
    assert.matches("read%-only", failure(mapped.Mutex, reader))
    reader:close()
    assert.matches("expected", failure(mapped.Mutex, "x"))
    assert.matches("mapped.Mutex expected",
                   failure(mapped.Mutex(region).lock, region))
    for _, timeout in ipairs { -1, 0 / 0 } do
      local mutex = mapped.Mutex(region)
      assert.matches("0 or more seconds", failure(mutex.lock, mutex, timeout))
    end
  end)

  it("keeps processes apart, and goes on when its owner dies", function()
    local path = support.file(("\0"):rep(64))
    local script = support.file([[
      local mapped = require "mapped"
      local region = assert(mapped.open(arg[1], "r+"))
      local mutex = mapped.Mutex(region)
      for _ = 1, arg[2] and 0 or 2000 do
        local held <close> = assert(mutex:lock())
        region:set("j", 9, region:get("j", 9) + 1)
      end
      if arg[2] then mutex:lock() end
      os.exit(true, false)
    ]])
    local lua = os.getenv("MAPPED_LUA") or "lua5.4"
    local command = ("%s %s %s"):format(lua, script, path)
    local other = assert(io.popen(command .. " 2>&1"))
    assert.is_true(os.execute(command))
    assert.equal("", other:read("a"))
    assert.is_true(other:close())
    assert.is_true(os.execute(command .. " stay"))
    local region = assert(mapped.open(path, "r+"))
    local mutex = mapped.Mutex(region)
    local held, died = assert(mutex:lock(60))
    assert.is_true(died)
    assert.equal(4000, region:get("j", 9))
    held:unlock()
    held, died = mutex:lock(0)
    assert.is_false(died)
    held:unlock()
    region:close()
  end)
end)
