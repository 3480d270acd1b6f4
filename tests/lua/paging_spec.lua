-- Guards against calls on pages that change bytes outside of their slice, that
-- don't report what isn't supported, or that crash because of what a callback
-- does.
local mapped = require "mapped"
local support = require "tests.lua.support"
local failure = support.failure

local PAGE = mapped.anonymous(1):residency().page_size

describe("paging", function()
  local path

  before_each(function()
    path = support.file(("a"):rep(8 * PAGE))
  end)

  after_each(support.clean)

  it("names advice that doesn't exist", function()
    local region <close> = assert(mapped.open(path))
    assert.matches("unknown advice 'dontneed'", failure(region.advise, region, "dontneed"), 1, true)
    assert.matches("string expected", failure(region.advise, region))
    assert.is_true(#failure(region.advise, region, ("x"):rep(1000)) < 250)
  end)

  it("refuses arguments that it doesn't know", function()
    local region <close> = assert(mapped.open(path, "r+"))
    assert.matches("at most", failure(region.discard, region, 1))
    assert.matches("at most", failure(region.advise, region, "cold", 1))
    assert.matches("at most", failure(region.prefetch, region, true, nil, 1))
    assert.matches("boolean expected", failure(region.prefetch, region, 1))
    assert.matches("function expected", failure(region.prefetch, region, true, 1))
    assert.matches("that waits", failure(region.prefetch, region, false, print))
    assert.matches("boolean expected", failure(region.residency, region, "map"))
    assert.matches("mode must be 'r' or 'r+', not 'c'", failure(region.protect, region, "c"), 1, true)
  end)

  it("raises when closed", function()
    local region = assert(mapped.open(path, "c"))
    local part = region:sub(5, 100)
    region:close()
    for _, view in ipairs { region, part } do
      for _, call in ipairs {
        { "advise", "cold" }, { "discard" }, { "revert" }, { "prefetch" },
        { "prefetch", false }, { "residency" }, { "mlock" }, { "munlock" },
        { "protect", "r" } } do
        assert.matches("closed", failure(view[call[1]], view, table.unpack(call, 2)))
      end
    end
  end)

  it("returns what isn't supported", function()
    local region <close> = assert(mapped.open(path, "r+"))
    local private <close> = assert(mapped.open(path, "c"))
    for _, result in ipairs {
      { region:revert() }, { private:discard() } } do
      assert.is_nil(result[1])
      assert.are.equal(mapped.status.UNSUPPORTED, result[3])
    end
    assert.matches("read%-only", failure(function()
      local reader <close> = assert(mapped.open(path))
      reader:discard()
    end))
  end)

  it("advises", function()
    local region <close> = assert(mapped.open(path))
    for _, kind in ipairs { "normal", "sequential", "random", "willneed" } do
      assert.is_true(region:advise(kind))
      assert.is_true(region:sub(5, -5):advise(kind))
    end
    assert.are.equal(("a"):rep(8 * PAGE), region:tostring())
  end)

  it("discards within its bounds", function()
    local memory <close> = mapped.anonymous(8 * PAGE)
    local region <close> = assert(mapped.open(path, "r+"))
    memory:fill(97)
    for _, each in ipairs { region, memory } do
      assert.is_true(each:slice(8, 3 * PAGE):discard())
      assert.are.equal(("a"):rep(7) .. ("\0"):rep(3 * PAGE) .. ("a"):rep(5 * PAGE - 7), each:tostring())
    end
  end)

  it("reverts within its bounds", function()
    local region <close> = assert(mapped.open(path, "c"))
    region:fill(98)
    assert.is_true(region:slice(8, 3 * PAGE):revert())
    assert.are.equal(("b"):rep(7) .. ("a"):rep(3 * PAGE) .. ("b"):rep(5 * PAGE - 7), region:tostring())
  end)

  it("reports the progress of a prefetch", function()
    local region <close> = mapped.anonymous(9 << 20)
    local seen = {}
    assert.is_true(region:prefetch(true, function(done, total)
      seen[#seen + 1] = done / total
      region:resize(10 << 20)
    end))
    assert.are.same({ 4 / 9, 8 / 9, 1 }, seen)
    assert.is_true(region:prefetch())
    assert.is_true(region:prefetch(false))
  end)

  it("survives what a progress function does", function()
    for message, act in pairs {
      stop = function() error("stop") end,
      closed = function(region) region:close() end,
      ["out of range"] = function(region) region:resize(100) end } do
      local region <close> = mapped.anonymous(9 << 20)
      local part = region:sub(1)
      assert.matches(message, failure(part.prefetch, part, true, function() act(region) end))
    end
  end)

  it("raises for a lost page", function()
    local region <close> = assert(mapped.open(path))
    support.write(path, "a")
    assert.matches("page lost", failure(region.prefetch, region))
    assert.matches("page lost", failure(region.mlock, region))
  end)

  it("tells what is in memory", function()
    local region <close> = mapped.anonymous(20 * PAGE)
    for _, page in ipairs { 0, 9, 19 } do
      region[page * PAGE + 1] = 1
    end
    local found = assert(region:residency(true))
    assert.are.same({ page_size = PAGE, pages = 20, resident = 3, map = "\1\2\8" }, found)
    local part = assert(region:sub(PAGE, PAGE + 1):residency())
    assert.are.equal(2, part.pages)
    assert.are.equal(1, part.resident)
    assert.are.equal("", region:sub(5, 4):residency(true).map)
  end)

  it("locks", function()
    local region <close> = mapped.anonymous(8 * PAGE)
    assert.is_true(region:sub(5, 10):mlock())
    assert.is_true(region:munlock())
  end)

  it("grows what is locked in part", function()
    if (os.getenv("LD_PRELOAD") or ""):find("vgpreload", 1, true) then
      pending("valgrind's mremap takes no mapping of several parts")
    end
    local region <close> = mapped.anonymous(8 * PAGE)
    assert.is_true(region:sub(5, 10):mlock())
    assert.is_true(region:resize(100 * PAGE))
  end)

  it("refuses writes to what is protected", function()
    local region <close> = assert(mapped.open(path, "r+"))
    assert.is_true(region:protect("r"))
    assert.is_true(region:readonly())
    for _, write in ipairs {
      function() region[1] = 1 end, function() region:write(1, "x") end,
      function() region:fill(1) end, function() region:set("B", 1, 1) end,
      function() region:pack("B", 1, 1) end, function() region:append("x") end,
      function() region:cast("B")[1] = 1 end,
      function() region:cast("B"):copy_from { 1 } end } do
      assert.matches("read%-only", failure(write))
    end
    assert.is_true(region:protect("r+"))
    local some = region:sub(11, 20)
    assert.is_true(some:protect("r"))
    assert.is_true(some:readonly())
    assert.is_false(region:sub(21):readonly())
    for _, write in ipairs {
      function() region[11] = 1 end, function() region:write(20, "xy") end,
      function() region:fill(1) end, function() region:set("I4", 8, 1) end,
      function() some:cast("B")[10] = 1 end,
      function() region:records("a:u8[4]")[3].a[3] = 1 end } do
      assert.matches("read%-only", failure(write))
    end
    region[10], region[21] = 1, 2
    assert.is_true(region:protect("r"))
    assert.is_true(region:resize(9 * PAGE))
    assert.matches("read%-only", failure(region.fill, region, 1))
    assert.is_true(region:protect("r+"))
    region:fill(1)
    region:topointer()
    assert.are.equal(mapped.status.BUSY, select(3, region:protect("r")))
  end)
end)
