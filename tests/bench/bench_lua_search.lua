-- Measures searching from Lua beside string.* on the same bytes as a string, in
-- turns, and prints a line of JSON for each row: the nanoseconds of a whole
-- search, or the private memory of a process that does it.
local mapped = require "mapped"

local MIB = 1 << 20
local SIZE = 64 * MIB
local ROUNDS = 7

local WORDS = {}
for word in ([[the of and to in is that for it was on are as with his they at
  be this from have or by one had not but what all were when we there can INFO
  DEBUG WARNING connection request server file memory]]):gmatch("%a+") do
  WORDS[#WORDS + 1] = word
end

-- Returns a mebibyte of words, in lines of about 80 characters.
local function text_block()
  math.randomseed(1)
  local parts, size = {}, 0
  while size < MIB do
    local word = WORDS[math.random(#WORDS)]
    parts[#parts + 1] = word
    parts[#parts + 1] = math.random(15) == 1 and "\n" or " "
    size = size + #word + 1
  end
  return table.concat(parts):sub(1, MIB - 1) .. "\n"
end

local function noise_block(seed)
  local parts = {}
  for i = 1, MIB // 16 do
    local n = seed * MIB + i
    parts[i] = string.pack("<I8I8", n * 0x9e3779b97f4a7c15 ~ n << 31, ~n * n)
  end
  return table.concat(parts)
end

-- Makes a file of 64 MiB that ends with text that occurs nowhere else in it.
local function make_file(block)
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "wb"))
  for i = 1, SIZE // MIB do
    assert(file:write(block(i)))
  end
  assert(file:seek("end", -40))
  assert(file:write("\nQuixotic Zebras, 2024-03 ZEBRAS end.\n\n\n"))
  return path
end

local function read_all(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

local function print_row(row, against, at_most, unit, samples)
  print(([[{"row": "%s", "against": "%s", "at_most": %.2f, "unit": "%s", ]]
    .. [["ours": [%s], "peer": [%s]}]]):format(row, against, at_most, unit,
    table.concat(samples[1], ", "), table.concat(samples[2], ", ")))
  io.stdout:flush()
end

local function time_of(run, object)
  collectgarbage()
  local start = os.clock()
  local result = run(object)
  return (os.clock() - start) * 1e9, result
end

-- The first turn of each isn't counted, because it brings the pages into
-- memory.
local function compare(row, against, run, ours, peer, run_peer, at_most)
  local samples = { {}, {} }
  for round = 0, ROUNDS do
    local mine, result = time_of(run, ours)
    local theirs, expected = time_of(run_peer or run, peer)
    assert(result == expected, row)
    if round > 0 then
      samples[1][round] = ("%.0f"):format(mine)
      samples[2][round] = ("%.0f"):format(theirs)
    end
  end
  print_row(row, against, at_most or 1.10, "ns", samples)
end

local function finder(method, pattern, ...)
  local arguments = table.pack(pattern, 1, ...)
  return function(s)
    return (s[method](s, table.unpack(arguments, 1, arguments.n)))
  end
end

local function counter(pattern)
  return function(s)
    local count = 0
    for _ in s:gmatch(pattern) do
      count = count + 1
    end
    return count
  end
end

-- No two separators of the text follow each other, so no part is empty.
local function split_words(region)
  local count = 0
  for _ in region:split(" ") do
    count = count + 1
  end
  return count
end

local function time_text(path)
  local region <close> = assert(mapped.open(path))
  local text = read_all(path)
  for _, row in ipairs {
    { "Lua find, plain and rare", "find", "Quixotic Zebras", true },
    { "Lua find, pattern with a rare prefix", "find", "Zebras, %d+" },
    { "Lua find, pattern of classes", "find", "%d%d%d%d%-%d+" },
    { "Lua find, pattern that nearly matches", "find", "%a+,%s" },
    { "Lua match, frequent prefix", "match", "the(%s+)Quixotic" },
    { "Lua match, captures", "match", "(%d+)%-(%d+)" },
  } do
    compare(row[1] .. ", 64 MiB text", "string." .. row[2],
      finder(table.unpack(row, 2)), region, text)
  end
  for _, row in ipairs { { "every word", "%a+" }, { "frequent", "request" },
    { "rare", "(%d+)%-(%d+)" }, { "every line", "[^\n]+" } } do
    compare("Lua gmatch, " .. row[1] .. ", 64 MiB text", "string.gmatch",
      counter(row[2]), region, text)
  end
  compare("Lua split(' '), 64 MiB text", "gmatch('[^ ]+')", split_words,
    region, text, counter("[^ ]+"), 0.90)
end

local function time_noise(path)
  local region <close> = assert(mapped.open(path))
  local text = read_all(path)
  compare("Lua find, plain and rare, 64 MiB random", "string.find",
    finder("find", "Quixotic Zebras", true), region, text)
  compare("Lua match, 64 MiB random", "string.match",
    finder("match", "Zebras, (%d+)"), region, text)
end

-- Prints the memory that only this process uses and that the system can't drop.
local SEARCH = [[
  local s = %s
  assert(s:find("Quixotic Zebras", 1, true))
  assert(s:match("(%%d+)%%-(%%d+)") == "2024")
  local count = 0
  for _ in s:gmatch("Zebras") do count = count + 1 end
  assert(count == 1)
  for line in io.lines("/proc/self/smaps_rollup") do
    local kib = line:match("^Private_Dirty:%%s+(%%d+)")
    if kib then print(kib * 1024) end
  end
]]

-- Returns the memory that the search needs, beyond that of a Lua that does
-- nothing.
local function memory_of(expression)
  local name = os.tmpname()
  do
    local script <close> = assert(io.open(name, "w"))
    assert(script:write(SEARCH:format(expression)))
  end
  local child <close> = assert(io.popen(("%s %s"):format(arg[-1], name)))
  local bytes = assert(child:read("n"), "the searching process failed")
  assert(os.remove(name))
  return bytes
end

local function measure_memory(path)
  local idle = memory_of('("Quixotic Zebras 2024-3"):rep(1)')
  local samples = { {}, {} }
  for round = 1, 3 do
    samples[1][round] = memory_of(
      ("assert(require('mapped').open(%q))"):format(path)) - idle
    samples[2][round] = memory_of(
      ("io.open(%q, 'rb'):read('a')"):format(path)) - idle
  end
  print_row("Lua find, match and gmatch on 64 MiB, memory",
    "string.* on the loaded string", 0.01, "bytes", samples)
end

local text = text_block()
local path = make_file(function() return text end)
time_text(path)
measure_memory(path)
assert(os.remove(path))
path = make_file(noise_block)
time_noise(path)
assert(os.remove(path))
