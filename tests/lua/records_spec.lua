-- Guards against layouts whose offsets differ from C's and Python's, records that
-- reach other bytes than their own, and arrays that skip or mix up elements.
local mapped = require "mapped"

local TRADES = "< id:u32 price:f64@8 name:char[16] levels:f32[3] up:bool size=64"
local ROWS = {
  { id = 7, price = 2.5, name = "seven", levels = { 1.0, 2.0, 3.0 }, up = true },
  { id = 8, price = -0.5, name = "0123456789abcdef", levels = { 0.0, 0.5, -1.0 }, up = false },
  { id = 4294967295, price = 1e300, name = "", levels = { 9.0, 9.0, 9.0 }, up = true },
}

local function copy_of(record)
  local copy = {}
  for name, value in pairs(record) do copy[name] = value end
  return copy
end

local function all_of(records)
  local rows = {}
  for i, record in pairs(records) do rows[i] = copy_of(record) end
  return rows
end

local function trades()
  local region = assert(mapped.anonymous(64 * #ROWS))
  local records = region:records(TRADES)
  for i, row in ipairs(ROWS) do records[i] = row end
  return records, region
end

describe("the layouts in tests/vectors", function()
  local rows = 0
  for line in io.lines("tests/vectors/layout.tsv") do
    local text, size, rest = line:match("^([^#\t]*)\t(%w+)\t(.*)$")
    if text then
      rows = rows + 1
      it(("%d: %s"):format(rows, text:sub(1, 40)), function()
        if size == "wrong" then
          local ok, message = pcall(mapped.layout, text)
          assert.is_false(ok)
          assert.matches(" at position " .. rest:match("%d+") + 1 .. " of the layout", message, 1, true)
          return
        end
        local layout, fields = mapped.layout(text), {}
        assert.equal(math.tointeger(size), layout:size())
        for name, type, count, offset in rest:gmatch("(%S+) (%S+) (%d+) (%d+)") do
          fields[#fields + 1] = { name = name, offset = math.tointeger(offset),
            type = count == "1" and type or ("%s[%s]"):format(type, count) }
        end
        assert.same(fields, layout:fields())
      end)
    end
  end
  it("are there", function() assert.is_true(rows > 60) end)
end)

describe("records", function()
  it("are read in place", function()
    local records = trades()
    assert.equal(3, #records)
    assert.same(ROWS, all_of(records))
    assert.equal("seven", records[1].name)
    assert.equal(8, records[-2].id)
    assert.is_nil(records[4])
    assert.is_nil(records[0])
    assert.is_nil(records[math.mininteger])
  end)

  it("are written in place, and nothing else is", function()
    local region = assert(mapped.anonymous(128))
    region:fill(0xEE)
    local record = region:records(TRADES)[2]
    record.id, record.price, record.name = 5, 1.25, "abc"
    record.levels, record.up = { 1, 2, 3 }, true
    local pad = ("\xEE"):rep(64)
    assert.equal(pad .. string.pack("<I4c4dc16fffc1c19", 5, pad:sub(1, 4), 1.25,
                 "abc", 1, 2, 3, "\1", pad:sub(1, 19)), region:tostring())
  end)

  it("are assigned as a whole", function()
    local records = trades()
    records[1] = records[3]
    records[-1] = ROWS[2]
    assert.same({ ROWS[3], ROWS[2], ROWS[2] }, all_of(records))
  end)

  it("are sliced", function()
    local records = trades()
    assert.same({ ROWS[2], ROWS[3] }, all_of(records:sub(2)))
    assert.same({ ROWS[2] }, all_of(records:sub(1, -2):sub(-1)))
    assert.equal(0, #records:sub(3, 2))
    assert.equal(64, records:sub(2):bytes():offset())
    assert.equal(64, records:layout():size())
  end)

  it("refuse what doesn't fit and change nothing", function()
    local records = trades()
    local function refuses(pattern, name, value)
      assert.error_matches(function() records[1][name] = value end, pattern)
    end
    refuses("field 'id': %-1 does not fit u32", "id", -1)
    refuses("field 'id': 4294967296.0 does not fit", "id", 2 ^ 32)
    refuses("field 'id': integer expected, got number", "id", 1.5)
    refuses("field 'price': number expected, got boolean", "price", true)
    refuses("field 'up': boolean expected, got nil", "up", nil)
    refuses("17 bytes do not fit char%[16%]", "name", ("x"):rep(17))
    refuses("field 'name': string expected, got table", "name", {})
    refuses("3 values expected, got 2", "levels", { 1, 2 })
    refuses("number expected, got string", "levels", { 1, 2, "x" })
    refuses("table expected, got string", "levels", "123")
    refuses("no field 'nothing'", "nothing", 1)
    for _, row in ipairs { {}, { id = 1 }, 5, "row", { 1, 2, 3, 4, 5 } } do
      assert.has_error(function() records[1] = row end)
    end
    local more = copy_of(ROWS[1])
    more.other = 1
    assert.error_matches(function() records[1] = more end, "no field 'other'")
    assert.has_error(function() records[4] = ROWS[1] end)
    assert.has_error(function() records[0] = ROWS[1] end)
    assert.error_matches(function() return records[1].nothing end, "no field 'nothing'")
    assert.same(ROWS, all_of(records))
  end)

  it("are a whole number", function()
    local region <close> = mapped.anonymous(100)
    assert.error_matches(function() region:records(TRADES) end,
                         "length 100 is not a multiple of the record's 64")
    assert.equal(0, #region:sub(1, 0):records(TRADES))
    assert.error_matches(function() region:records(5) end, "Layout expected")
    assert.error_matches(function() region:records() end, "Layout expected")
  end)

  it("have columns in place", function()
    local records = trades()
    local prices = records:column("price")
    assert.equal(3, #prices)
    prices[2] = 4.5
    assert.equal(4.5, records[2].price)
    assert.same({ 2.5, 4.5, 1e300 }, prices:totable())
    prices:copy_from { 1, 2, 3 }
    assert.equal(3, records[3].price)
    assert.same({ 2, 3 }, prices:sub(2):totable())
    assert.same({ 7, 8, 4294967295 }, records:column("id"):totable())
    assert.same({ true, false, true }, records:column("up"):totable())
    assert.same({ 3, -1, 9 }, records:column("levels", 3):totable())
    assert.same({ 9 }, records:sub(3):column("levels", -1):totable())
    assert.equal(0, #records:sub(3, 2):column("up"))
  end)

  it("have columns of texts", function()
    local records = trades()
    local names = records:column("name")
    assert.same({ "seven", "0123456789abcdef", "" }, names:totable())
    names[1] = "one"
    names:copy_from({ "two", "three" }, 2)
    assert.equal("one", records[1].name)
    assert.same({ "two", "three" }, names:sub(-2):totable())
    assert.error_matches(function() names[1] = ("x"):rep(17) end, "do not fit")
    assert.error_matches(function() names:copy_from { "a", {} } end, "string expected")
    assert.equal("one", names[1])
  end)

  it("have no other columns", function()
    local records = trades()
    assert.error_matches(function() records:column("x") end, "no field 'x'")
    assert.error_matches(function() records:column("levels") end, "3 elements: choose")
    assert.error_matches(function() records:column("levels", 4) end, "outside of 1..3")
    assert.error_matches(function() records:column("id", 2) end, "outside of 1..1")
  end)

  it("have integers of any size", function()
    local region <close> = mapped.anonymous(32)
    local record = region:records("> a:u24 b:i24 c:u72 d:char _:char[16]")[1]
    record.a, record.b, record.c, record.d = 0x010203, -2, 5, "x"
    assert.same({ a = 0x010203, b = -2, c = 5, d = "x" }, copy_of(record))
    assert.equal("\1\2\3\xFF\xFF\xFE", region:tostring(1, 6))
    assert.error_matches(function() record.a = 1 << 24 end, "does not fit u24")
    assert.error_matches(function() record.d = "xy" end, "string of one byte expected")
    region:fill(0xFF)
    assert.has_error(function() return record.c end)
  end)

  it("are refused when closed or read-only", function()
    local records, region = trades()
    local record, column = records[1], records:column("id")
    region:close()
    for _, use in ipairs {
      function() return record.id end, function() record.id = 1 end,
      function() return records[1] end, function() records[1] = ROWS[1] end,
      function() return #records end, function() records:sub(1) end,
      function() records:column("id") end, function() return column[1] end,
      function() region:records(TRADES) end, function() column:totable() end,
      function() column:copy_from {} end, function() return pairs(records) end,
    } do
      assert.error_matches(use, "closed region")
    end
    assert.equal("mapped.Records (closed)", tostring(records))
    assert.equal("mapped.Record (closed)", tostring(record))
    local path = os.tmpname()
    assert(io.open(path, "w")):write(("x"):rep(64)):close()
    local file <close> = assert(mapped.open(path))
    os.remove(path)
    assert.error_matches(function() file:records(TRADES)[1].id = 1 end, "read%-only")
  end)

  it("survive a value that closes the region", function()
    local records, region = trades()
    local levels = records:column("id")
    local values = setmetatable({}, { __len = function() return 3 end,
      __index = function(_, i) region:close() return i end })
    assert.error_matches(function() levels:copy_from(values) end, "closed region")
  end)

  it("keep the region and the layout", function()
    local record = trades()[1]
    collectgarbage()
    collectgarbage()
    assert.equal(7, record.id)
  end)

  it("and formats survive finalizers of a closing state", function()
    local script = [[
      local mapped = require "mapped"
      local kept = {}
      local function use()
        pcall(function() return kept.region:unpack("<i4 z") end)
        pcall(function() return kept.region:unpack("<i4") end)
        pcall(function() return kept.record.a, kept.records[1].a, #kept.column end)
        pcall(function() return tostring(kept.records), tostring(kept.record) end)
        pcall(function() return kept.layout:size(), kept.layout:fields() end)
      end
      local first = setmetatable({}, { __gc = use })
      kept.region = mapped.anonymous(64)
      kept.region:unpack("<i4 z") kept.region:unpack("<i4")
      kept.layout = mapped.layout("a:u32")
      kept.records = kept.region:records(kept.layout)
      kept.record, kept.column = kept.records[1], kept.records:column("a")
      local last = setmetatable({}, { __gc = use })
      _G.everything = { kept, first, last }
    ]]
    local path = os.tmpname()
    assert(io.open(path, "w")):write(script):close()
    assert.is_true((os.execute(("'%s' %s"):format(arg[-1] or "lua5.4", path))))
    os.remove(path)
  end)
end)

describe("arrays", function()
  local codes = { "<i1", "<I1", ">i2", "<I2", ">i3", "<i4", ">i4", "<I4", "<i8", ">I8",
    "<f", ">f", "<d", ">d", "<i16" }

  it("become tables", function()
    for _, code in ipairs(codes) do
      local expected = {}
      for i = 1, 3000 do expected[i] = i % 100 end
      local region <close> = mapped.anonymous(1 + 3000 * string.packsize(code))
      local array = region:sub(2):cast(code)
      array:copy_from(expected)
      local found = array:totable()
      assert.equal(3000, #found)
      for i = 1, 3000 do
        if found[i] ~= expected[i] or array[i] ~= expected[i] then
          error(("%s: element %d is %s"):format(code, i, found[i]))
        end
      end
      assert.same({ 98, 99, 0 }, array:totable(98, 100))
      assert.same({ 98, 99, 0 }, array:totable(-3, math.maxinteger))
      assert.same({}, array:totable(5, 4))
    end
  end)

  it("take tables whole or not at all", function()
    local region <close> = mapped.anonymous(8)
    local array = region:cast("<i2")
    array:copy_from({ 1, 2, 3, 4 })
    array:copy_from({ 7, 8 }, 3)
    array:copy_from({ 9 }, -1)
    array:copy_from({})
    for _, call in ipairs {
      { { 1, 2, 3, 4, 5 } }, { { 1, 2 }, 4 }, { { 1 }, 0 }, { { 1 }, 5 }, { { 1, 2.5 } },
      { { 1, "x" } }, { { 1, 40000 } }, { { 1, {} } }, { "ab" }, { 5 }, { nil },
      { { 1 }, math.maxinteger }, { { 1 }, math.mininteger }, { { 1 }, "x" },
      { setmetatable({}, { __len = function() return -1 end }) },
      { setmetatable({}, { __len = function() return math.maxinteger end }) },
    } do
      assert.has_error(function() array:copy_from(call[1], call[2]) end)
      assert.same({ 1, 2, 7, 9 }, array:totable())
    end
    assert.error_matches(function() array:copy_from { 1, 40000 } end,
                         "element 2: 40000 does not fit i16")
  end)

  it("take arrays of another type", function()
    local region <close> = mapped.anonymous(24)
    local from, to = region:sub(1, 8):cast(">i2"), region:sub(9):cast("<f")
    from:copy_from { 1, -2, 3, -4 }
    to:copy_from(from)
    assert.same({ 1.0, -2.0, 3.0, -4.0 }, to:totable())
  end)
end)
