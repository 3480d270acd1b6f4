-- Measures the Lua rows of the bench table, ours and the peer in turns, and
-- prints a line of JSON for each row.
local mapped = require "mapped"

local MIB = 1 << 20

local function print_row(row, rounds, ours, peer)
  local texts = { {}, {} }
  for i = 1, rounds do
    texts[1][i], texts[2][i] = ("%.2f"):format(ours()), ("%.2f"):format(peer())
  end
  print(([[{"row": "%s", "against": "%s", "at_most": %.2f, "unit": "%s", ]]
    .. [["ours": [%s], "peer": [%s]}]]):format(row[1], row[2], row[3], row[4],
    table.concat(texts[1], ", "), table.concat(texts[2], ", ")))
end

-- Makes a file of `size` bytes: random ones, or a hole with one byte at its
-- end.
local function make_file(size, sparse)
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "wb"))
  local noise = {}
  if sparse then
    assert(file:seek("set", size - 1))
    noise[1] = "\0"
    size = 1
  end
  for i = 1, size // 16 do
    noise[i] = string.pack("<I8I8", i * 0x9e3779b97f4a7c15, -i)
  end
  assert(file:write(table.concat(noise)))
  return path
end

local function read_all(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

-- Returns a function that measures the nanoseconds that `statement` takes. The
-- statement is repeated eight times in a loop over `i`, for both sides, so that
-- the loop itself hardly counts. `@` stands for the position, which is another
-- one each time.
local function timer(statement, object, first, last, step)
  local lines = { "local s, first, last = ... local x",
    "return function() for i = first, last, " .. 8 * step .. " do" }
  for k = 0, 7 do
    lines[#lines + 1] = statement:gsub("@", "(i + " .. k * step .. ")")
  end
  lines[#lines + 1] = "end end"
  local code = table.concat(lines, "\n")
  local run = assert(load(code, "=bench"))(object, first, last)
  local count = (last - first + 1) // step
  return function()
    collectgarbage()
    local start = os.clock()
    run()
    return (os.clock() - start) * 1e9 / count
  end
end

local function time_item()
  local path = make_file(MIB)
  local region <close> = assert(mapped.open(path))
  local text = read_all(path)
  print_row({ "Lua array[i]", "s:byte(i)", 0.90, "ns" }, 25,
    timer("x = s[i]", region:cast("B"), 1, MIB, 1),
    timer("x = s:byte(i)", text, 1, MIB, 1))
  assert(os.remove(path))
end

-- Measures what the fault guard costs an access that meets no fault.
local function time_guard()
  local path = make_file(MIB)
  local region <close> = assert(mapped.open(path))
  local run = timer("x = s[i]", region:cast("B"), 1, MIB, 1)
  local function guarded(on)
    return function()
      mapped.guard(on)
      return run()
    end
  end
  print_row({ "Lua array[i], fault guard on", "the same, guard off", 1.03,
    "ns" }, 51, guarded(true), guarded(false))
  mapped.guard(true)
  assert(os.remove(path))
end

-- Walks through 64 MiB in steps of a page, as a reader of a large file does.
local function time_sub()
  local size = 64 * MIB
  local path = make_file(size)
  local region <close> = assert(mapped.open(path))
  local text = read_all(path)
  local statement = "x = s:sub(@, @ + 4095)"
  print_row({ "Lua s:sub(i, i+4095)", "string.sub", 0.30, "ns" }, 25,
    timer(statement, region:sub(1, -1), 1, size, 4096),
    timer(statement, text, 1, size, 4096))
  assert(os.remove(path))
end

-- Prints the memory that only this process uses and that the system can't drop;
-- the kernel calls it Private_Dirty. Clean pages of a mapped file don't count.
local SCAN = [[
  local s = %s
  local sum = 0
  for i = 1, #s, 4096 do sum = sum + s:byte(i) end
  for line in io.lines("/proc/self/smaps_rollup") do
    local kib = line:match("^Private_Dirty:%%s+(%%d+)")
    if kib then print(kib * 1024) end
  end
]]

local function scanner(path, expression)
  local name = os.tmpname()
  local script <close> = assert(io.open(name, "w"))
  assert(script:write(SCAN:format(expression:format(path))))
  assert(script:flush())
  return function()
    local child <close> = assert(io.popen(("%s %s"):format(arg[-1], name)))
    return assert(child:read("n"), "the scanning process failed")
  end, name
end

local function measure_memory()
  local path = make_file(1024 * MIB, true)
  local ours, script = scanner(path, "assert(require('mapped').open(%q))")
  local peer, peer_script = scanner(path, "io.open(%q, 'rb'):read('a')")
  print_row({ "Lua scan of 1 GiB, memory", "io.read('a')", 0.01, "bytes" }, 3,
    ours, peer)
  for _, name in ipairs { path, script, peer_script } do
    assert(os.remove(name))
  end
end

time_item()
time_guard()
time_sub()
measure_memory()
