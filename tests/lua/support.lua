-- What the specs share: files to map, bytes to put into them, counts of what the
-- process holds, and child processes, which may crash.
local lfs = require "lfs"
local mapped = require "mapped"

local support = {
  hostile = (os.getenv("MAPPED_HOSTILE") or "") ~= "",
  sanitized = (os.getenv("MAPPED_SANITIZE") or "") ~= "",
  valgrind = (os.getenv("LD_PRELOAD") or ""):find("vgpreload", 1, true) ~= nil,
}

-- How often to repeat what finds nothing new in most rounds: `n` times, and a
-- tenth of that under valgrind, where everything takes forty times as long.
function support.rounds(n)
  return math.floor(support.valgrind and n / 10 or n)
end

-- Returns the error of a call that must fail, without its position in the source.
function support.failure(f, ...)
  local ok, message = pcall(f, ...)
  assert(not ok, "the call succeeded")
  return (tostring(message):gsub("^[^:]+:%d+: ", ""))
end

-- Returns the address of a userdata.
function support.address(object)
  local meta = debug.getmetatable(object)
  local original = meta.__tostring
  meta.__tostring = nil
  local text = tostring(object)
  meta.__tostring = original
  return tonumber(text:match("0x(%x+)"), 16)
end

-- Returns the table of an object's methods: it is __index, or the last upvalue of
-- that function.
function support.methods(object)
  local index = debug.getmetatable(object).__index
  if type(index) == "function" then
    return select(2, debug.getupvalue(index, debug.getinfo(index).nups))
  end
  return index
end

local made = {}

function support.write(path, content)
  local file = assert(io.open(path, "wb"))
  assert(file:write(content))
  file:close()
end

-- Makes a new file with this content, which `support.clean` removes.
function support.file(content)
  local path = os.tmpname()
  made[#made + 1] = path
  support.write(path, content or "")
  return path
end

-- Returns a path where no file is yet.
function support.absent()
  local path = support.file()
  assert(os.remove(path))
  return path
end

function support.clean()
  for _, path in ipairs(made) do
    os.remove(path)
  end
  made = {}
end

function support.content(path)
  local file = assert(io.open(path, "rb"))
  local content = file:read("*a")
  file:close()
  return content
end

-- Returns a region of these bytes, and of `extra` zeros.
function support.region_of(text, extra)
  local region = assert(mapped.anonymous(#text + (extra or 0)))
  region:write(1, text)
  return region
end

-- Returns a slice of these bytes, which lies in the middle of a region.
function support.slice_of(text)
  local region = mapped.anonymous(#text + 7)
  region:fill(97)
  region:write(4, text)
  return region:slice(4, #text)
end

-- Returns n random bytes of the alphabet.
function support.random_text(n, alphabet)
  local bytes = {}
  for i = 1, n do
    local at = math.random(#alphabet)
    bytes[i] = alphabet:sub(at, at)
  end
  return table.concat(bytes)
end

function support.unhex(text)
  return (text:gsub("..", function(pair)
    return string.char(tonumber(pair, 16))
  end))
end

function support.exists(path)
  return lfs.attributes(path, "mode") ~= nil
end

-- Return how many descriptors, and how many mappings of `path`, the process has.
function support.descriptors()
  local count = 0
  for _ in lfs.dir("/proc/self/fd") do
    count = count + 1
  end
  return count
end

function support.mappings(path)
  local count = 0
  for line in io.lines("/proc/self/maps") do
    if line:find(path, 1, true) then
      count = count + 1
    end
  end
  return count
end

-- Makes a file of Lua code that runs in older Luas, too.
function support.script(code)
  if _VERSION < "Lua 5.4" then
    code = "require('tests.old_lua').install(); "
      .. require("tests.old_lua").translate(code)
  end
  return support.file(code)
end

-- Runs Lua code in a process of its own, after the shell commands `before`.
-- Returns what it printed.
function support.child(code, before)
  local script = support.script(code)
  local lua = os.getenv("MAPPED_LUA") or "lua5.4"
  local init = support.hostile and "LUA_INIT=@tests/lua/hostile.lua" or ""
  local child = assert(io.popen(("%s %s %s %s 2>&1"):format(
    before and before .. ";" or "", init, lua, script)))
  local output = child:read("*a")
  local ok, kind, number = child:close()
  if not ok then
    output = ("%s\n(ended with %s %s)"):format(output, kind, number)
  end
  return output
end

return support
