-- Guards against an FFI view that reads or writes outside of its region, hands
-- out memory that goes away, or takes a lost page's zeros for its bytes: also in
-- code that LuaJIT has compiled, which may move and merge loads.
local mapped = require "mapped"
local support = require "tests.lua.support"
local failure, region_of = support.failure, support.region_of

local PAGE = 4096
local CLOSED = "attempt to use a closed region"

local jit = rawget(_G, "jit")
if not jit then
  it("ffi is for LuaJIT, and says so", function()
    local region = region_of("abcd")
    assert.matches("ffi is for LuaJIT alone",
                   failure(region.ffi, region, "uint32_t"))
  end)
  return
end

local ffi = require "ffi"
local int64, uint64 = ffi.typeof "int64_t", ffi.typeof "uint64_t"
ffi.cdef [[
struct mapped_test_point { double x; int16_t y[3]; struct { int8_t z; } inner; };
struct mapped_test_mixed { const int fixed; int bits : 3; void *pointer;
  int64_t big; uint64_t large; bool flag; enum { MAPPED_A, MAPPED_B } choice; };
]]

-- Long enough for the loop to be compiled.
local function sum(view)
  local total = 0
  for i = 1, #view do
    total = total + tonumber(view[i])
  end
  return total
end

local TYPES = { "int8_t", "uint8_t", "int16_t", "uint16_t", "int32_t",
  "uint32_t", "int64_t", "uint64_t", "float", "double" }

it("the example of ffi runs", function()
  dofile("docs/examples/luajit.lua")
end)

