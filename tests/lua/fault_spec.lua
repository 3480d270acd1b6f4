-- Guards against lost pages that kill the process or that no error reports. The
-- tests try every kind of access, on files that are really truncated.
local mapped = require "mapped"
local support = require "tests.lua.support"
local write_file, failure = support.write, support.failure

local PAGE, PAGES = 4096, 8
local ENODATA = 61

describe("a region that lost all but its first page", function()
  local path, region

  before_each(function()
    path = os.tmpname()
    write_file(path, ("a"):rep(PAGES * PAGE))
    region = assert(mapped.open(path, "r+"))
    write_file(path, ("a"):rep(PAGE))
  end)

  after_each(function()
    region:close()
    os.remove(path)
  end)

  local accesses = {
    item = function(r) return r[PAGE + 1] end,
    ["set item"] = function(r) r[PAGE + 1] = 1 end,
    byte = function(r) return r:byte(PAGE + 1, PAGE + 3) end,
    write = function(r) r:write(PAGE + 1, "abc") end,
    tostring = function(r) return r:tostring() end,
    equals = function(r) return r:equals(("a"):rep(PAGES * PAGE)) end,
    get = function(r) return r:get("<I4", 2 * PAGE + 1) end,
    ["get across"] = function(r) return r:get("<I8", PAGE - 3) end,
    set = function(r) r:set(">d", 3 * PAGE + 1, 1.5) end,
    unpack = function(r) return r:unpack("<I4 I4", 2 * PAGE + 1) end,
    pack = function(r) r:pack("<I4", 2 * PAGE + 1, 7) end,
    find = function(r) return r:find("b") end,
    match = function(r) return r:match("(b+)") end,
    gsub = function(r) return r:gsub("b", "c") end,
    count = function(r) return r:count("b") end,
    fill = function(r) r:fill(7) end,
    move = function(r) r:move(1, PAGE + 1, 10) end,
    copy_from = function(r) r:copy_from("xyz", 2 * PAGE + 1) end,
    copy_to = function(r)
      r:copy_to((assert(mapped.anonymous(PAGES * PAGE))))
    end,
    ["array item"] = function(r) return r:cast("I4")[PAGE // 4 + 1] end,
    ["array set"] = function(r) r:cast("I4")[PAGE // 4 + 1] = 1 end,
  }

  for name, access in pairs(accesses) do
    it("says so at " .. name, function()
      local ok, message = pcall(access, region)
      assert.is_false(ok)
      assert.matches("page lost: position %d+", message)
      assert.matches("No data available", message)
    end)
  end

  it("still gives access to its intact page", function()
    assert.is_false(pcall(accesses.item, region))
    assert.equal(97, region[1])
    region[2] = 98
    assert.equal("aba", region:tostring(1, 3))
  end)

  it("answers check with nil, message and errno", function()
    assert.is_true(region:check())
    assert.is_false(pcall(accesses.item, region))
    local whole, message, code = region:check()
    assert.is_nil(whole)
    assert.matches("position " .. PAGE + 1, message)
    assert.equal(ENODATA, code)
  end)

  it("lists what was lost", function()
    assert.same({}, region:faults())
    assert.is_false(pcall(accesses.get, region))
    assert.same({{pos = 2 * PAGE + 1, length = PAGE, errno = ENODATA}},
      region:faults())
  end)

  it("recovers once the file is long again", function()
    assert.is_false(pcall(accesses.item, region))
    assert.is_nil((region:recover()))
    write_file(path, ("b"):rep(PAGES * PAGE))
    assert.is_true(region:recover())
    assert.same({}, region:faults())
    assert.equal(98, region[PAGE + 1])
  end)

  it("has no list of lost pages once it is closed", function()
    region:close()
    for _, method in ipairs {"check", "faults", "recover"} do
      local ok, message = pcall(region[method], region)
      assert.is_false(ok)
      assert.matches("closed", message)
    end
  end)
end)

describe("guard", function()
  it("returns and sets whether it is on", function()
    assert.is_true(mapped.guard())
    assert.is_true(mapped.guard(false))
    assert.is_false(mapped.guard(true))
    assert.is_true(mapped.guard())
  end)

  it("takes a boolean only", function()
    for _, value in ipairs {"off", 0} do
      assert.has_error(function() mapped.guard(value) end)
    end
    assert.is_true(mapped.guard())
  end)
end)

describe("seal", function()
  it("keeps shared memory from being cut", function()
    local region <close> = assert(mapped.anonymous(3 * PAGE, {shared = true}))
    assert.is_true(region:seal())
    local resized, message, code = region:resize(PAGE)
    assert.is_nil(resized)
    assert.matches("not permitted", message)
    assert.equal(1, code)
  end)

  it("is one by one", function()
    local region <close> = assert(mapped.anonymous(100, { shared = true }))
    assert.matches("which", failure(region.seal, region,
                                    { grow = false, shrink = false }))
    assert.is_true(region:seal { shrink = true, grow = false, write = true })
    local writer, message = mapped.open(nil, "r+", { fd = region:fileno() })
    assert.is_nil(writer)
    assert.matches("not permitted", message)
    local reader <close> = assert(mapped.open(nil, "r", { fd = region:fileno() }))
    region[1] = 5
    assert.equal(5, reader[1])
  end)

  it("is for shared memory only", function()
    local region <close> = assert(mapped.anonymous(PAGE))
    local sealed, _, code = region:seal()
    assert.is_nil(sealed)
    assert.equal(mapped.status.UNSUPPORTED, code)
  end)
end)
