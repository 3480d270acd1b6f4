-- Reads and writes a file, over and over, while another process truncates it.
--
-- Usage: storm.lua FILE SECONDS. Every byte of the file is `S`, so anything else
-- that an access returns without an error is a lost page that was not reported.
-- Prints how many accesses went well and how many ended in an error.
local mapped = require "mapped"

local rex = require "rex_pcre2"

local PAGE = 4096
local layout = mapped.layout("a:u32 b:u32")

local function whole(bytes)
  assert(not bytes:find("[^S]"), "zeros without an error")
end

local function at(r)
  return math.random(math.max(1, #r - 8))
end

local accesses = {
  function(r) whole(string.char(r[at(r)])) end,
  function(r) local i = at(r); whole(r:tostring(i, i + 3 * PAGE)) end,
  function(r) whole(string.char(r:byte(at(r), at(r)))) end,
  function(r) whole(string.pack("<I4", r:get("<I4", at(r)))) end,
  function(r) whole(string.pack("<I8", (r:unpack("<I8", at(r))))) end,
  function(r) local a = r:cast("b"); whole(string.char(a[at(r)])) end,
  function(r) r:set("<I4", at(r), 0x53535353) end,
  function(r) local i = at(r); r:sub(i, i + 2 * PAGE):fill(0x53) end,
  function(r) r:move(1, at(r), 8) end,
  function(r) r:copy_from(("S"):rep(PAGE), 1) end,
  function(r) assert(r:sub(1, PAGE):equals(r:sub(-PAGE)), "a difference") end,
  function(r) local i = at(r); assert(r:sub(i, i + 3):equals("SSSS")) end,
  function(r) r:pack("<I4I4", at(r), 0x53535353, 0x53535353) end,
  function(r) assert(not r:find("\0", at(r), true), "a zero") end,
  function(r) assert(not r:find("[^S]", at(r)), "a zero") end,
  function(r) assert(r:count("S") == #r, "other bytes") end,
  function(r) for word in r:gmatch("SSS[^S]") do error(word) end end,
  function(r) for line in r:lines() do assert(#line == #r) end end,
  function(r)
    local records = r:records(layout)
    whole(string.pack("<I4", records[math.random(#records)].b))
  end,
  function(r)
    local sum = 0
    for _, v in ipairs(r:sub(1, PAGE):cast("B"):totable()) do sum = sum + v end
    assert(sum == PAGE * 0x53, "other bytes")
  end,
  function(r)
    local found = rex.find(r, "[^S]")
    assert(r:check())
    assert(not found, "a zero")
  end,
  function(r)
    local memory <close> = assert(mapped.anonymous(#r))
    r:copy_to(memory)
    whole(memory:tostring())
  end,
}

local function is_loss(message)
  return tostring(message):find("page lost", 1, true)
end

local function try(access, region)
  local ok, message = pcall(access, region)
  if ok then return 1, 0 end
  if not is_loss(message) then error(message, 0) end
  region:recover()
  return 0, 1
end

local path, seconds = arg[1], tonumber(arg[2])
local stop = os.time() + seconds
local well, lost = 0, 0
while os.time() < stop do
  local region = assert(mapped.open(path, "r+"))
  for _ = 1, 200 do
    if #region < 2 * PAGE then break end
    local w, l = try(accesses[math.random(#accesses)], region)
    well, lost = well + w, lost + l
  end
  if not region:close() then lost = lost + 1 end -- lrexlib has read a lost page
end
print(well, lost)
