-- Guards against crashes that no other test provokes: calls.lua makes random
-- calls, in a process of its own, so that a crash is a failed test. A failure
-- prints the seed and the last calls. MAPPED_RANDOM_SEED repeats a run, and
-- MAPPED_RANDOM_SECONDS is the length of a run.
local support = require "tests.lua.support"

local SEED = os.getenv("MAPPED_RANDOM_SEED") or "1"
local SECONDS = os.getenv("MAPPED_RANDOM_SECONDS") or "2"
local LAST = 15
local PATIENCE = 60 -- seconds more, before a run counts as hanging

-- Files stay small: growing one further is an error and must send no signal.
local COMMAND = [[exec 2>&1; top=$PWD; cd %s &&
  ulimit -f 65536 && ulimit -c 0 && export ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0" &&
  exec timeout -s KILL %d %s $top/tests/lua/calls.lua %s %s %s]]

-- Sanitizers need more addresses than this limit leaves.
local LIMIT = support.sanitized and "" or "ulimit -v $((4 << 20)); "

local function last_calls(path)
  local calls = {}
  for line in io.lines(path) do
    local number, text = line:match("^(%d+) (.-) *$")
    if number then
      calls[#calls + 1] = { tonumber(number), text }
    end
  end
  table.sort(calls, function(a, b) return a[1] < b[1] end)
  local texts = {}
  for i = math.max(1, #calls - LAST + 1), #calls do
    texts[#texts + 1] = calls[i][1] .. " " .. calls[i][2]
  end
  return table.concat(texts, "\n")
end

describe("random calls", function()
  after_each(support.clean)

  it("end in errors, never in a crash", function()
    local folder, log = support.absent(), support.file()
    assert(os.execute("mkdir " .. folder))
    local lua = os.getenv("MAPPED_LUA") or "lua5.4"
    local child = assert(io.popen(LIMIT .. COMMAND:format(folder,
      math.ceil(SECONDS) + PATIENCE, lua, SEED, SECONDS, log)))
    local output = child:read("a")
    local _, kind, number = child:close()
    os.execute("rm -r " .. folder)
    assert(kind == "exit" and number == 0,
      ("MAPPED_RANDOM_SEED=%s ended with %s %d:\n%s\nthe last calls:\n%s")
      :format(SEED, kind, number, output:sub(1, 6000), last_calls(log)))
    -- Lua's own handles allocate as many bytes as they are told to read.
    output = output:gsub("==%d+==WARNING: AddressSanitizer failed to "
      .. "allocate 0x%x+ bytes\n", "")
    assert.matches("^%d%d%d+ calls, 0 descriptors left\n$", output)
  end)
end)
