-- Lets Lua 5.1 to 5.3 and LuaJIT run the specs, which are written for Lua 5.4:
-- translates what these Luas can't parse, and skips what they haven't got.
local old_lua = {}

local HAS_INTEGERS = _VERSION == "Lua 5.3"
local IS_5_1 = _VERSION == "Lua 5.1" and not _G.jit
local loadstring_of = _G.loadstring or load

-- Puts the "*" of older Luas before the formats in the call of a file's method.
local function star(call)
  return (call:gsub('"([anlL])"', '"*%1"'))
end

-- Replaced line by line, so that errors have the right place. Without <close>,
-- what a block leaves behind is collected some time later.
function old_lua.translate(text)
  text = text:gsub("([%w_])%s+<close>", "%1"):gsub("([%w_])%s+<const>", "%1")
  if HAS_INTEGERS then
    return text
  end
  text = text:gsub("(%d+) << (%d+)", function(n, shift)
    return ("%.0f"):format(tonumber(n) * 2 ^ tonumber(shift))
  end)
  text = text:gsub("[:.]read%b()", star):gsub("[:.]lines%b()", star)
  if IS_5_1 then
    text = text:gsub("\\x(%x%x)", function(digits)
      return ("\\%03d"):format(tonumber(digits, 16))
    end)
  end
  return (text:gsub("(#?[%w_]+) // (#?[%w_]+)", "math.floor(%1 / %2)"))
end

local LUA = _G.jit and "luajit" or (_VERSION:lower():gsub(" ", ""))

-- Does the list have the name of this test? A list has the names with those of
-- the blocks around.
local function has(list, name)
  for i = 3, #list do
    local entry = list[i]
    if entry == "*" or entry == name or entry:sub(-#name - 1) == " " .. name then
      return true
    end
  end
  return false
end

local skips = require "tests.old_lua_skips"

function old_lua.reason(file, name)
  for _, list in ipairs(skips[file] or {}) do
    if (list[2] .. " "):find(LUA .. " ", 1, true) and has(list, name) then
      return list[1]
    end
  end
end

-- Wraps busted's `it` for a file: what must be skipped becomes pending.
function old_lua.it(it, pending, path)
  local file = path:match("([%w_]+)%.lua$")
  return function(name, f)
    local reason = old_lua.reason(file, name)
    if reason then
      return pending(name .. " # " .. reason)
    end
    return it(name, f)
  end
end

-- Loads a spec, or returns nil and a message.
local function load_old(path)
  local file, message = io.open(path, "rb")
  if not file then
    return nil, message
  end
  local text = file:read("*a")
  file:close()
  local reason = old_lua.reason(path:match("([%w_]+)%.lua$"), "*")
  if reason then
    return loadstring_of(("pending %q"):format("all tests # " .. reason))
  end
  local prefix = path:find("_spec%.lua$") and
    ("local it = require('tests.old_lua').it(it, pending, %q); "):format(path) or ""
  return loadstring_of(prefix .. old_lua.translate(text), "@" .. path)
end

-- What the specs use of later versions' libraries, where that can be had.
local function add_functions()
  table.unpack = table.unpack or unpack -- luacheck: ignore 113 122
  table.pack = table.pack or function(...) -- luacheck: ignore 122
    return { n = select("#", ...), ... }
  end
  math.type = math.type or function(x) -- luacheck: ignore 122
    return type(x) == "number" and (x % 1 == 0 and "integer" or "float") or nil
  end
  math.tointeger = math.tointeger or function(x) -- luacheck: ignore 122
    local n = tonumber(x)
    return n and n % 1 == 0 and n or nil
  end
  -- The largest double below 2^63 stands for the largest integer.
  math.maxinteger = math.maxinteger or 2 ^ 63 - 1024 -- luacheck: ignore 122
  math.mininteger = math.mininteger or -2 ^ 63 -- luacheck: ignore 122
end

-- In Lua 5.1 and LuaJIT only userdata have finalizers: one in the table stands
-- for the table's own, whose errors are as harmless as in Lua 5.4.
local function add_finalizers()
  local original = setmetatable
  setmetatable = function(object, meta) -- luacheck: ignore 121
    local finalize = type(object) == "table" and meta and rawget(meta, "__gc")
    if finalize then
      local proxy = newproxy(true) -- luacheck: ignore 113
      getmetatable(proxy).__gc = function() pcall(meta.__gc, object) end
      rawset(object, proxy, true)
    end
    return original(object, meta)
  end
end

-- pairs and ipairs by the metamethods of Lua 5.4.
local function add_iterators()
  local pairs_of, ipairs_of = pairs, ipairs
  local function step(object, i)
    local value = object[i + 1]
    if value ~= nil then
      return i + 1, value
    end
  end
  pairs = function(object) -- luacheck: ignore 121
    local meta = debug.getmetatable(object)
    return (meta and rawget(meta, "__pairs") or pairs_of)(object)
  end
  ipairs = function(object) -- luacheck: ignore 121
    if type(object) == "userdata" then
      return step, object, 0
    end
    return ipairs_of(object)
  end
end

local function add_exit()
  local original = os.exit
  os.exit = function(status) -- luacheck: ignore 122
    original(status == false and 1 or status ~= true and status or 0)
  end
end

-- string.pack and string.unpack by mapped: good enough to make test data, and
-- where the specs compare with them they compare mapped with itself.
local function add_packing()
  local mapped = require "mapped"
  string.pack = function(format, ...) -- luacheck: ignore 122
    local region = mapped.anonymous(4096)
    return region:tostring(1, region:pack(format, 1, ...) - 1)
  end
  string.unpack = function(format, text, position) -- luacheck: ignore 122
    local region = mapped.anonymous(#text)
    region:write(1, text)
    return region:unpack(format, position)
  end
  string.packsize = function(format) -- luacheck: ignore 122
    local values = table.pack(mapped.anonymous(4096):unpack(format))
    return values[values.n] - 1
  end
end

function old_lua.install()
  add_functions()
  if _G.newproxy then
    add_finalizers()
    add_exit()
  end
  if not HAS_INTEGERS then
    add_iterators()
  end
  if not string.pack then
    add_packing()
  end
  local loaders = package.searchers or rawget(package, "loaders")
  table.insert(loaders, 2, function(name)
    local path = name:gsub("%.", "/") .. ".lua"
    return name:find("^tests%.") and load_old(path) or nil
  end)
  local original = loadfile
  loadfile = function(path, ...) -- luacheck: ignore 121
    return path:find("tests/lua/") and load_old(path) or original(path, ...)
  end
end

return old_lua
