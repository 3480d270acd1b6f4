-- Guards against records that are lost, doubled or torn, an end of the ring that
-- stays held when its holder has gone, and a ring that a process waits for in
-- itself.
local mapped = require "mapped"
local support = require "tests.lua.support"
local failure = support.failure

local function new(room)
  return mapped.Ring(mapped.anonymous(256 + (room or 1024)))
end

local HEADER = [[
  local mapped = require "mapped"
  local region = assert(mapped.open(arg[1], "r+"))
  local ring = mapped.Ring(region)
]]

-- Starts a program that has the ring in the file.
local function start(path, code)
  local script = support.script(HEADER .. code)
  local lua = os.getenv("MAPPED_LUA") or "lua5.4"
  return assert(io.popen(("exec %s %s %s 2>&1"):format(lua, script, path)))
end

-- A program that is sent a signal while it waits in a coroutine. The ring has
-- no room for a long record, but records to receive only if it can be sent.
local INTERRUPT = [[
  local long = ("x"):rep(ring:longest() - 40)
  local call = "%s"
  if call:find("long", 1, true) or call:find("reserve", 1, true) then
    ring:send(long)
    ring:send(long)
  end
  local ok, message = pcall(function()
    coroutine.wrap(function()
      os.execute("(sleep 0.25; kill -INT $PPID) &")
      print(%s)
    end)()
  end)
  print(ok, (message:gsub("^.*: ", "")))
]]

local function finish(program)
  local output = program:read("a")
  return output, program:close()
end

local function shared(room)
  local path = support.file(("\0"):rep(256 + (room or 1024)))
  local region = assert(mapped.open(path, "r+"))
  return mapped.Ring(region), path, region
end

