-- Guards against zeros of lost pages that code such as lrexlib reads through a
-- pointer, without a check and without an error.
local mapped = require "mapped"
local crc = require "crc"
local rex = require "rex_pcre2"
local support = require "tests.lua.support"

local PAGE, PAGES = 4096, 8
local ENODATA = 61

local function rewrite(path, pages)
  support.write(path, ("a"):rep(pages * PAGE))
end

-- Returns a region whose file has been cut down to its first page. No access
-- has met the lost pages yet.
local function lost_region()
  local path = support.file(("a"):rep(PAGES * PAGE))
  local region = assert(mapped.open(path, "r"))
  rewrite(path, 1)
  return region, path
end

local function lose(region, page)
  assert.is_false(pcall(region.byte, region, page * PAGE + 1))
end

describe("topointer over lost pages", function()
  after_each(support.clean)

  it("is refused once they are known to be lost", function()
    local region = lost_region()
    lose(region, 2)
    for _, object in ipairs { region, region:sub(2 * PAGE + 1) } do
      local message = support.failure(object.topointer, object)
      assert.matches("page lost: position " .. 2 * PAGE + 1, message)
      assert.is_false(pcall(rex.count, object, "a"))
    end
    assert.equal(PAGE, rex.count(region:sub(1, PAGE), "a"))
    assert.is_true(region:close())
  end)

  it("makes the next topointer of the same bytes fail", function()
    local region = lost_region()
    assert.equal(PAGE, rex.count(region, "a"))
    assert.is_false(pcall(rex.count, region, "a"))
  end)

  it("makes close answer nil, message and errno", function()
    local region = lost_region()
    assert.equal(PAGE, rex.count(region, "a"))
    local done, message, code = region:close()
    assert.is_nil(done)
    assert.matches("page lost: position " .. PAGE + 1, message)
    assert.equal(ENODATA, code)
    assert.is_true(region:closed())
    assert.is_true(region:close())
  end)

  it("makes close answer the same if it is busy, too", function()
    local region = lost_region()
    local first_page = crc.later(region:sub(1, PAGE))
    assert.equal(PAGE, rex.count(region, "a"))
    local done, message, code = region:close()
    assert.is_nil(done)
    assert.matches("page lost: position " .. PAGE + 1, message)
    assert.equal(ENODATA, code)
    assert.is_false(region:closed())
    first_page()
    assert.is_true(region:close())
  end)

  it("is an error of close even if other calls have raised it before", function()
    local region = lost_region()
    assert.equal(PAGE, rex.count(region, "a"))
    lose(region, 1)
    assert.is_nil((region:check()))
    assert.is_nil((region:close()))
  end)

  it("makes close answer the same after a recovery", function()
    local region, path = lost_region()
    assert.equal(PAGE, rex.count(region, "a"))
    rewrite(path, PAGES)
    assert.is_true(region:recover())
    assert.equal(PAGES * PAGE, rex.count(region, "a"))
    local done, message = region:close()
    assert.is_nil(done)
    assert.matches("position " .. PAGE + 1, message)
  end)

  it("is no error for pages that were not exported", function()
    local region = lost_region()
    assert.equal(PAGE, rex.count(region:sub(1, PAGE), "a"))
    assert.equal(0, rex.count(region:sub(2 * PAGE, 2 * PAGE - 1), "a"))
    lose(region, 3)
    assert.is_true(region:close())
  end)

  it("is an error for every page that was exported", function()
    for _, pages in ipairs { { 2, 4 }, { 4, 2 } } do
      local region = lost_region()
      for _, page in ipairs(pages) do
        region:sub(page * PAGE + 1, (page + 1) * PAGE):topointer()
      end
      lose(region, pages[2])
      assert.is_nil((region:close()))
    end
  end)

  it("reports no page that was recovered before it", function()
    local region, path = lost_region()
    lose(region, 1)
    rewrite(path, PAGES)
    assert.is_true(region:recover())
    assert.equal(PAGES * PAGE, rex.count(region, "a"))
    assert.is_true(region:close())
  end)

  it("makes the end of a scope raise", function()
    local message = support.failure(function()
      local region <close> = lost_region()
      rex.count(region, "a")
    end)
    assert.matches("page lost: position " .. PAGE + 1, message)
  end)

  it("doesn't replace an error that leaves the scope", function()
    assert.equal("mine", support.failure(function()
      local region <close> = lost_region()
      rex.count(region, "a")
      error("mine", 0)
    end))
  end)

  it("makes a collected region warn", function()
    local path = support.file(("a"):rep(PAGES * PAGE))
    local said = support.child(([[
      local mapped, rex = require "mapped", require "rex_pcre2"
      warn("@on")
      local region = assert(mapped.open(%q, "r"))
      assert(io.open(%q, "wb")):close()
      assert(rex.count(region, "a") == 0)
      region = nil
      collectgarbage()
      print("collected")
    ]]):format(path, path))
    assert.matches("Lua warning: mapped: [^\n]*: export: page lost: position 1", said)
    assert.matches("collected", said)
  end)
end)

describe("a needle that loses a page", function()
  after_each(support.clean)

  for _, method in ipairs { "find", "rfind", "count", "startswith",
    "endswith" } do
    it("makes " .. method .. " raise", function()
      local region = lost_region()
      local text <close> = assert(mapped.anonymous(PAGES * PAGE))
      text:fill(97)
      local needle = region:sub(PAGE - 10, PAGE + 10)
      local more = method == "find" and { 1, true } or {}
      local message = support.failure(text[method], text, needle,
                                      table.unpack(more))
      assert.matches("page lost", message)
      assert.is_true(region:close())
    end)
  end
end)