describe("an ffi view", function()
  it("has the elements that cast has", function()
    local codes = { "b", "B", "h", "H", "i4", "I4", "i8", "I8", "f", "d" }
    local region = mapped.anonymous(8 * 500 + 3)
    for _, slice in ipairs { region:sub(1, 4000), region:sub(4, -1) } do
      for i, name in ipairs(TYPES) do
        local view, array = slice:ffi(name), slice:cast(codes[i])
        assert.equal(#array, #view)
        for k = 1, #view do
          view[k] = k % 100
        end
        for k = -1, -#view, -1 do
          assert(view[k] == array[k] and tonumber(array[k]) == (#view + k + 1) % 100)
        end
      end
    end
  end)

  it("takes C types in every form", function()
    local region = mapped.anonymous(16)
    assert.equal(4, #region:ffi(ffi.typeof "float"))
    assert.equal(2, #region:ffi(ffi.new "int64_t"))
    assert.equal(0, #region:sub(1, 0):ffi("int"))
    assert.equal("mapped.FFI (2 elements of double)", tostring(region:ffi "double"))
  end)

  it("refuses what has no fixed size, and pointers", function()
    local region = mapped.anonymous(16)
    for _, name in ipairs { "void", "int[?]", "int[0]", "int &",
      "struct { int n; char rest[?]; }" } do
      assert.matches("has no fixed size", failure(region.ffi, region, name))
    end
    for _, name in ipairs { "void *", "int (*)(void)", "int *[2]",
      "int (*)[4]", "int (*[2])[4]", "int &(*)(void)",
      "float __attribute__((vector_size(16)))" } do
      assert.matches("a view has no values of type", failure(region.ffi, region, name))
    end
    for _, value in ipairs { "struct nobody", 1, false, {}, region } do
      assert.matches("C type expected", failure(region.ffi, region, value))
    end
    assert.matches("length 16 is not a multiple of 3",
                   failure(region.ffi, region, "char[3]"))
  end)

  it("refuses references, which reading follows", function()
    local region = mapped.anonymous(16)
    for _, name in ipairs { "struct { int &r, &s; }", "struct { int n; const int (&r)[3]; }",
      "struct { int n; union { double d; struct { int &r; } s[1]; }; }" } do
      assert.matches("a view has no references, but struct %d+ has",
                     failure(region.ffi, region, name))
    end
  end)

  it("needs no memory for a type that is too large", function()
    local region = mapped.anonymous(16)
    local before = collectgarbage "count"
    assert.matches("not a multiple", failure(region.ffi, region, "char[100000000]"))
    assert.is_true(collectgarbage "count" < before + 50000)
  end)

  it("of what C converts without a word has only what it can store", function()
    local region = mapped.anonymous(16)
    local choices = region:ffi "enum { MAPPED_C, MAPPED_D }"
    for _, value in ipairs { 2 ^ 32, 1.5, 0 / 0, int64(-1) * 2 ^ 40 } do
      assert.matches("does not fit enum", failure(function() choices[1] = value end))
    end
    assert.matches("number expected", failure(function() choices[1] = true end))
    assert.matches("^cannot convert",
                   failure(function() choices[1] = "MAPPED_E" end))
    for _, value in ipairs { choices[1], "MAPPED_D", 1, int64(1) } do
      choices[1] = value
    end
    assert.equal("\1" .. ("\0"):rep(15), region:tostring())
    assert.matches("^[^:]*$", select(2, pcall(region.ffi, region, "long double")))
  end)

  it("reads nil outside, and raises for a write there", function()
    local view = mapped.anonymous(16):ffi "uint32_t"
    local nan = 0 / 0
    for _, i in ipairs { 0, 5, -5, 1.5, -1.5, nan, 1 / 0, 2 ^ 53, int64(5), "1", {} } do
      assert.is_nil(view[i])
      assert.matches("is out of range, there are 4 elements",
                     failure(function() view[i] = 1 end))
    end
    view[int64(4)] = 7
    assert.equal(7, view[uint64(4)])
  end)

  it("refuses values that do not fit", function()
    local region = mapped.anonymous(8)
    local wrong = { int8_t = { 128, -129, 0.5 }, uint16_t = { -1, 65536, 1e300 },
      uint32_t = { 2 ^ 32, int64(-1), 0 / 0 }, int64_t = { 2 ^ 63, uint64(2 ^ 63), 0.5 },
      uint64_t = { -1, 2 ^ 64, int64(-1), 1.5 } }
    for name, values in pairs(wrong) do
      local view = region:ffi(name)
      for _, value in ipairs(values) do
        assert.matches("does not fit " .. (name:match "64" and name or ""),
                       failure(function() view[1] = value end))
      end
      for _, value in ipairs { "1", {}, true } do
        assert.matches("number expected", failure(function() view[1] = value end))
      end
    end
    assert.matches("boolean expected",
                   failure(function() region:ffi("bool")[1] = 1 end))
    assert.matches("constant", failure(function() region:ffi("const int")[1] = 1 end))
    assert.equal(("\0"):rep(8), region:tostring())
    region:ffi("uint64_t")[1] = 2 ^ 63
    assert.equal("\0\0\0\0\0\0\0\128", region:tostring())
    region:ffi("int64_t")[1] = int64(-2)
    assert.equal(int64(-2), region:ffi("int64_t")[1])
  end)

  it("takes every 64-bit value in compiled code, too", function()
    local region = mapped.anonymous(8 * 200)
    for name, low in pairs { uint64_t = 2 ^ 63, int64_t = -2 ^ 63 } do
      local view = region:ffi(name)
      for i = 1, 200 do
        view[i] = low + 2048 * i
      end
      for i = 1, 200 do
        assert(tonumber(view[i]) == low + 2048 * i)
        view[i] = view[i] + 1
      end
      for i = 1, 200 do
        assert(view[i] == ffi.cast(name, low) + 2048 * i + 1)
      end
    end
  end)

  it("of structs gives fields, and aggregates as views", function()
    local region = mapped.anonymous(3 * ffi.sizeof "struct mapped_test_point")
    local view = region:ffi "struct mapped_test_point"
    local point = view[2]
    point.x, point.y[3], point.inner.z = 1.5, -7, 5
    assert.equal(1.5, view[-2].x)
    assert.equal(-7, view[2].y[3])
    assert.equal(5, view[2].inner.z)
    assert.equal(3, #point.y)
    assert.is_nil(point.y[4])
    assert.matches("there are 3 elements", failure(function() point.y[4] = 1 end))
    assert.matches("does not fit", failure(function() point.y[1] = 40000 end))
    assert.matches("no field 'w' in struct mapped_test_point",
                   failure(function() return point.w end))
    assert.matches("no field '1'", failure(function() point[1] = 1 end))
    assert.matches("field by field", failure(function() point.y = { 1 } end))
    view[1] = point
    view[3] = { x = 9 }
    assert.equal(-7, view[1].y[3])
    assert.equal(9, view[3].x)
    local copy = view:copy(1)
    region:close()
    assert.equal(1.5, copy.x)
    for _, f in ipairs { function() return point.x end, function() point.x = 1 end,
      function() return point.y[1] end, function() return point.inner.z end,
      function() view[1] = copy end, function() return view:copy(1) end } do
      assert.matches(CLOSED, failure(f))
    end
  end)

  it("of structs refuses pointers and constants", function()
    local region = mapped.anonymous(ffi.sizeof "struct mapped_test_mixed")
    local record = region:ffi("struct mapped_test_mixed")[1]
    record.bits, record.big, record.large = -3, int64(-1), 2 ^ 63
    record.flag, record.choice = true, "MAPPED_B"
    assert.equal(-3, record.bits)
    assert.equal(int64(-1), record.big)
    assert.equal(2 ^ 63, tonumber(record.large))
    assert.equal(1, tonumber(record.choice))
    assert.is_true(record.flag)
    assert.matches("bits", failure(function() record.bits = 4 end))
    assert.matches("constant", failure(function() record.fixed = 1 end))
    assert.matches("no values of type void", failure(function() return record.pointer end))
    assert.matches("no values of type void", failure(function() record.pointer = nil end))
  end)

  it("copies numbers, too, and has arrays without elements", function()
    local region = mapped.anonymous(8)
    assert.equal(0, region:ffi("int"):copy(2))
    assert(region:protect("r")) -- which an access that did not end would refuse
    local tail = region:ffi("struct { int n; double rest[]; }")[1].rest
    assert.equal("mapped.FFI (0 elements of double[])", tostring(tail))
    assert.is_nil(tail[1])
  end)

  it("of structs shows no reference to a metatype", function()
    local shown, freed = 0, 0
    local function show()
      shown = shown + 1
      return 1
    end
    ffi.cdef "struct mapped_test_object { int handle; };"
    ffi.metatype("struct mapped_test_object", { __index = show,
      __newindex = show, __new = show, __gc = function() freed = freed + 1 end })
    local view = mapped.anonymous(8):ffi "struct mapped_test_object"
    view[1].handle = 5
    view[2] = { handle = 7 }
    view[1] = view[2]
    assert.equal(7, view[1].handle)
    assert.equal(7, view:copy(1).handle)
    assert.matches("no field 'other'", failure(function() return view[1].other end))
    assert.matches("no field 'other'", failure(function() view[1].other = 1 end))
    collectgarbage()
    collectgarbage()
    assert.same({ 0, 0 }, { shown, freed })
  end)

  it("reaches far into a large region", function()
    local path = support.file("")
    local region = assert(mapped.open(path, "r+",
      { length = 5 * 2 ^ 30, sparse = true }))
    for _, name in ipairs { "uint8_t", "double", "uint32_t" } do
      local view = region:ffi(name)
      for i = #view - 200, #view do
        view[i] = i % 100
      end
      for i = -1, -200, -1 do
        assert(view[i] == (#view + 1 + i) % 100)
      end
    end
    assert.equal(2 ^ 30 * 5 % 400 / 4, region:get("<I4", -4))
    region:close()
    os.remove(path)
  end)

  it("of a read-only region or slice refuses writes", function()
    local path = support.file(("x"):rep(8))
    local region = assert(mapped.open(path))
    local writable = mapped.anonymous(8)
    for _, view in ipairs { region:ffi "int", writable:readonly(true):ffi "int" } do
      assert.equal(view[1], view[2])
      assert.matches("read%-only", failure(function() view[1] = 1 end))
    end
    local view = writable:ffi "int"
    assert(writable:protect("r"))
    assert.matches("read%-only", failure(function() view[1] = 1 end))
    assert(writable:protect("r+"))
    view[1] = 1
    assert.equal(1, writable[1])
  end)

  it("says in compiled code that its region was closed", function()
    local region = mapped.anonymous(16 * PAGE)
    local view = region:ffi "double"
    assert.equal(0, sum(view))
    local function run()
      for i = 1, #view do
        if i == 5000 then
          region:close()
        end
        view[i] = view[i] + 1
      end
    end
    assert.matches(CLOSED, failure(run))
    assert.matches(CLOSED, failure(function() return #view end))
    assert.matches(CLOSED, failure(function() return view[0] end))
    assert.matches(CLOSED, failure(function() view[0] = 1 end))
  end)

  it("follows a region that grows and moves, and one that shrinks", function()
    local region = mapped.anonymous(PAGE)
    local view = region:ffi "uint32_t"
    local kept = {}
    for i = 1, 1200 do
      view[i % 1024 + 1] = i
      if i % 100 == 0 then
        kept[#kept + 1] = mapped.anonymous(PAGE)
        assert(region:resize(#region * 2))
      end
      assert(view[i % 1024 + 1] == i)
    end
    assert(region:resize(PAGE / 2))
    assert.equal(1024, view[1])
    assert.matches("range", failure(function() return view[1024] end))
    assert.matches("range", failure(function() view[1024] = 1 end))
    assert.equal(1023, view[512] + 512)
    assert(region:resize(PAGE))
    assert.equal(0, view[1024])
  end)

  for _, name in ipairs(TYPES) do
    it("of " .. name .. " says in compiled code where a page was lost", function()
      local path = support.file(("\1"):rep(16 * PAGE))
      local region = assert(mapped.open(path, "r+"))
      local view = region:ffi(name)
      local count = PAGE / ffi.sizeof(name)
      sum(view)
      support.write(path, ("\1"):rep(PAGE))
      local reached
      local function read()
        local total = 0
        for i = 1, #view do
          reached = i
          total = total + tonumber(view[i])
        end
        return total
      end
      assert.matches("page lost", failure(read))
      assert.equal(count + 1, reached)
      assert.matches("page lost", failure(function() view[count + 2] = 1 end))
      assert.equal(view[1], view[count])
      view[1] = 5
      assert.equal(5, tonumber(view[1]))
      assert.matches("page lost", failure(view.copy, view, count + 1))
    end)
  end

  it("reads anew what another one writes", function()
    local path = support.file(("\0"):rep(PAGE))
    local reader = assert(mapped.open(path)):ffi "double"
    local writer = assert(mapped.open(path, "r+"))
    local count = 0
    for i = 1, 1000 do
      writer:set("d", 1, i)
      count = count + (reader[1] == i and 1 or 0)
    end
    assert.equal(1000, count)
    local raw = ffi.cast("double *", writer:topointer())
    local seen = 0
    for i = 1, 1000 do
      local before = reader[1]
      raw[0] = i
      seen = seen + (before ~= reader[1] and 1 or 0)
    end
    assert.equal(1000, seen)
  end)

  it("keeps its region alive", function()
    local view = mapped.anonymous(PAGE):ffi "uint32_t"
    for _ = 1, 3 do
      collectgarbage()
    end
    view[1] = 5
    assert.equal(5, view[1])
  end)

  it("outlives its region where a state ends", function()
    local output = support.child([[
      local mapped = require "mapped"
      local region, view
      for i = 1, 4 do
        local proxy = newproxy(true)
        getmetatable(proxy).__gc = function()
          print((select(2, pcall(function() view[1] = view[1] + 1 end))))
        end
        _G["proxy" .. i] = proxy
        if i == 2 then
          region = mapped.anonymous(4096)
          view = region:ffi "int"
        end
      end]])
    assert.equal(2, select(2, output:gsub("attempt to use a closed region", "")))
    assert.equal(2, select(2, output:gsub("nil", "")))
  end)

  it("lets its region go", function()
    local before = mapped.stats().regions
    for _ = 1, 100 do
      mapped.anonymous(PAGE):ffi("struct mapped_test_point[1]"):copy(1)
    end
    for _ = 1, 4 do
      collectgarbage()
    end
    assert.is_true(mapped.stats().regions < before + 10)
  end)
end)

-- What the interpreter may do between check and access: a debug hook is called
-- before every instruction, and a finalizer where it allocates.
describe("an access of an ffi view that is interrupted", function()
  local accesses = {
    read = function(view) return view[1] end,
    write = function(view) view[1] = 7 end,
    int64 = function(_, region) return region:sub(9, 16):ffi("int64_t")[1] end,
    field = function(view) return view.record.y[2] end,
    ["set field"] = function(view) view.record.y[2] = 7 end,
    copy = function(view) return view.points:copy(1) end,
    assign = function(view) view.points[1] = { x = 1 } end,
  }
  local actions = {
    close = function(region) region:close() end,
    shrink = function(region) region:resize(0) end,
    move = function(region) region:resize(1000 * PAGE) end,
    protect = function(region) pcall(region.protect, region, "r") end,
    fail = function() return false end,
  }
  local size = ffi.sizeof "struct mapped_test_point"

  for access_name, access in pairs(accesses) do
    for action_name, action in pairs(actions) do
      it("at " .. access_name .. " by " .. action_name, function()
        jit.off()
        local at, count = 0, 0
        while count == at do
          at, count = at + 1, 0
          local region = mapped.anonymous(8 * PAGE)
          local points = region:sub(1, size):ffi "struct mapped_test_point"
          local ints = region:ffi "int"
          local view = setmetatable({ points = points, record = points[1] },
            { __index = ints, __newindex = ints })
          local other
          local function hook()
            count = count + 1
            if count == at then
              debug.sethook()
              -- Whoever maps memory afterwards must not get the region's.
              local go_on = action(region) ~= false
              other = mapped.anonymous(8 * PAGE)
              other:fill(99)
              assert(go_on, "interrupted")
            end
          end
          local ok, result = pcall(function()
            debug.sethook(hook, "", 1)
            local x = access(view, region)
            debug.sethook()
            return x
          end)
          debug.sethook()
          result = ok and (type(result) == "cdata" and
            ffi.istype("struct mapped_test_point", result) and result.x or result)
          assert.is_true(not ok or not result or tonumber(result) == 0)
          assert.equal(8 * PAGE, other and other:count("c") or 8 * PAGE)
        end
        jit.on()
      end)
    end
  end

  it("by finalizers that close it", function()
    jit.off()
    for _ = 1, 300 do
      local region = mapped.anonymous(8 * PAGE)
      local view = region:ffi "uint64_t"
      local proxy = newproxy(true) -- luacheck: ignore 113
      getmetatable(proxy).__gc = function() region:close() end
      proxy = nil -- luacheck: ignore 311
      pcall(function()
        for i = 1, 4096 do
          view[i] = view[i] + uint64(1)
        end
      end)
    end
    jit.on()
  end)

  it("leaves the region usable when it fails", function()
    local region = mapped.anonymous(PAGE)
    local view = region:ffi "int"
    jit.off()
    for at = 1, 100 do
      pcall(function()
        debug.sethook(function()
          debug.sethook()
          error("stop")
        end, "", at)
        while true do view[1] = view[1] end
      end)
    end
    jit.on()
    view[1] = 5
    assert.equal(5, view[1])
    assert(region:resize(PAGE / 2))
    assert(region:close())
    assert.matches(CLOSED, failure(function() return view[1] end))
  end)
end)