describe("a ring", function()
  after_each(support.clean)

  it("is made of zeros, and of nothing else", function()
    assert.matches("bad argument #1", failure(mapped.Ring, "x"))
    assert.matches("bad argument #1", failure(mapped.Ring))
    assert.matches("bad argument #1", failure(mapped.Ring,
      mapped.anonymous(1024):cast("B")))
    assert.matches("out of range", failure(mapped.Ring, mapped.anonymous(319)))
    assert.matches("misaligned", failure(mapped.Ring,
      mapped.anonymous(1024):sub(5)))
    assert.matches("neither zero nor a ring", failure(mapped.Ring,
      support.region_of("x", 1023)))
    local region = mapped.anonymous(1024)
    region[1024] = 1
    assert.matches("neither zero nor a ring", failure(mapped.Ring, region))
    assert.equal(0, region[1])
    local reader = assert(mapped.open(support.file(("\0"):rep(1024))))
    assert.matches("read%-only", failure(mapped.Ring, reader))
    reader:close()
    assert.matches("closed", failure(mapped.Ring, reader))
    assert.matches("mapped.Ring expected", failure(new().send, region, "x"))
  end)

  it("of another kind or size is refused", function()
    local region = mapped.anonymous(1280)
    mapped.Ring(region:slice(1, 1024)):send("x")
    assert.equal("x", mapped.Ring(region:slice(1, 1024)):recv())
    assert.has_error(function() mapped.Ring(region) end)
    region:set("I4", 9, 2)
    assert.matches("not supported", failure(mapped.Ring, region:slice(1, 1024)))
  end)

  it("tells about itself", function()
    local region = mapped.anonymous(256 + 1027)
    local ring = mapped.Ring(region:sub(1))
    assert.equal(1024, ring:capacity())
    assert.equal(504, ring:longest())
    assert.equal(0, ring:used())
    ring:send("four")
    assert.equal(16, ring:used())
    assert.equal(0, ring:senders_died())
    assert.equal(0, ring:receivers_died())
    assert.equal(region, ring:region())
    assert.equal("mapped.Ring (1024 bytes)", tostring(ring))
    assert.is_true(region:close())
    assert.equal("mapped.Ring (closed)", tostring(ring))
    assert.matches("closed", failure(ring.used, ring))
  end)

  it("refuses arguments before it does anything", function()
    local ring = new()
    for _, method in ipairs { "send", "try_send" } do
      assert.matches("bad argument #2 .*string, mapped.Region, Slice or Array",
                     failure(ring[method], ring, 5))
      assert.matches("bad argument #2 .*505 bytes are more than the longest record's 504",
                     failure(ring[method], ring, ("x"):rep(505)))
    end
    for _, wrong in ipairs { -1, 0 / 0, "x" } do
      assert.matches("bad argument #3", failure(ring.send, ring, "x", wrong))
      assert.matches("bad argument #3", failure(ring.send_many, ring, {}, wrong))
      assert.matches("bad argument #3", failure(ring.recv_many, ring, 1, wrong))
      assert.matches("bad argument #3", failure(ring.reserve, ring, 1, wrong))
      assert.matches("bad argument #2", failure(ring.recv, ring, wrong))
      assert.matches("bad argument #2", failure(ring.peek, ring, wrong))
      assert.matches("bad argument #2", failure(ring.iter, ring, wrong))
    end
    for _, wrong in ipairs { -1, 505, 1.5, "x" } do
      assert.matches("bad argument #2", failure(ring.reserve, ring, wrong))
    end
    for _, wrong in ipairs { -1, 0, 1.5, "x" } do
      assert.matches("bad argument #2", failure(ring.recv_many, ring, wrong))
    end
    assert.matches("bad argument #2 .*table expected",
                   failure(ring.send_many, ring, "x"))
    assert.matches("bad argument #2 .*record 2: string.*expected, got number",
                   failure(ring.send_many, ring, { "a", 2 }))
    assert.matches("bad argument #2 .*record 2: 505 bytes",
                   failure(ring.send_many, ring, { "a", ("x"):rep(505) }))
    assert.equal(0, ring:used())
    assert.is_true(ring:send(("x"):rep(504), 0))
  end)

  -- The border that # finds may be 2^60; the memory for as many records has a
  -- size of 0, modulo 2^64.
  it("takes no list whose holes make it longer than memory", function()
    local source = { 'return { "1", "2", "3", "4", [5] = "5"' }
    for i = 3, 60 do
      source[#source + 1] = (", [0x1p%d] = 'x'"):format(i)
    end
    source[#source + 1] = " }"
    local list = assert((rawget(_G, "loadstring") or load)(table.concat(source)))()
    local ring = new()
    if #list == 5 then -- of its borders this Lua finds the one before the holes
      return assert.equal(5, ring:send_many(list))
    end
    assert.matches(#list == 2 ^ 60 and "bad argument #2 .*too many records"
                     or "bad argument #2 .*record %d+: string.*expected, got nil",
                   failure(ring.send_many, ring, list))
    assert.equal(0, ring:used())
  end)

  it("gives records back as they were, in order", function()
    local ring = new()
    local region = support.region_of("region")
    for _, data in ipairs { "", "a\0b", ("x"):rep(504), region, region:sub(2, 4),
      region:cast("B"), region:records("a:u8 b:u8"):column("a") } do
      assert.is_true(ring:send(data))
      assert.is_true(ring:try_send("next"))
      local expected = type(data) == "string" and data or nil
      local record = ring:recv()
      if expected then
        assert.equal(expected, record)
      else
        local copy = mapped.anonymous(#record)
        copy:copy_from(data)
        assert.equal(copy:tostring(), record)
      end
      assert.equal("next", ring:try_recv())
    end
    assert.equal(0, ring:used())
  end)

  it("goes round", function()
    local ring = new(128)
    local sent, received = 0, 0
    for i = 1, support.rounds(2000) do
      while ring:try_send(("%d"):format(sent):rep(i % 7 + 1)) do
        sent = sent + 1
      end
      for _ = 1, i % 5 + 1 do
        local record = ring:try_recv()
        if not record then break end
        local number = ("%d"):format(received)
        assert.equal(number:rep(#record // #number), record)
        received = received + 1
      end
    end
    assert.is_true(received > 1000 or support.rounds(2000) < 2000)
  end)

  it("answers timeout when it is empty or full", function()
    local ring = new(64)
    for _, timeout in ipairs { 0, 0.001 } do
      assert.same({ nil, "timeout" }, { ring:recv(timeout) })
      assert.same({ nil, "timeout" }, { ring:recv_many(5, timeout) })
      assert.same({ nil, "timeout" }, { ring:peek(timeout) })
    end
    assert.same({ n = 1 }, table.pack(ring:try_recv()))
    while ring:try_send("12345678") do end
    assert.equal(64, ring:used())
    assert.same({ nil, "timeout" }, { ring:send("", 0.001) })
    assert.same({ nil, "timeout" }, { ring:reserve(0, 0.001) })
    assert.same({ 0, "timeout" }, { ring:send_many({ "", "" }, 0) })
    assert.is_false(ring:try_send(""))
    assert.equal("12345678", ring:recv())
  end)

  it("takes longer records than the room for most", function()
    local ring = new(1 << 20)
    local long = ("0123456789"):rep(30000)
    ring:send(long)
    ring:send("short")
    assert.equal(long, ring:recv())
    ring:send(long)
    assert.same({ "short", long }, ring:recv_many())
  end)
end)

describe("a ring's records in one step", function()
  after_each(support.clean)

  -- Returns where the ring's tail and head are.
  local function ends(ring)
    local region = ring:region()
    return region:get("j", 65), region:get("j", 129)
  end

  it("are all that fit", function()
    local ring = new(1 << 16)
    local list = {}
    for i = 1, 500 do list[i] = ("record %d"):format(i) end
    assert.same({ n = 1, 500 }, table.pack(ring:send_many(list)))
    assert.same({ list[1], list[2] }, ring:recv_many(2))
    local rest = ring:recv_many()
    assert.equal(498, #rest)
    assert.equal(table.concat(list, "", 3), table.concat(rest))
    assert.equal(0, ring:used())
    assert.equal(0, ring:send_many {})
    local memory = support.region_of("abc")
    assert.equal(3, ring:send_many { "x", memory,
      memory:records("a:u8 b:u8[2]"):column("a") })
    assert.same({ "x", "abc", "a" }, ring:recv_many(3))
  end)

  it("are counted when the time is over", function()
    local ring = new(64)
    local list = { "12345678", "1", "12345678", "2", "" }
    assert.same({ 4, "timeout" }, { ring:send_many(list, 0.001) })
    assert.equal(64, ring:used())
    assert.same({ "12345678", "1", "12345678", "2" }, ring:recv_many(9))
    assert.same({ 3, nil }, { ring:send_many { "3", "4", "5" } })
    assert.same({ "3", "4", "5" }, ring:recv_many(3, 0))
  end)

  it("are sent or received together", function()
    local ring = new()
    local a, b = ring:reserve(3), ring:reserve(100)
    a:write(1, "one")
    b:write(1, "two")
    assert.same({ 0, 0 }, { ends(ring) })
    assert.is_nil(ring:try_recv())
    ring:commit(3)
    assert.equal(32, ring:used())
    local c, d = ring:peek(), ring:peek(0)
    assert.equal("one", c:tostring())
    assert.equal("two", d:tostring())
    assert.same({ nil, "timeout" }, { ring:peek() })
    assert.equal(32, ring:used())
    ring:release()
    assert.same({ 32, 32 }, { ends(ring) })
  end)
end)

describe("a ring's end", function()
  after_each(support.clean)

  it("is held until it is let go of", function()
    local ring = new()
    local other = mapped.Ring(ring:region())
    assert.matches("no record is reserved", failure(ring.commit, ring))
    assert.matches("no record is peeked at", failure(ring.release, ring))
    ring:cancel()
    ring:reserve(5):write(1, "drop!")
    assert.is_false(other:try_send("x"))
    for _, call in ipairs { function() ring:send("x", 0) end,
      function() ring:try_send("x") end,
      function() ring:send_many({ "x" }, 0) end } do
      assert.matches("reserved and not committed", failure(call))
    end
    assert.has_error(function() ring:commit(6) end)
    ring:cancel()
    assert.is_nil(other:try_recv())
    assert.is_true(other:try_send("stays"))
    assert.equal("stays", ring:peek():tostring())
    assert.is_nil(other:try_recv())
    for _, call in ipairs { function() ring:recv(0) end, ring:iter(0),
      function() ring:try_recv() end, function() ring:recv_many(1, 0) end } do
      assert.matches("peeked at and not released", failure(call))
    end
    assert.is_true(ring:try_send("the other end is free"))
    ring:cancel()
    assert.equal("stays", other:recv())
    assert.equal(0, ring:senders_died())
  end)

  it("is let go of at the end of a block", function()
    local ring = new()
    local other = mapped.Ring(ring:region())
    ring:send("x")
    do
      local held <close> = ring
      held:reserve(1)
      held:peek()
    end
    assert.is_true(other:try_send("y"))
    assert.same({ "x", "y" }, other:recv_many())
    assert.is_true(ring:try_send("it goes on"))
  end)

  it("is let go of by the collector", function()
    local ring = new()
    mapped.Ring(ring:region()):reserve(10)
    collectgarbage()
    collectgarbage()
    assert.is_true(ring:try_send("x"))
    mapped.Ring(ring:region()):peek()
    collectgarbage()
    collectgarbage()
    assert.equal("x", ring:try_recv())
    assert.is_true(ring:region():close())
  end)

  it("keeps the region from being closed, but not at the end of a block", function()
    local ring = new()
    local record = ring:reserve(4)
    local none, message, code = ring:region():close()
    assert.is_nil(none)
    assert.matches("export", message)
    assert.equal(mapped.status.BUSY, code)
    record:write(1, "data")
    ring:commit()
    assert.equal("data", ring:recv())
    ring:send("x")
    do
      local region <close> = ring:region()
      ring:reserve(4)
      ring:peek()
      assert.equal(1280, #region)
    end
    assert.matches("closed", failure(record.tostring, record))
    assert.matches("closed", failure(ring.used, ring))
    ring:cancel()
    for _, call in ipairs { function() ring:send("x") end,
      function() ring:recv() end, function() ring:send_many { "x" } end,
      function() ring:recv_many() end, function() ring:reserve(1) end,
      function() ring:peek() end,
      ring:iter() } do
      assert.matches("closed", failure(call))
    end
  end)

  it("is nobody's when a state has ended with it", function()
    local ring, path = shared()
    ring:send("one")
    local program = start(path, [[
      ring:reserve(3)
      ring:peek()
      setmetatable({}, { __gc = function()
        local late = mapped.Ring(region)
        ring:cancel()
        late:reserve(1)
        late:peek()
        print "late"
      end })
      keep = ring
    ]])
    assert.equal("late\n", (finish(program)))
    assert.is_true(ring:try_send("two"))
    assert.same({ "one", "two" }, ring:recv_many())
    assert.equal(0, ring:senders_died())
    assert.equal(0, ring:receivers_died())
    ring:region():close()
  end)

  it("isn't held by what was finalized", function()
    local ring = new()
    local region = ring:region()
    local ended = mapped.Ring(region)
    debug.getmetatable(ended).__gc(ended)
    assert.matches("closed", failure(ended.reserve, ended, 1))
    assert.matches("closed", failure(ended.peek, ended, 0))
    assert.is_true(ended:send("x"))
    assert.equal("x", ring:try_recv())
    ring:reserve(9)
    debug.getmetatable(region).__gc(region)
    ring:cancel()
    assert.matches("closed", failure(ring.send, ring, "x"))
  end)

  it("is let go of while a finalizer uses the ring in every call", function()
    local ring = new(1 << 16)
    local other = mapped.Ring(ring:region())
    local memory, list = mapped.anonymous(8000):records("a:u8 b:u8"), {}
    local left = 1
    local function act()
      other:try_send("act")
      other:try_recv()
      pcall(ring.try_send, ring, "act")
      ring:cancel()
      left = left - 1
      if left > 0 then setmetatable({}, { __gc = act }) else list[1] = nil end
    end
    local function enlist(i)
      list[1], list[2] = ("b"):rep(5000 + i), memory:column("a")
    end
    collectgarbage("generational")
    for i = 1, support.rounds(200) do
      setmetatable({}, { __gc = act })
      ring:send(("x"):rep(i * 20))
      pcall(ring.recv, ring, 0)
      enlist(i)
      left = i % 8 + 1
      setmetatable({}, { __gc = act })
      pcall(ring.send_many, ring, list)
      pcall(ring.recv_many, ring, nil, 0)
      ring:cancel()
      setmetatable({}, { __gc = act })
      pcall(function() ring:commit(ring:reserve(9) and ring:reserve(9) and 1) end)
      ring:cancel()
    end
    collectgarbage("incremental")
    ring:cancel()
    while other:try_recv() do end
    assert.equal(0, ring:used())
  end)
end)

describe("a ring between processes", function()
  after_each(support.clean)

  it("brings every record once", function()
    local ring, path = shared(512)
    local programs = {}
    for i = 1, 2 do
      programs[i] = start(path, ([[
        for i = 1, %d do
          assert(ring:send(("%d %%d"):format(i), 60))
        end
        assert(ring:send_many({ "%d last", "%d end" }, 60) == 2)
        ring:region():close()
      ]]):format(support.rounds(2000), i, i, i))
    end
    local seen, ended = { 0, 0 }, 0
    for record in ring:iter(60) do
      local sender, word = record:match("(%d) (%w+)")
      if word == "end" then
        ended = ended + 1
        if ended == 2 then break end
      elseif word ~= "last" then
        sender = tonumber(sender)
        assert.equal(seen[sender] + 1, tonumber(word))
        seen[sender] = seen[sender] + 1
      end
    end
    assert.same({ support.rounds(2000), support.rounds(2000) }, seen)
    for i = 1, 2 do assert.equal("", (finish(programs[i]))) end
    assert.equal(0, ring:used())
    ring:region():close()
  end)

  it("is answered by coroutines of another state", function()
    local ring, path = shared()
    local same = assert(mapped.open(path, "r+"))
    local back = mapped.Ring(same)
    ring:send_many { "1", "2", "3" }
    local program = start(path, [[
      local workers = {}
      for i = 1, 3 do
        workers[i] = coroutine.wrap(function()
          local record = ring:recv(60)
          coroutine.yield()
          ring:reserve(#record + 1):write(1, "<" .. record)
          coroutine.yield()
          pcall(ring.commit, ring)
        end)
      end
      for _ = 1, 3 do for i = 1, 3 do workers[i]() end end
    ]])
    assert.equal("", (finish(program)))
    assert.same({ "<1", "<2", "<3" }, back:recv_many(3, 60))
    back:region():close()
    ring:region():close()
  end)

  it("takes nothing from the others when one dies", function()
    local ring, path = shared()
    ring:send_many { "first", "second" }
    local program = start(path, [[
      ring:reserve(5):write(1, "gone!")
      ring:peek()
      ring:peek()
      print(mapped.Ring(region):try_send("x"))
      io.stdout:flush()
      os.execute("kill -9 $PPID")
    ]])
    assert.equal("false\n", (finish(program)))
    assert.is_true(ring:send("third", 60))
    assert.same({ "first", "second", "third" }, ring:recv_many(3, 60))
    assert.equal(1, ring:senders_died())
    assert.equal(1, ring:receivers_died())
    ring:region():close()
  end)

  it("wakes who waits", function()
    local ring, path = shared(64)
    local program = start(path, [[
      for record in ring:iter(60) do
        print(record)
        if record == "end" then break end
      end
    ]])
    for i = 1, 30 do assert(ring:send(("%d"):format(i), 60)) end
    assert(ring:send("end", 60))
    local output = finish(program)
    assert.matches("^1\n2\n.*\n30\nend\n$", output)
    ring:region():close()
  end)

  -- A signal between two sleeps of a wait is not noticed by it, so another try
  -- may be needed. The interpreter's handler sets a hook of the main coroutine,
  -- which raises as soon as that goes on.
  local function interrupt(call, expected)
    local output
    for _ = 1, 5 do
      local ring, path = shared()
      ring:region():close()
      output = finish(start(path, INTERRUPT:format(call, call)))
      if output:find(expected) then break end
    end
    assert.matches(expected, output)
  end

  it("ends a wait when a signal comes", function()
    for _, call in ipairs { "recv(2)", "recv_many(9, 2)", "peek(2)",
      "send(long, 2)", "reserve(100, 2)" } do
      interrupt("ring:" .. call, "^nil\tinterrupted\nfalse\tinterrupted!\n$")
    end
  end)

  it("counts what was sent when a signal comes", function()
    interrupt("ring:send_many({ '', long }, 2)",
              "^1\tinterrupted\nfalse\tinterrupted!\n$")
  end)

  it("raises in a loop when a signal comes", function()
    interrupt("pcall(ring:iter(2))", "^false\t.*interrupted")
  end)
end)

describe("a ring's memory", function()
  after_each(support.clean)

  it("may be damaged", function()
    for _, damage in ipairs { { 65, 8 * 1000 }, { 65, 3 }, { 129, -8 },
      { 257, -1 }, { 257, 100 } } do
      local ring = new()
      ring:send("x")
      ring:region():set("j", damage[1], damage[2])
      for _, call in ipairs { function() return ring:recv(1) end,
        function() return ring:recv_many(5, 1) end,
        function() return ring:peek(1) end,
        function() return ring:try_recv() end } do
        local ok, message = pcall(call)
        assert.is_false(ok)
        assert.matches("corrupt", message)
      end
      ring:cancel()
    end
    local ring = new()
    ring:send_many { "a", "b" }
    ring:region():set("I4", 257 + 16, 999)
    assert.same({ "a" }, ring:recv_many())
    assert.matches("corrupt", failure(ring.recv_many, ring))
  end)

  it("may be lost", function()
    local ring, path = shared(8192)
    ring:send("x")
    assert.is_true(ring:send(("y"):rep(4000)))
    local record = ring:reserve(3000)
    support.write(path, "")
    assert.matches("lost", failure(record.write, record, 1, ("z"):rep(3000)))
    assert.matches("lost", failure(ring.commit, ring))
    assert.matches("lost", failure(ring.recv, ring, 1))
    assert.matches("lost", failure(ring.send, ring, "x", 1))
    ring:cancel()
    assert.has_no_error(function() ring:region():close() end)
  end)

  it("may be lost where a record comes from", function()
    local ring = new()
    local path = support.file(("y"):rep(100))
    local source = assert(mapped.open(path))
    support.write(path, "")
    assert.matches("lost", failure(ring.send, ring, source))
    assert.matches("lost", failure(ring.send_many, ring, { "a", source }))
    assert.equal(0, ring:used())
    source:close()
    assert.matches("closed", failure(ring.send, ring, source))
    assert.matches("closed", failure(ring.send_many, ring, { "a", source }))
    assert.is_true(ring:try_send("free"))
  end)
end)
