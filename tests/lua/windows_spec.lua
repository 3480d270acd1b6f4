-- Guards against mistakes at the edges of windows over a file: bytes that are
-- skipped or shown twice, matches and lines that are cut. Guards also against
-- positions beyond 32 bits, files that change during a walk, and windows that
-- stay mapped after the walk has gone on.
local mapped = require "mapped"
local support = require "tests.lua.support"

local GIB <const> = 1 << 30
local TEXT <const> = "one\ntwo\n\nthree, and more\r\nfour"

local function all(windows, count)
  local parts = {}
  for window in windows do
    parts[#parts + 1] = window:tostring()
    assert(not count or #parts <= count)
  end
  return table.concat(parts), #parts
end

local function open(...)
  return (mapped.windows(...))
end

describe("windows", function()
  after_each(support.clean)

  it("refuse bad arguments", function()
    local path = support.file(TEXT)
    local failure = support.failure
    assert.matches("size is 0", failure(mapped.windows, path, 0))
    assert.matches("#2.*negative", failure(mapped.windows, path, -1))
    assert.matches("overlap is not less", failure(mapped.windows, path, 4, 4))
    assert.matches("#3.*negative", failure(mapped.windows, path, 4, -1))
    assert.matches("#2", failure(mapped.windows, path))
    assert.matches("#2", failure(mapped.windows, path, "x"))
    assert.matches("#2", failure(mapped.windows, path, 1.5))
    assert.matches("#3", failure(mapped.windows, path, 4, {}))
    assert.matches("#1", failure(mapped.windows, nil, 4))
    assert.matches("#1.*zero byte", failure(mapped.windows, "a\0b", 4))
    assert.matches("argument", failure(mapped.windows, path, 4, 0, 0))
    local handle = assert(io.open(path))
    handle:close()
    assert.matches("closed file", failure(mapped.windows, handle, 4))
  end)

  it("raise what the system refuses", function()
    local absent = support.absent()
    local message = support.failure(mapped.windows, absent, 4)
    assert.truthy(message:find(absent, 1, true))
    assert.matches("No such file", message)
    support.failure(mapped.windows, "/tmp", 4)
    support.failure(mapped.windows, "/proc/self/maps", 4)
    support.failure(mapped.windows, "/dev/zero", 4)
  end)

  it("refuse to go on when closed", function()
    local windows = open(support.file(TEXT), 4)
    local lines = windows:lines()
    lines()
    local window = windows()
    assert.is_false(windows:closed())
    windows:close()
    windows:close()
    assert.is_true(windows:closed())
    for _, call in ipairs {
      windows, lines,
      function() return windows:find("a") end,
      function() return windows:count("a") end,
      function() return windows:lines() end,
      function() return windows:seek(1) end,
      function() return windows:size() end,
    } do
      assert.matches("closed", support.failure(call))
    end
    assert.equal("one\n", window:tostring())
    assert.matches("closed", tostring(windows))
  end)

  it("are no other object", function()
    local windows = open(support.file(TEXT), 4)
    local region = mapped.anonymous(1)
    assert.matches("Windows expected", support.failure(windows.find, region, "a"))
    assert.matches("Windows expected",
      support.failure(windows.close, io.stdout))
    assert.matches("expected", support.failure(region.sub, windows, 1))
    assert.is_nil(windows[1])
    assert.matches("4 bytes", tostring(windows))
  end)

  it("don't exist for an empty file", function()
    local windows = open(support.file(""), 4)
    assert.is_nil(windows())
    assert.is_nil(windows:lines()())
    assert.is_nil(windows:find("a"))
    assert.same({ 1, 0 }, { windows:find("") })
    assert.equal(1, windows:count(""))
    assert.equal(0, windows:size())
  end)

  it("show every byte", function()
    local content = support.random_text(9000, "abc\n")
    local path = support.file(content)
    for _, size in ipairs { 500, 4095, 4096, 5000, 9000, 1 << 30 } do
      assert.equal(content, (all(mapped.windows(path, size))))
      local expected = 0
      for window in mapped.windows(path, size, 99) do
        local offset = window:region():file_offset()
        assert.equal(expected, offset)
        assert.equal(content:sub(offset + 1, offset + size), window:tostring())
        assert.is_true(window:readonly())
        expected = offset + #window - 99
      end
      assert.equal(#content - 99, expected)
    end
  end)

  it("take handles", function()
    local handle <close> = assert(io.open(support.absent(), "w+b"))
    handle:write(TEXT)
    assert.equal(TEXT, (all(mapped.windows(handle, 5))))
  end)

  it("close the previous one, and the file at the end of the loop", function()
    if support.hostile then
      pending("finalizers hold descriptors")
    end
    collectgarbage() -- other tests left regions to it
    local before = support.descriptors()
    local first, last
    local windows = open(support.file(TEXT), 10)
    for window in windows, nil, nil, windows do
      first = first or window
      last = window
      assert.equal(window ~= first, first:closed())
      assert.is_true(support.descriptors() <= before + 2)
      if window:region():file_offset() == 10 then
        break
      end
    end
    assert.is_true(windows:closed())
    assert.equal(TEXT:sub(11, 20), last:tostring())
    last:region():close()
    assert.equal(before, support.descriptors())
  end)

  it("go on where they are told to", function()
    local windows = open(support.file(TEXT), 10, 2)
    windows:seek(-4)
    assert.equal("four", windows():tostring())
    assert.is_nil(windows())
    windows:seek(5)
    assert.equal(TEXT:sub(5, 14), windows():tostring())
    assert.equal(TEXT:sub(13, 22), windows():tostring())
    windows:seek(math.maxinteger)
    assert.is_nil(windows())
    assert.matches("#2", support.failure(windows.seek, windows, 0))
  end)

  it("follow a file that grows, and end where it shrinks", function()
    local path = support.file(TEXT)
    local windows = open(path, 100)
    assert.equal(TEXT, windows():tostring())
    assert.is_nil(windows())
    local file <close> = assert(io.open(path, "ab"))
    assert(file:write("more") and file:flush())
    assert.equal("more", windows():tostring())
    windows:seek(1)
    support.write(path, "")
    assert.is_nil(windows())
  end)

  it("raise where a page is lost", function()
    local path = support.file(("a"):rep(40000))
    local windows = open(path, 40000)
    local window = windows()
    local lines = windows:lines()
    support.write(path, "\n")
    assert.matches("page lost", support.failure(window.get, window, "B", 30000))
    assert.is_nil(windows())
    assert.equal("", lines():tostring())
    assert.is_nil(lines())
  end)

  it("find across edges", function()
    local path = support.file(TEXT)
    for size = 1, 9 do
      local windows = open(path, size)
      for _, needle in ipairs { "one", "two\n\nthree", "four", TEXT, "x", "e, and" } do
        for init = -33, 33 do
          assert.same({ TEXT:find(needle, init, true) },
            { windows:find(needle, init) })
        end
      end
      local _, newlines = TEXT:gsub("\n", "")
      assert.equal(newlines, windows:count("\n"))
      assert.equal(#TEXT + 1, windows:count(""))
      assert.equal(5, windows:find(support.slice_of("two")))
      assert.is_nil(windows:find(12))
    end
    assert.matches("#2", support.failure(open(path, 1).find, open(path, 1), {}))
  end)

  it("cut no line", function()
    local path = support.file(TEXT)
    for _, size in ipairs { 1, 2, 5, 16, 1000 } do
      for _, keep in ipairs { false, true } do
        local lines, expected = {}, {}
        local windows = open(path, size)
        for line in windows:lines(keep) do
          lines[#lines + 1] = line:tostring()
          local at = line:region():file_offset() + line:offset()
          assert.equal(TEXT:sub(at + 1, at + #line), lines[#lines])
        end
        for line in io.lines(path) do
          expected[#expected + 1] = line .. (keep and "\n" or "")
        end
        expected[#expected] = expected[#expected]:gsub("\n", "")
        assert.same(expected, lines)
      end
    end
  end)

  it("survive finalizers that use them", function()
    local windows = open(support.file(TEXT:rep(100)), 64)
    local lines = windows:lines()
    for i = 1, 60 do
      setmetatable({}, { __gc = function()
        windows:find("four")
        if i > 50 then
          windows:close()
        end
        pcall(windows)
        pcall(lines)
      end })
      pcall(windows)
      pcall(lines)
      collectgarbage("step")
    end
    collectgarbage()
  end)

  -- The end of a window whose pointer has met a lost page is a warning, in the
  -- middle of the step to the next one.
  it("go on after a window that lost a page under a pointer", function()
    local content = "first\n" .. ("x"):rep(16378) .. "\n"
      .. ("y"):rep(100000) .. "\n" .. ("z"):rep(100000) .. "\n"
    for _, way in ipairs { "windows", "lines" } do
      local path = support.file(content)
      local windows = open(path, 16384)
      local step = way == "lines" and windows:lines() or windows
      local first = step():region():sub(1)
      first:topointer()
      local file <close> = assert(mapped.open(path, "r+"))
      file:resize(4096)
      assert.is_false((pcall(function() return first[16000] end)))
      file:resize(#content)
      file:write(4097, content:sub(4097))
      first:region():recover()
      for _ = 1, 3 do
        local shown = step()
        assert.matches("^mapped.Slice", tostring(shown))
        assert.is_false(shown:closed())
        collectgarbage()
        assert.equal(shown:tostring(), shown:sub(1):tostring())
      end
    end
  end)

  it("have one window open, also after a finalizer that took one", function()
    if support.hostile then
      pending("finalizers of a hostile build have regions of their own")
      return
    end
    local windows = open(support.file(TEXT:rep(1000)), 8)
    local before = mapped.stats().regions
    -- Collects all young garbage at the first allocation after a restart.
    collectgarbage("generational")
    for _ = 1, 100 do
      collectgarbage("stop")
      setmetatable({}, { __gc = function() windows() end })
      collectgarbage("restart")
      windows()
      assert.is_true(mapped.stats().regions <= before + 1)
    end
    collectgarbage("incremental")
  end)

  it("walk over 6 GiB", function()
    local path = support.file()
    local file <close> = assert(io.open(path, "wb"))
    for _, place in ipairs { 2 * GIB - 3, 4 * GIB - 3, 6 * GIB - 6 } do
      file:seek("set", place)
      file:write("needle")
    end
    file:close()
    local expected = 0
    for window in mapped.windows(path, GIB // 4) do
      assert.equal(expected, window:region():file_offset())
      assert.equal(GIB // 4, #window)
      expected = expected + GIB // 4
    end
    assert.equal(6 * GIB, expected)
    local windows <close> = mapped.windows(path, GIB // 4)
    assert.equal(6 * GIB, windows:size())
    assert.same({ 4 * GIB - 2, 4 * GIB + 3 },
      { windows:find("needle", 4 * GIB - 10) })
    assert.same({ 6 * GIB - 5, 6 * GIB }, { windows:find("needle", -100) })
    windows:seek(5 * GIB + 1)
    local window = windows()
    assert.equal(5 * GIB, window:region():file_offset())
    if #string.pack("T", 0) == 4 then
      assert.matches("too large", support.failure(mapped.open, path))
    end
  end)
end)
