-- Guards against increments that get lost between processes, against a wait that
-- never ends or ends too early, and against words that take numbers or places
-- that they shouldn't.
local mapped = require "mapped"
local support = require "tests.lua.support"
local failure, region_of = support.failure, support.region_of

local CODES = { "I4", "i4", "<I8", ">i8", "u32", "i32be", "u64be", "j", "J" }
local CHANGES = {
  exchange = function(_, b) return b end,
  add = function(a, b) return a + b end,
  sub = function(a, b) return a - b end,
  and_ = function(a, b) return a & b end,
  or_ = function(a, b) return a | b end,
  xor = function(a, b) return a ~ b end,
}

it("changes return what was there", function()
  for _, code in ipairs(CODES) do
    local region = region_of(("x"):rep(64))
    local word = region:sub(9):atomic(code, 9)
    for name, change in pairs(CHANGES) do
      word:store(0x1234)
      assert.equal(0x1234, word[name](word, 0x1030))
      assert.equal(change(0x1234, 0x1030), word:load())
      assert.equal(word:load(), region:get(code, 17))
    end
    assert.equal(("x"):rep(16), region:tostring(1, 16))
    assert.equal(("x"):rep(40), region:tostring(25))
  end
end)

it("compare_exchange stores only over what is expected", function()
  for _, code in ipairs(CODES) do
    local word = mapped.anonymous(64):atomic(code)
    word:store(5)
    assert.equal(5, word:compare_exchange(4, 9))
    assert.equal(5, word:load())
    assert.equal(5, word:compare_exchange(5, 9, "acq_rel"))
    assert.equal(9, word:load())
  end
end)

it("sums wrap and operands must fit", function()
  local small = mapped.anonymous(64):atomic("i4")
  small:store(0x7fffffff)
  assert.equal(0x7fffffff, small:add(1))
  assert.equal(-0x80000000, small:load())
  for _, wrong in ipairs { 0x80000000, -0x80000001, math.maxinteger } do
    assert.matches("does not fit", failure(small.store, small, wrong))
    assert.matches("does not fit", failure(small.add, small, wrong))
    assert.matches("does not fit", failure(small.wait, small, wrong))
    assert.matches("does not fit",
                   failure(small.compare_exchange, small, 1, wrong))
  end
  assert.equal(-0x80000000, small:load())
  local large = mapped.anonymous(64):atomic("I8")
  large:store(-1)
  assert.equal(-1, large:add(1))
  assert.equal(0, large:load())
  assert.matches("number expected, got table", failure(large.add, large, {}))
  assert.matches("no integer representation",
                 failure(large.add, large, 1.5))
end)

it("a word must be an aligned integer inside", function()
  local region = mapped.anonymous(64)
  for _, code in ipairs { "I2", "B", "d", "f", "u24", "bool" } do
    assert.matches("no integer of 32 or 64 bits",
                   failure(region.atomic, region, code))
  end
  assert.matches("misaligned", failure(region.atomic, region, "I4", 2))
  assert.matches("misaligned", failure(region.atomic, region, "I8", 5))
  assert.matches("outside", failure(region.atomic, region, "I4", 62))
  assert.matches("outside", failure(region.atomic, region, "I4", 0))
  assert.equal(60, region:atomic("I4", -4):offset())
  assert.equal(region, region:sub(5):atomic("I4"):region())
  assert.equal("mapped.Atomic (u32 at offset 4)",
               tostring(region:sub(5):atomic("I4")))
end)

it("an access is checked like all others", function()
  local path = support.file(("x"):rep(64))
  local region = assert(mapped.open(path))
  local word = region:atomic("I4")
  assert.equal(region:get("I4"), word:load())
  assert.matches("read%-only", failure(word.store, word, 1))
  assert.matches("read%-only", failure(word.or_, word, 1))
  assert.equal(0, word:notify())
  region:close()
  for _, name in ipairs { "load", "notify" } do
    assert.matches("closed", failure(word[name], word))
  end
  for _, name in ipairs { "store", "add", "wait" } do
    assert.matches("closed", failure(word[name], word, 1))
  end
  assert.matches("mapped.Atomic expected", failure(word.load, region))
  assert.matches("mapped.Atomic expected", failure(word.load))
end)

it("orders that make sense are taken", function()
  local word = mapped.anonymous(8):atomic("I8")
  for _, order in ipairs { "seq_cst", "relaxed", "acquire" } do
    assert.equal(0, word:load(order))
  end
  for _, order in ipairs { "seq_cst", "relaxed", "release" } do
    word:store(0, order)
  end
  for _, order in ipairs { "seq_cst", "relaxed", "acquire", "release",
    "acq_rel" } do
    word:add(0, order)
    mapped.fence(order)
  end
  mapped.fence()
  assert.matches("memory order", failure(word.load, word, "release"))
  assert.matches("memory order", failure(word.store, word, 1, "acquire"))
  for _, wrong in ipairs { "", "SEQ_CST", "seq_cst\0", ("x"):rep(10000) } do
    local message = failure(word.load, word, wrong)
    assert.matches("unknown memory order", message)
    assert.is_true(#message < 200)
    assert.matches("unknown memory order", failure(mapped.fence, wrong))
  end
  assert.equal(0, word:load())
end)

it("a wait ends at once, or in time", function()
  for _, code in ipairs { "I4", "i8" } do
    local word = mapped.anonymous(8):atomic(code)
    word:store(3)
    assert.equal(3, word:wait(4))
    assert.equal(3, word:wait(4, 0))
    for _, timeout in ipairs { 0, 0.01, 1e-9 } do
      assert.same({ nil, "timeout" }, { word:wait(3, timeout) })
    end
    for _, timeout in ipairs { -1, -0.5, 0 / 0, -math.huge } do
      assert.matches("0 or more seconds",
                     failure(word.wait, word, 3, timeout))
    end
    assert.equal(3, word:wait(4, math.huge))
    assert.matches("number expected", failure(word.wait, word, 3, {}))
  end
end)

it("notify takes a count", function()
  local word = mapped.anonymous(8):atomic("I4")
  for _, count in ipairs { 0, 1, 1 << 40, math.maxinteger } do
    assert.equal(0, word:notify(count))
  end
  assert.matches("%-1", failure(word.notify, word, -1))
end)

it("processes share words and wake each other", function()
  local path = support.file(("\0"):rep(64))
  local code = [[
    local mapped = require "mapped"
    local word = assert(mapped.open(arg[1], "r+")):atomic("I4")
    local count = assert(mapped.open(arg[1], "r+")):atomic("i8", 9)
    local first = tonumber(arg[2])
    for turn = first, first + 398, 2 do
      while word:load() ~= turn do
        assert(word:wait((turn - 1) & 0xffffffff, 60))
      end
      count:add(1)
      word:store(turn + 1)
      word:notify()
    end
  ]]
  local script = support.file(code)
  local lua = os.getenv("MAPPED_LUA") or "lua5.4"
  local command = ("%s %s %s %%d"):format(lua, script, path)
  local other = assert(io.popen(command:format(1) .. " 2>&1"))
  assert.is_true(os.execute(command:format(0)))
  assert.equal("", other:read("a"))
  assert.is_true(other:close())
  local region = assert(mapped.open(path))
  assert.equal(400, region:get("I4"))
  assert.equal(400, region:get("i8", 9))
end)

it("a word keeps its region", function()
  local word = mapped.anonymous(64):atomic("I4")
  collectgarbage()
  collectgarbage()
  assert.equal(0, word:add(5))
  assert.equal(5, word:load())
end)
