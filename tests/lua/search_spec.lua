-- Guards against plain searches that miss matches or find wrong ones, against
-- parts that don't add up to the data that was split, and against copies of the
-- data.
local mapped = require "mapped"
local support = require "tests.lua.support"

local ROUNDS = support.rounds(1000)

local random_text, slice_of = support.random_text, support.slice_of

local function last(text, needle)
  for at = #text - #needle + 1, 1, -1 do
    if text:sub(at, at + #needle - 1) == needle then
      return at, at + #needle - 1
    end
  end
  return nil
end

local function count(text, needle)
  local plain = needle:gsub("%p", "%%%0")
  return select(2, text:gsub(plain, ""))
end

local function strings(iterator)
  local all = {}
  for part in iterator do
    all[#all + 1] = part:tostring()
  end
  return all
end

-- As in Lua 5.4; older ones also find nothing behind the end.
local function find(text, needle, init)
  if init <= #text + 1 then
    return text:find(needle, init, true)
  end
end

describe("plain search", function()
  setup(function()
    math.randomseed(77)
  end)

  it("finds what string.find finds", function()
    for _ = 1, ROUNDS do
      local text = random_text(math.random(0, 60), "ab.")
      local needle = random_text(math.random(0, 4), "ab.")
      local slice, init = slice_of(text), math.random(-9, 9)
      for _, wanted in ipairs { needle, slice_of(needle) } do
        assert.same({ find(text, needle, init) },
          { slice:find(wanted, init, true) })
        assert.same({ last(text, needle) }, { slice:rfind(wanted) })
        assert.equal(count(text, needle), slice:count(wanted))
        assert.equal(text:sub(1, #needle) == needle, slice:startswith(wanted))
        assert.equal(needle == "" or text:sub(-#needle) == needle,
          slice:endswith(wanted))
      end
    end
  end)

  it("finds what lies across blocks of memory", function()
    local size = 1 << 20
    local region <close> = mapped.anonymous(3 * size)
    for shift = 0, 8 do
      region:fill(0)
      region:write(size - shift, "needle")
      assert.same({ size - shift, size - shift + 5 },
        { region:find("needle", 1, true) })
      assert.same({ size - shift, size - shift + 5 }, { region:rfind("needle") })
      assert.equal(1, region:count("needle"))
    end
  end)

  it("refuses a needle that is neither string nor view", function()
    local region <close> = mapped.anonymous(3)
    for _, name in ipairs { "rfind", "count", "startswith", "endswith" } do
      for _, wrong in ipairs { true, {}, print } do
        assert.truthy(support.failure(region[name], region, wrong)
          :find("bad argument #2", 1, true))
      end
      assert.has_error(function()
        region[name](region)
      end)
    end
  end)

  it("takes numbers as string.find does", function()
    local slice = slice_of("a12b12.5")
    for _, number in ipairs { 12, 12.5, 3 } do
      local text = tostring(number)
      assert.same({ ("a12b12.5"):find(number, 1, true) },
        { slice:find(number, 1, true) })
      assert.same({ last("a12b12.5", text) }, { slice:rfind(number) })
      assert.equal(count("a12b12.5", text), slice:count(number))
      assert.equal(false, slice:startswith(number))
      assert.equal(number == 12.5, slice:endswith(number))
    end
    assert.same({ "a", "b", ".5" }, (function()
      local parts = {}
      for part in slice:split(12) do
        parts[#parts + 1] = part:tostring()
      end
      return parts
    end)())
  end)

  it("raises once a region is closed", function()
    local region, other = mapped.anonymous(3), mapped.anonymous(2)
    local slice, needle = region:sub(1), other:sub(1)
    other:close()
    for _, name in ipairs { "find", "rfind", "count", "startswith" } do
      assert.equal("attempt to use a closed region",
        support.failure(region[name], region, needle))
    end
    region:close()
    for _, name in ipairs { "rfind", "count", "startswith", "endswith",
      "split" } do
      assert.equal("attempt to use a closed region",
        support.failure(slice[name], slice, name ~= "lines" and "x" or nil))
    end
    assert.equal("attempt to use a closed region",
      support.failure(slice.lines, slice, true))
  end)

  it("leaves no export behind", function()
    local region <close> = mapped.anonymous(100)
    region:find(region:sub(1, 5))
    region:count(region:sub(1, 5))
    assert.is_true(region:resize(50))
  end)
end)

describe("lines and split", function()
  it("cut as files and patterns do", function()
    for _ = 1, ROUNDS do
      local text = random_text(math.random(0, 30), "ab\n")
      local slice = slice_of(text)
      local without, with = {}, {}
      for line in text:gmatch("[^\n]*\n?") do
        if line ~= "" then
          with[#with + 1] = line
          without[#without + 1] = line:gsub("\n", "")
        end
      end
      assert.same(without, strings(slice:lines()))
      assert.same(with, strings(slice:lines(true)))
    end
  end)

  it("give parts that add up to the data", function()
    for _ = 1, ROUNDS do
      local text = random_text(math.random(0, 30), "ab,")
      local separator = random_text(math.random(1, 3), "ab,")
      local parts = strings(slice_of(text):split(separator))
      assert.equal(text, table.concat(parts, separator))
      assert.equal(count(text, separator) + 1, #parts)
    end
  end)

  it("give slices of the same region", function()
    local region <close> = mapped.anonymous(6)
    region:write(1, "ab\ncd\n")
    for line in region:lines() do
      assert.equal(region, line:region())
      line[1] = 120
    end
    assert.equal("xb\nxd\n", region:tostring())
  end)

  it("refuse an empty separator", function()
    local region <close> = mapped.anonymous(6)
    assert.truthy(support.failure(region.split, region, "")
      :find("empty separator", 1, true))
    assert.has_error(function()
      region:split()
    end)
  end)

  it("raise once the region is closed", function()
    local region = mapped.anonymous(6)
    local lines, parts = region:lines(), region:split("x")
    region:close()
    assert.equal("attempt to use a closed region", support.failure(lines))
    assert.equal("attempt to use a closed region", support.failure(parts))
  end)

  it("keep their region and their separator alive", function()
    local following = (function()
      local region = mapped.anonymous(9)
      region:write(1, "a<->b<->c")
      return region:split("<" .. ("-"):rep(1) .. ">")
    end)()
    collectgarbage()
    collectgarbage()
    assert.same({ "a", "b", "c" }, strings(following))
    assert.is_nil(following())
  end)
end)

describe("a big file", function()
  local MIB = 1 << 20
  local path

  setup(function()
    path = support.file()
    local file <close> = assert(io.open(path, "r+b"))
    assert(file:seek("set", 256 * MIB))
    assert(file:write("\nkey = value\n"))
  end)

  teardown(support.clean)

  -- Runs code in a process that has memory for a part of the file, but not for
  -- all of it.
  local function run(code)
    return support.child(([[
      local mapped = require "mapped"
      local s <close> = assert(mapped.open(%q))
      %s]]):format(path, code), "ulimit -d 65536")
  end

  local function limited(name, test)
    if not support.sanitized then
      it(name, test)
    else
      pending(name .. ": a sanitizer's shadow needs more than any ulimit")
    end
  end

  limited("does not fit into a string there", function()
    assert.truthy(run("print(#s:tostring())"):find("memory", 1, true))
  end)

  limited("is searched without a copy", function()
    assert.equal("268435458\t268435468\n",
      run("print(s:find('key = value', 1, true))"))
    assert.equal("268435458\t268435460\tkey\n",
      run("print(s:find('(key)'))"))
    assert.equal("key\tvalue\n", run("print(s:match('(%a+) = (%a+)'))"))
    assert.equal("2\n", run("print(s:count('\\n'))"))
    assert.equal("key = value\n", run([[
      local last
      for line in s:lines() do last = line:tostring(-11) end
      print(last)]]))
    assert.equal("key\nvalue\n", run([[
      for word in s:gmatch('%a+') do print(word) end]]))
  end)

  limited("is searched by lrexlib without a copy", function()
    assert.equal("268435458\t268435468\tkey\tvalue\n", run([[
      local rex = require "rex_pcre2"
      local from, to, captures = rex.new("(\\w+) = (\\w+)"):tfind(s)
      print(from, to, table.unpack(captures))]]))
    assert.equal("key\tvalue\n", run([[
      print(require("rex_pcre2").match(s:sub(2), "(\\w+) = (\\w+)"))]]))
  end)
end)

describe("search.tsv", function()
  local function ranges(iterator)
    local parts = {}
    for part in iterator do
      parts[#parts + 1] = part:offset() .. "+" .. #part
    end
    return table.concat(parts, " ")
  end

  local function offset(first)
    return tostring(first and first - 1 or -1)
  end

  local operations = {
    find = function(view, needle) return offset(view:find(needle, 1, true)) end,
    rfind = function(view, needle) return offset(view:rfind(needle)) end,
    count = function(view, needle) return tostring(view:count(needle)) end,
    starts = function(view, needle) return view:startswith(needle) and "1" or "0" end,
    ends = function(view, needle) return view:endswith(needle) and "1" or "0" end,
    split = function(view, needle) return ranges(view:split(needle)) end,
    lines = function(view) return ranges(view:lines()) end,
  }

  it("means the same in every language", function()
    local rows = 0
    for line in io.lines("tests/vectors/search.tsv") do
      local name, data, needle, expected =
        line:match("^(%l+)\t(%x*)\t(%x*)\t(.*)$")
      if name then
        local region <close> = mapped.anonymous(#data // 2)
        region:write(1, support.unhex(data))
        assert.equal(expected, operations[name](region, support.unhex(needle)), line)
        rows = rows + 1
      end
    end
    assert.is_true(rows > 50)
  end)
end)
