-- Guards against crashes and leaks in a process that is at one of its limits,
-- and in one that has several Lua states. Each case runs in a process of its
-- own.
local support = require "tests.lua.support"


describe("at the limit", function()
  after_each(support.clean)

  it("of descriptors, opening fails and leaks nothing", function()
    local output = support.child(([[
      local mapped = require "mapped"
      local regions, message, code = {}
      while #regions < 100 do
        local region
        region, message, code = mapped.open(%q, "r+")
        if not region then break end
        regions[#regions + 1] = region
      end
      print(code, message)
      assert(#regions > 0 and #regions < 30)
      for i = 1, 100 do assert(not mapped.open(%q, "r+")) end
      regions[1]:close()
      local again = assert(mapped.open(%q, "r+"))
      print(#again, (mapped.open(%q, "r+")))
    ]]):gsub("%%q", ("%q"):format(support.file("hello"))), "ulimit -n 30")
    assert.matches("^24\t.-Too many open files\n5\tnil\n$", output)
  end)

  it("of a file's size, growing fails and nothing dies", function()
    local output = support.child(([[
      local mapped = require "mapped"
      local region = assert(mapped.open(%q, "r+"))
      print(select(2, region:resize(1 << 30)))
      print(select(2, mapped.anonymous(1 << 30, { shared = true })))
      print(#region)
    ]]):format(support.file("hello")), "ulimit -f 1024")
    local text = ": posix_fallocate: File too large: bytes missing: %d+\t27\n"
    assert.matches("^[^\n]-resize" .. text .. "anonymous" .. text .. "5\n$", output)
  end)

  it("of address space, mapping fails and leaks nothing", function()
    local output = support.child [[
      local mapped = require "mapped"
      local regions, message, code = {}
      while true do
        local region
        region, message, code = mapped.anonymous(1, { reserve = 1 << 44 })
        if not region then break end
        regions[#regions + 1] = region
      end
      print(code, message)
      assert(#regions > 0 and #regions <= 8)
      regions[1]:close()
      print((assert(mapped.anonymous(1, { reserve = 1 << 44 }))))
    ]]
    assert.matches("^12\t.-Cannot allocate memory\nmapped.Region %(1 bytes",
      output)
  end)

  it("of memory, every call succeeds, fails or raises", function()
    if support.sanitized then
      pending("a sanitizer's shadow memory exceeds any limit")
      return
    end
    local output = support.child(([[
      local mapped = require "mapped"
      local region = assert(mapped.open(%q, "r+"))
      assert(region:resize(32 << 20))
      print(pcall(region.tostring, region))
      print(mapped.anonymous(1 << 30))
      print(region:resize(1 << 30))
      local kept = {}
      print(pcall(function()
        while true do kept[#kept + 1] = region:sub(1) end
      end))
      kept = nil
      collectgarbage() -- Lua 5.1 doesn't by itself when memory is used up
      print(#region, region:tostring(1, 5))
    ]]):format(support.file("hello")), "ulimit -v 60000")
    assert.matches("^false\tnot enough memory[^\n]*\nnil\t.-\t12\nnil\t.-\t12\n"
      .. "false\tnot enough memory\n33554432\thello\n$", output)
  end)

  it("of signals: a truncated file is an error", function()
    local path = support.file(("x"):rep(1 << 20))
    local output = support.child(([[
      local mapped = require "mapped"
      local path = %q
      local region = assert(mapped.open(path, "r+"))
      local array, slice = region:cast("B"), region:sub(5000)
      local file <close> = assert(io.open(path, "w"))
      for _, f in ipairs {
        function() return region[70001] end,
        function() return array[80001] end,
        function() return slice:tostring() end,
        function() return region:get("d", 90001) end,
        function() slice[-1] = 1 end,
        function() region:fill(1) end,
      } do
        print(pcall(f))
      end
    ]]):format(path))
    local count = 0
    for line in output:gmatch("[^\n]+") do
      count = count + 1
      assert.matches("^false\t.*page lost.*position %d+", line)
    end
    assert.equal(6, count, output)
  end)
end)

-- The program states.c runs an interpreter in each of several threads. They
-- load the module, use it and end at different times.
describe("several states", function()
  it("load, use and close the module independently", function()
    local cc = os.getenv("MAPPED_CC") or "gcc"
    local program = os.tmpname()
    local name = _G.jit and "luajit-2.1" or _VERSION:lower():gsub(" ", "")
    local command = ("env -u LD_PRELOAD %s -I/usr/include/%s -o %s "
      .. "tests/lua/states.c -l%s -lpthread 2>&1"):format(
      cc, name, program, _G.jit and "luajit-5.1" or name)
    local compiler = assert(io.popen(command))
    local messages = compiler:read("a")
    if not compiler:close() then
      os.remove(program)
      pending("no shared Lua library to embed: " .. messages)
      return
    end
    local run = assert(io.popen(program .. " 2>&1"))
    local output = run:read("a")
    assert.is_true(run:close(), output)
    os.remove(program)
    assert.equal("8 states, 0 failed, 0 descriptors left\n", output)
  end)
end)
