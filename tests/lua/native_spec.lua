-- Guards against operators and functions that don't do with our objects what a
-- user of Lua's strings, tables and files expects of them.
local mapped = require "mapped"
local support = require "tests.lua.support"
local failure, region_of = support.failure, support.region_of

describe("..", function()
  it("makes a string, in both orders", function()
    local slice = region_of("abc"):sub(2)
    local array = region_of("xyz"):cast("B")
    assert.equal("bcd", slice .. "d")
    assert.equal("abc", "a" .. slice)
    assert.equal("bcbc", slice .. slice)
    assert.equal("1bc2.5", 1 .. slice .. 2.5)
    assert.equal("bcxyz", slice .. array)
    assert.equal("xyz!", array .. "!")
    assert.equal("", mapped.anonymous(0) .. "")
    local column = region_of("a.b.c."):records("x:char _:char"):column("x")
    assert.equal("bcabc", slice .. column)
    local large = mapped.anonymous(100000)
    assert.equal(200003, #(large .. "abc" .. large))
  end)

  it("refuses everything else", function()
    local slice = region_of("abc"):sub(2)
    for _, other in ipairs { {}, true, print, io.stdout } do
      assert.matches("bad argument #2 to '.-' %(",
                     failure(function() return slice .. other end))
      assert.matches("bad argument #1 to '.-' %(",
                     failure(function() return other .. slice end))
    end
  end)
end)

describe("mapped.type", function()
  after_each(support.clean)

  it("names our objects, and whether they are closed", function()
    local region = mapped.anonymous(320)
    local shared = mapped.anonymous(8, { shared = true })
    local windows = mapped.windows(support.file("x"), 1)
    local objects = { region = region, slice = region:sub(1),
      array = region:cast("B"), records = region:records("a:u8"),
      record = region:records("a:u8")[1], atomic = region:atomic("I4"),
      mutex = mapped.Mutex(region:sub(1, 8)), ring = mapped.Ring(region),
      windows = windows, lock = assert(shared:lock()) }
    for name, object in pairs(objects) do
      assert.equal(name, mapped.type(object))
    end
    objects.ring:cancel()
    region:close()
    windows:close()
    objects.lock:unlock()
    for name, object in pairs(objects) do
      assert.equal("closed " .. name, mapped.type(object))
    end
    assert.equal("layout", mapped.type(mapped.layout("a:u8")))
  end)

  it("is nil for everything else", function()
    for _, other in ipairs { 1, "region", {}, print, true, io.stdout,
      mapped, coroutine.create(function() end) } do
      assert.is_nil(mapped.type(other))
    end
    assert.is_nil(mapped.type(nil))
    assert.matches("value expected", failure(mapped.type))
  end)
end)

describe("pairs", function()
  it("iterates over the bytes of a view, as ipairs does", function()
    local region = region_of("abc")
    for _, iterate in ipairs { pairs, ipairs } do
      local found = {}
      for i, byte in iterate(region:sub(2)) do
        found[#found + 1] = i .. string.char(byte)
      end
      assert.same({ "1b", "2c" }, found)
    end
    local iterate, state, first = pairs(region)
    region:close()
    assert.matches("closed", failure(iterate, state, first))
    assert.matches("closed", failure(pairs, region))
  end)
end)

describe("a view in the place of a string", function()
  it("is a pattern that matches its bytes", function()
    local region = region_of("50% of (a+b) is 50%")
    local percent, sum = region:sub(3, 3), region:slice(8, 5)
    assert.equal("%", region:match(percent))
    assert.equal("(a+b)", region:match(sum))
    assert.is_nil(region:match(sum, 9))
    local count = 0
    for found in region:gmatch(percent) do
      assert.equal("%", found)
      count = count + 1
    end
    assert.equal(2, count)
    assert.equal("50x of (a+b) is 50x", (region:gsub(percent, "x")))
    local special = region_of("^$()%.[]*+-?\0a")
    assert.equal(special:tostring(), special:match(special))
    assert.equal("[", region_of("a[b"):match(region_of("["):cast("B")))
    local large = region_of(("."):rep(100000))
    assert.equal(100000, #large:match(large))
  end)

  it("is a replacement that is taken as it is", function()
    local region = region_of("a-b-%1")
    assert.equal("a%1b%1%1", (region:gsub("-", region:sub(5))))
    assert.equal("abb%1", (region:gsub("%-", function()
      return region:sub(3, 3)
    end, 1):gsub("%-", "")))
    assert.equal("xa-byxa-by%1", (region_of("1212%1"):gsub("1(2)", {
      ["2"] = region_of("xa-by") })))
  end)

  it("separates, is packed and is stored in a record", function()
    local region = region_of("a, b, c" .. ("."):rep(20))
    local parts = {}
    for part in region:sub(1, 7):split(region:sub(2, 3)) do
      parts[#parts + 1] = part:tostring()
    end
    assert.same({ "a", "b", "c" }, parts)
    assert.matches("empty separator",
                   failure(region.split, region, region:sub(1, 0)))
    local target = mapped.anonymous(16)
    target:pack("s1 z c3", 1, region:sub(1, 2), region:sub(4, 5), region:sub(7, 9))
    assert.equal("\2a,b,\0c..", target:tostring(1, 9))
    local record = target:records("name:char[16]")[1]
    record.name = region:sub(1, 4)
    assert.equal("a, b", record.name)
    assert.matches("27 bytes do not fit char%[16%]",
                   failure(function() record.name = region end))
  end)
end)

describe("gsub with a target", function()
  it("stores the result, and returns its length and the count", function()
    local region, target = region_of("a.b.c"), mapped.anonymous(12)
    target:fill(45)
    assert.same({ 9, 2 }, { region:gsub("%.", "<%0>", nil, target) })
    assert.equal("a<.>b<.>c---", target:tostring())
    assert.same({ 5, 1 }, { region:gsub("b", function() return "x" end, 1,
                                        target:sub(2)) })
    assert.equal("aa.x.c", target:tostring(1, 6))
    assert.same({ 5, 1 }, { region:gsub("b", { b = false }, nil, target) })
    assert.same({ 11, 6 }, { region:gsub("()", "%1", nil, target) })
    assert.equal("1a2.3b4.5c6", target:tostring(1, 11))
    assert.same({ 7, 2 }, { region:gsub("%.", "%%%0", nil, target) })
    assert.equal("a%.b%.c", target:tostring(1, 7))
  end)

  it("raises if the result doesn't fit", function()
    local region, target = region_of("aaaa"), mapped.anonymous(6)
    assert.equal("gsub: out of range: position 5, length 3, limit 6",
      failure(region.gsub, region, "a", "bb.", nil, target):gsub("7", "5"))
    assert.matches("read%-only",
      failure(region.gsub, region, "a", "b", nil, target:readonly(true)))
    assert.matches("closed", failure(region.gsub, region, "a", function()
      target:close()
    end, nil, target))
  end)

  it("refuses one that overlaps what is searched", function()
    local region = region_of("abcdef")
    local message = "bad argument #%d to '.*' %(the target overlaps"
    for _, target in ipairs { region, region:sub(1, 1), region:sub(3) } do
      assert.matches(message, failure(region.gsub, region:sub(1, 3), "a", "b",
                                      nil, target))
    end
    assert.same({ 3, 1 }, { region:sub(1, 3):gsub("a", "x", nil, region:sub(4)) })
    assert.equal("abcxbc", region:tostring())
  end)
end)

describe("readonly(true)", function()
  it("makes a view that nothing can be written through", function()
    local region = mapped.anonymous(320)
    local view = region:readonly(true)
    local atomic = view:atomic("I4")
    assert.is_true(view:readonly())
    assert.is_false(region:readonly())
    for name, action in pairs {
      index = function() view[1] = 1 end,
      write = function() view:write(1, "x") end,
      copy_from = function() view:copy_from("x") end,
      copy_to = function() mapped.anonymous(1):copy_to(view) end,
      fill = function() view:fill(1) end,
      move = function() view:move(1, 2, 3) end,
      set = function() view:set("B", 1, 1) end,
      pack = function() view:pack("B", 1, 1) end,
      gsub = function() region_of("x"):gsub("x", "y", nil, view) end,
      discard = function() view:discard() end,
      revert = function() view:revert() end,
      protect = function() view:protect("r+") end,
      flush = function() view:flush() end,
      sub = function() view:sub(2)[1] = 1 end,
      slice = function() view:slice(2, 2)[1] = 1 end,
      again = function() view:readonly(true)[1] = 1 end,
      lines = function() view:lines()()[1] = 1 end,
      split = function() view:split("x")()[1] = 1 end,
      array = function() view:cast("I2")[1] = 1 end,
      ["copy_from of an array"] = function() view:cast("I2"):copy_from { 1 } end,
      ["bytes of an array"] = function() view:cast("I2"):bytes()[1] = 1 end,
      ["copy_to an array"] = function()
        mapped.anonymous(1):copy_to(view:cast("I2"))
      end,
      ["an array's"] = function() region:cast("I2"):readonly(true)[1] = 1 end,
      record = function() view:records("a:u32 b:u8[4]")[1].a = 1 end,
      records = function() view:records("a:u32")[1] = { a = 1 } end,
      column = function() view:records("a:u32"):column("a")[1] = 1 end,
      ["array in a record"] = function()
        view:records("a:u32 b:u8[4]")[1].b[1] = 1
      end,
      ["record in a record"] = function()
        view:records("a:{b:{c:u32}[2]}")[1].a.b[1].c = 1
      end,
      store = function() atomic:store(1) end,
      add = function() atomic:add(1) end,
      exchange = function() atomic:exchange(1) end,
      compare_exchange = function() atomic:compare_exchange(0, 1) end,
      mutex = function() mapped.Mutex(view) end,
      ring = function() mapped.Ring(view) end,
    } do
      assert.matches("attempt to write to read%-only memory", failure(action),
                     name)
    end
    assert.equal(("\0"):rep(320), region:tostring())
  end)

  it("is named before protection", function()
    local region <close> = mapped.anonymous(20)
    region:sub(1, 9):protect("r")
    for _, view in ipairs { region, region:sub(1, 3), region:sub(12) } do
      assert.matches("%(the view is one of readonly%(true%)%)$",
                     failure(view.fill, view:readonly(true), 1))
    end
    assert.matches("%(it is protected: protect%(\"r%+\"%) ends that%)$",
                   failure(region.fill, region, 1))
  end)

  it("reads what others write", function()
    local region = region_of("abcd")
    local view = region:sub(2):readonly(true)
    region:fill(120)
    assert.equal("xxx", view:tostring())
    assert.equal(120, view[1])
    assert.equal("xx", region:readonly(true):sub(3) .. "")
    assert.equal(0x78787878, region:readonly(true):atomic("I4"):load())
    assert.is_true(view == region:sub(2))
    assert.is_true(rawequal(region, view:region()))
    view:region()[1] = 1
    assert.matches("true or nil expected", failure(view.readonly, view, false))
    assert.matches("true or nil expected", failure(view.readonly, view, 1))
    region:close()
    assert.matches("closed", failure(view.readonly, view))
  end)
end)
