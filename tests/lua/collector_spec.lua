-- Guards against memory, addresses and descriptors that garbage keeps: the
-- collector doesn't know their size, they may run out before it runs, and
-- finalizers may take more while the state ends.
local support = require "tests.lua.support"

describe("the end of a state", function()
  it("frees objects that finalizers make then", function()
    local before = support.child([[
      kept = setmetatable({}, { __gc = function()
        local mapped = require "mapped"
        for i = 1, 20 do
          pcall(function()
            local region = mapped.anonymous(64)
            region:unpack(("<I4 I%d"):format(i % 8 + 1))
            region:find("[%a]" .. i)
            region:records("a:u32 b:char[4] c:u8@" .. i + 8)
          end)
        end
        print "finalized"
      end })
      local mapped = require "mapped"
      mapped.anonymous(8):unpack("<I4")
      setmetatable({}, { __gc = function()
        local region = mapped.anonymous(64)
        region:records("a:u32 b:u32")
        assert(region:get("<I4") == 0)
      end })
    ]])
    assert.equal("finalized\n", before)
  end)
end)

describe("memory that the collector can't see", function()
  -- Runs `code` in a child, and returns the largest number of MiB that it had
  -- resident.
  local function peak_of(code)
    return tonumber(support.child(code .. [[
      for line in io.lines("/proc/self/status") do
        local kib = line:match("VmHWM:%s+(%d+)")
        if kib then print(kib // 1024) end
      end
    ]]))
  end

  it("is charged to it", function()
    local peak = peak_of([[
      local mapped = require "mapped"
      for _ = 1, 2000 do mapped.anonymous(2 ^ 20):fill(1) end
    ]])
    assert.is_true(peak < 100, peak .. " MiB")
  end)

  it("is charged where private pages grow", function()
    local path = support.file(("x"):rep(2 ^ 20))
    local peak = peak_of(([[
      local mapped = require "mapped"
      for _ = 1, 500 do
        local region = mapped.anonymous(10)
        assert(region:resize(2 ^ 20))
        region:fill(1)
        region = assert(mapped.open(%q, "c"))
        region:fill(1)
      end
    ]]):format(path))
    assert.is_true(peak < 100, peak .. " MiB")
  end)

  it("is charged where growth leaves a copy to a pointer", function()
    local peak = peak_of([[
      local mapped = require "mapped"
      for _ = 1, 10 do
        local region = mapped.anonymous(2 ^ 20)
        region:fill(1)
        for i = 1, 60 do
          region:topointer()
          assert(region:resize(2 ^ 20 + i * 4096))
        end
      end
    ]])
    assert.is_true(peak < 250, peak .. " MiB")
  end)

  it("leaves a collector that was stopped alone", function()
    if support.hostile then
      pending("a hostile build collects at every call")
      return
    end
    assert.equal("0\n", support.child([[
      local mapped = require "mapped"
      local finalized = 0
      collectgarbage("stop")
      for _ = 1, 50 do
        setmetatable({}, { __gc = function() finalized = finalized + 1 end })
        mapped.anonymous(2 ^ 20)
      end
      print(finalized)
    ]]))
  end)
end)

describe("regions that were dropped", function()
  it("give their descriptors back where these run out", function()
    local path = support.file("x")
    assert.equal("done\n", support.child(([[
      local mapped = require "mapped"
      collectgarbage("stop")
      for i = 1, 1000 do
        local region <const> = assert(mapped.open(%q, "r+"))
        if i %% 3 == 0 then assert(mapped.anonymous(1, { shared = true })) end
      end
      print "done"
    ]]):format(path), "ulimit -n 60"))
  end)

  it("give their descriptors back to calls about pages", function()
    local path = support.file(("x"):rep(10000))
    assert.equal("true\tlonger\tsame\n", support.child(([[
      local mapped = require "mapped"
      local read = assert(mapped.open(%q))
      local copy = assert(mapped.open(%q, "c"))
      local follower = assert(mapped.open(%q))
      local dirty = read:residency().dirty
      copy:fill(0)
      local writer = assert(io.open(%q, "ab"))
      writer:write("more")
      writer:flush()
      collectgarbage("stop")
      local function use_up()
        while io.open(%q) do end
      end
      use_up()
      local reverted = copy:sub(10, 20):revert()
      use_up()
      local change = follower:refresh()
      use_up()
      local again = read:residency().dirty
      print(reverted, change, (again == nil) == (dirty == nil) and "same")
    ]]):gsub("%%q", function() return ("%q"):format(path) end), "ulimit -n 60"))
  end)

  it("give their addresses back where these run out", function()
    if support.sanitized then
      pending("a sanitizer's shadow memory exceeds any limit")
      return
    end
    assert.equal("done\n", support.child([[
      local mapped = require "mapped"
      collectgarbage("stop")
      local kept = mapped.anonymous(10)
      for _ = 1, 100 do
        local region <const> = assert(mapped.anonymous(100 << 20))
      end
      local path = os.tmpname()
      assert(mapped.open(path, "w+", { length = 400 << 20, sparse = true }))
        :close()
      local windows <close> = mapped.windows(path, 400 << 20)
      for _ = 1, 20 do
        mapped.anonymous(400 << 20)
        assert(windows:find("\0") == 1)
      end
      os.remove(path)
      for _ = 1, 20 do
        mapped.anonymous(400 << 20)
        assert(kept:resize(kept:sub(1) and #kept + (10 << 20)))
      end
      print "done"
    ]], "ulimit -v 1000000"))
  end)

  it("are collected only once for a failing call", function()
    local message = support.child([[
      local mapped = require "mapped"
      local kept = {}
      for i = 1, 100 do
        local region, message, code = mapped.anonymous(1, { shared = true })
        if not region then print(code, message) break end
        kept[i] = region
      end
    ]], "ulimit -n 40")
    assert.matches("^24\tanonymous: memfd_create: ", message)
  end)
end)
