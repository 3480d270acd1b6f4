-- Guards against patterns that match otherwise in regions and slices than in
-- strings. Random patterns, good and bad ones, are compared with `string` on
-- random text.
local mapped = require "mapped"
local support = require "tests.lua.support"

local slice_of = support.slice_of
local ROUNDS = support.rounds(4000)

-- Patterns are made from these pieces. The later ones are less likely, because
-- they make most patterns malformed.
local PIECES = { "a", "b", "c", ".", "%a", "%d", "%s", "%w", "[ab]", "[^a]",
  "[a-c]", "[%a_]", "[]]", "[^]]", "(", ")", "()", "$", "^", "%1", "%2",
  "%b()", "%bab", "%f[a]", "%f[%w]", "%f[^%z]", "*", "+", "-", "?", "*", "+",
  "?", "-", "%", "[", "%f", "%b", "%bx", "%.", "%0", "%]", "[a-", "[%]",
  "[a-]", "[-a]", "[a%-c]", "\0", "%z", "%A", "%S", "%9", "[%", "[^",
  "[%w-z]", "\255", "[\128-\255]", ("("):rep(33) }
local LIKELY = 34

local function random_pattern()
  local pieces = {}
  for i = 1, math.random(6) do
    pieces[i] = PIECES[math.random(math.random(8) == 1 and #PIECES or LIKELY)]
  end
  return table.concat(pieces)
end

local function random_text()
  local alphabet = math.random(3) == 1 and "ab ()1_x\0-]\200" or "aabc"
  return support.random_text(math.random(0, 25), alphabet)
end

-- Returns the call's results, or its error. The positions in the program and in
-- the pattern are removed, because string.* doesn't have the latter, and so are
-- names of functions.
local function outcome(f, ...)
  local results = table.pack(pcall(f, ...))
  if not results[1] then
    results[2] = tostring(results[2]):gsub("^[^:]+:%d+: ", "")
      :gsub("'string%.(%a+)'", "'?'"):gsub("to '%a+'", "to '?'")
      :gsub(" at position %d+ of the pattern$", "")
      :gsub(" at position %d+ of the replacement$", "")
  end
  return results
end

local function all_matches(object, pattern, init)
  local results = {}
  for a, b, c in object:gmatch(pattern, init) do
    results[#results + 1] = table.pack(a, b, c)
  end
  return results
end

local function agree(name, text, ...)
  local slice = slice_of(text)
  local expected = outcome(string[name], text, ...)
  local actual = outcome(slice[name], slice, ...)
  assert.same(expected, actual,
    ("%s(%q, %q)"):format(name, text, tostring((...))))
end

describe("patterns", function()
  setup(function()
    math.randomseed(1993)
  end)

  for _, name in ipairs { "find", "match" } do
    it("work in " .. name .. " as on strings", function()
      for _ = 1, ROUNDS do
        agree(name, random_text(), random_pattern(), math.random(-9, 9))
      end
    end)
  end

  it("work in gmatch as on strings", function()
    for _ = 1, ROUNDS do
      local text, pattern = random_text(), random_pattern()
      local init = math.random(4) == 1 and math.random(-9, 9) or nil
      assert.same(outcome(all_matches, text, pattern, init),
        outcome(all_matches, slice_of(text), pattern, init), pattern)
    end
  end)

  it("work in gsub as on strings", function()
    local replacements = { "", "x", "%0", "<%1>", "%2", "%%", "%", "%x", 5,
      { a = "A", b = 7, ab = false, [1] = "one" },
      function(a, b)
        return b or a and a ~= "c" and tostring(a):upper()
      end,
      { a = {} }, { a = true } }
    for _ = 1, ROUNDS do
      agree("gsub", random_text(), random_pattern(),
        replacements[math.random(#replacements)],
        math.random(3) == 1 and math.random(-1, 3) or nil)
    end
  end)

  it("begin where string.find begins", function()
    for _, init in ipairs { 0, 1, 3, 4, 5, 99, -1, -3, -4, -99,
      math.maxinteger, math.mininteger } do
      for _, pattern in ipairs { "", "a", "c", "()", "^", "$", "%f[^%z]" } do
        agree("find", "abc", pattern, init)
        agree("match", "abc", pattern, init)
        agree("find", "abc", pattern, init, true)
      end
    end
  end)

  it("take the arguments that string's functions take", function()
    local text = "a1b22.5c"
    for _, arguments in ipairs { {}, { 1 }, { 22.5 }, { "a", "1" },
      { "a", 1.0 }, { "a", 1.5 }, { "a", "x" }, { "a", {} }, { {} }, { nil },
      { true }, { "1", nil, true }, { 1, 1, true } } do
      agree("find", text, table.unpack(arguments, 1, 3))
      agree("match", text, table.unpack(arguments, 1, 2))
      agree("gmatch", text, table.unpack(arguments, 1, 1) or nil, {})
    end
    for _, arguments in ipairs { { "a" }, { "a", nil }, { "a", true },
      { "a", print, "x" }, { "%w", "%%%0", 2 }, { "a", "b", 1.5 },
      { "a", "b", -1 }, { 1, 2, 3 }, { "a", nil, "x" }, { nil, nil, "x" } } do
      agree("gsub", text, table.unpack(arguments, 1, 3))
    end
  end)

  it("are as deep and as many as in string.*", function()
    for _, n in ipairs { 30, 31, 32, 33, 198, 199, 200, 201, 300 } do
      local text = ("a"):rep(n)
      agree("match", text, ("a?"):rep(n))
      agree("match", text, ("(a)"):rep(n))
      agree("match", text, ("()"):rep(n))
      agree("match", text, ("("):rep(n))
      agree("find", text, ("a-"):rep(n) .. "$")
      agree("match", text, ("a*"):rep(n))
    end
  end)

  it("name the place where they are wrong", function()
    local slice = slice_of("abc(")
    for pattern, message in pairs {
      ["a%"] = "malformed pattern (ends with '%') at position 2",
      ["ab[^"] = "malformed pattern (missing ']') at position 3",
      ["abc%f"] = "missing '[' after '%f' in pattern at position 4",
      ["%bx"] = "malformed pattern (missing arguments to '%b') at position 1",
      ["abc)"] = "invalid pattern capture at position 4",
      ["a(b"] = "unfinished capture at position 2",
      ["(a)%2"] = "invalid capture index %2 at position 4",
      ["a" .. ("()"):rep(33)] = "too many captures at position 66",
      [("a?"):rep(300)] = "pattern too complex at position 401",
    } do
      local text = ("a"):rep(300)
      local object = #pattern > 99 and slice_of(text) or slice
      for _, name in ipairs { "match", "gsub" } do
        assert.equal(message .. " of the pattern",
          support.failure(object[name], object, pattern,
            name == "gsub" and "%1" or nil))
      end
    end
    for replacement, message in pairs {
      ["x%y"] = "invalid use of '%' in replacement string at position 2",
      ["%0%"] = "invalid use of '%' in replacement string at position 3",
      ["%1 %2"] = "invalid capture index %2 at position 4",
    } do
      assert.equal(message .. " of the replacement",
        support.failure(slice.gsub, slice, "a", replacement))
    end
  end)

  it("follow the classes of every character", function()
    local bytes = {}
    for byte = 0, 255 do
      bytes[byte + 1] = string.char(byte)
    end
    local all = table.concat(bytes)
    local slice = slice_of(all)
    for _, char in ipairs(bytes) do
      for _, pattern in ipairs { "%" .. char, "[%" .. char .. "]",
        "[^%" .. char .. "]", "[" .. char .. "-z]", char .. "+" } do
        assert.same(outcome(string.gsub, all, pattern, "<%0>"),
          outcome(slice.gsub, slice, pattern, "<%0>"))
      end
    end
  end)

  -- Makes a locale in which the byte E4 is a letter.
  local function make_locale(folder)
    local charmap <close> = assert(io.open(folder .. "/charmap", "w"))
    charmap:write("<code_set_name> ISO-8859-1\n<comment_char> %\n",
      "<escape_char> /\nCHARMAP\n")
    for byte = 0, 255 do
      charmap:write(("<U%04X> /x%02x\n"):format(byte, byte))
    end
    charmap:write("END CHARMAP\n"):close()
    local source <close> = assert(io.open(folder .. "/source", "w"))
    source:write("comment_char %\nescape_char /\nLC_CTYPE\n",
      "upper <U0041>..<U005A>;<U00C4>\nlower <U0061>..<U007A>;<U00E4>\n",
      "digit <U0030>..<U0039>\nEND LC_CTYPE\n"):close()
    os.execute(("cd %s && localedef -c -i source -f charmap ./test >log 2>&1")
      :format(folder))
  end

  it("follow the locale, compiled before or not", function()
    local folder = support.absent()
    os.execute("mkdir " .. folder)
    make_locale(folder)
    local output = support.child([[
      local region = require("mapped").anonymous(1)
      region:fill(0xE4)
      local function all()
        local text = region:tostring()
        for _, pattern in ipairs {"%a", "[%a]", "%w+", "[^%u]"} do
          assert(region:find(pattern) == text:find(pattern), pattern)
          assert(region:gmatch(pattern)() == text:gmatch(pattern)(), pattern)
        end
        return text:find("%a")
      end
      print(all(), os.setlocale("test", "ctype"), all(),
        os.setlocale("C", "ctype"), all())]], "export LOCPATH=" .. folder)
    os.execute("rm -r " .. folder)
    if output:find("nil\tnil", 1, true) then
      pending("this system makes no locales")
      return
    end
    assert.equal("nil\ttest\t1\tC\tnil\n", output)
  end)

  it("that are long are compiled too", function()
    local text = ("abc"):rep(1000)
    agree("match", text, "^" .. ("."):rep(2999) .. "(.)$")
    agree("find", text, text)
    agree("find", text, text .. "x?")
    agree("match", text, ("[a-c]"):rep(3000))
  end)

  it("are kept apart however many there are", function()
    for round = 1, 3 do
      for i = 1, 1000 do
        local slice = slice_of("item " .. i .. ";")
        assert.equal(tostring(i), slice:match("item (" .. i .. ");"))
        assert.equal(5 + #tostring(i), (slice:find("%d;", round)))
      end
    end
  end)

  it("find a view as it is", function()
    local slice = slice_of("a.b%a.b%")
    assert.same({ 2, 4 }, { slice:find(slice:sub(2, 4)) })
    assert.same({ 6, 8 }, { slice:find(slice:sub(2, 4), 3) })
    assert.is_nil(slice:find(slice_of("."):sub(1), 7))
  end)

  it("span more than one block of memory", function()
    local size = 3 << 20
    local region <close> = mapped.anonymous(size)
    region:write((1 << 20) - 4, "key = value;")
    region:write(size - 2, "end")
    assert.same({ "key", "value" }, { region:match("(%a+) = (%a+)") })
    assert.same({ (1 << 20) - 4, size }, { region:find("%a.*d") })
    assert.same({ size - 2, size }, { region:find("[^%z]nd$") })
    assert.equal(3, select(2, region:gsub("%a%a+", "")))
  end)

  it("raise once the region is closed", function()
    local region = mapped.anonymous(100)
    local slice = region:sub(2)
    local following = slice:gmatch(".")
    following()
    region:close()
    for _, object in ipairs { region, slice } do
      for _, name in ipairs { "find", "match", "gmatch" } do
        assert.equal("attempt to use a closed region",
          support.failure(object[name], object, "x"))
      end
      assert.equal("attempt to use a closed region",
        support.failure(object.gsub, object, "x", "y"))
    end
    assert.equal("attempt to use a closed region", support.failure(following))
  end)

  it("survive a function that closes or shrinks the region", function()
    for _, action in ipairs { "close", "resize" } do
      local region = mapped.anonymous(10000)
      region:fill(97)
      local calls = 0
      local message = support.failure(region.gsub, region, "a", function()
        calls = calls + 1
        if action == "close" then region:close() else region:resize(1) end
      end)
      assert.equal(1, calls)
      assert.truthy(message:find(action == "close" and "closed region"
        or "out of range", 1, true), message)
    end
  end)

  it("keep the region of a gmatch alive", function()
    local following = (function()
      return mapped.anonymous(3):gmatch("%z")
    end)()
    collectgarbage()
    collectgarbage()
    assert.equal("\0", following())
    assert.equal("\0", following())
    assert.equal("\0", following())
    assert.is_nil(following())
    assert.is_nil(following())
  end)
end)

describe("patterns on a file that was cut off", function()
  local page = 4096
  local region, path

  before_each(function()
    path = support.file(("."):rep(page) .. "key = value" .. ("."):rep(3 * page))
    region = assert(mapped.open(path))
    os.execute(("truncate -s %d %s"):format(2 * page, path))
  end)

  after_each(function()
    region:close()
    support.clean()
  end)

  it("match in front of the lost pages", function()
    assert.same({ "key", "value" }, { region:match("(%a+) = (%a+)") })
    assert.equal(page + 1, (region:find("key", 1, true)))
    assert.equal(page + 1, (region:find("%f[%a]%a+")))
    assert.equal("key", region:gmatch("%a+")())
    assert.same({ 1, #region }, { region:find(".*") })
  end)

  it("raise where they depend on a lost page", function()
    for _, pattern in ipairs { "nowhere", "no%a+", "%z", "%.+$", "%d", "%f[%d]",
      "k.-=.-=", "%bkz", "[%.%a =]*x", "(%.)%a%1%d" } do
      assert.truthy(support.failure(region.match, region, pattern)
        :find("page lost", 1, true), pattern)
    end
    assert.truthy(support.failure(region.gsub, region, "%a", "")
      :find("page lost", 1, true))
    assert.truthy(support.failure(region.find, region, "nowhere", 1, true)
      :find("page lost", 1, true))
  end)
end)
