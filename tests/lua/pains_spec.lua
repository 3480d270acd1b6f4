-- Guards against problems that users of other libraries have reported when they
-- read files from Lua. Each test names the library and the report; other files
-- test the same behaviour in depth.
local mapped = require "mapped"
local rex = require "rex_pcre2"
local support = require "tests.lua.support"
local failure = support.failure

local TEXT = ("key=value; "):rep(1000)

describe("the problem of", function()
  after_each(support.clean)

  it("lua-mmapfile: pointers that nobody checks", function()
    local region = assert(mapped.open(support.file("abc"), "r+"))
    assert.is_nil(region[4])
    assert.is_nil(region[0])
    assert.is_nil(region[math.maxinteger])
    assert.matches("outside of 1..3", failure(function() region[4] = 65 end))
    assert.matches("outside of 1..3", failure(region.get, region, "<I4", 1))
  end)

  it("mmdblua 4: a mapped file without the methods of a string", function()
    local region = assert(mapped.open(support.file(TEXT)))
    assert.equal(#TEXT, #region)
    assert.same({ TEXT:find("(%w+)=(%w+)") }, { region:find("(%w+)=(%w+)") })
    assert.equal(TEXT:match("v%a+", 5), region:match("v%a+", 5))
    assert.same({ TEXT:byte(1, 9) }, { region:byte(1, 9) })
    assert.equal(TEXT:sub(-5), region:sub(-5):tostring())
    assert.same({ ("<I4"):unpack(TEXT, 3) }, { region:unpack("<I4", 3) })
    local words, same = {}, {}
    for word in region:gmatch("%w+") do words[#words + 1] = word end
    for word in TEXT:gmatch("%w+") do same[#same + 1] = word end
    assert.same(same, words)
  end)

  it("LuaJIT 407: no memory for a whole file", function()
    local output = support.child([[
      local mapped = require "mapped"
      local path = os.tmpname()
      local file = assert(io.open(path, "wb"))
      assert(file:seek("set", (1 << 32) + 5))
      assert(file:write("end"))
      file:close()
      local region <close> = assert(mapped.open(path))
      assert(os.remove(path))
      collectgarbage()
      local before = collectgarbage("count")
      assert(region:sub(-8):find("end", 1, true) == 6)
      assert(region[(1 << 32) + 6] == 101)
      local part = region:sub(100, -100)
      assert(#part == (1 << 32) + 8 - 198)
      assert(collectgarbage("count") - before < 100)
      print("done")
    ]])
    assert.equal("done\n", output)
  end)

  it("LuaJIT 710: a pointer into freed memory", function()
    local slice = assert(mapped.open(support.file(TEXT))):sub(5, 9)
    collectgarbage()
    collectgarbage()
    assert.equal("value", slice:tostring())
    slice:region():close()
    assert.equal("attempt to use a closed region",
      failure(slice.tostring, slice))
  end)

  it("ljsyscall 106: a mapping that nobody unmaps", function()
    local path = support.file(TEXT)
    for _ = 1, 100 do mapped.open(path) end
    collectgarbage()
    collectgarbage()
    assert.equal(0, support.mappings(path))
  end)

  it("lrexlib: a callback that closes the subject", function()
    local region = assert(mapped.open(support.file(TEXT)))
    local count = 0
    rex.gsub(region, "key", function()
      count = count + 1
      region:close()
    end)
    assert.is_true(count > 0)
    assert.equal("attempt to use a closed region",
      failure(region.tostring, region))
  end)

  it("lightningmdb: slices that are copies", function()
    local path = support.file(TEXT)
    local region = assert(mapped.open(path, "r+"))
    local slice = region:sub(5, 9)
    region:write(5, "VALUE")
    assert.equal("VALUE", slice:tostring())
    slice:write(1, "vAlUe")
    assert.equal("vAlUe", support.content(path):sub(5, 9))
  end)

  it("BizHawk 2861: a call for every word", function()
    local region = assert(mapped.open(support.file(("<I4"):pack(7):rep(500))))
    local words = region:cast("<I4"):totable()
    assert.equal(500, #words)
    assert.equal(7, words[1])
    assert.equal(7, words[500])
  end)
end)
