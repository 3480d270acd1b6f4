-- Lets Lua 5.1 to 5.3 and LuaJIT run the specs, which are written for Lua 5.4:
-- translates what these Luas can't parse, and skips what they haven't got.
local old_lua = {}

local HAS_INTEGERS = _VERSION == "Lua 5.3"
local loadstring_of = _G.loadstring or load

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
  text = text:gsub(':read%("([anl])"%)', ':read("*%1")')
  return (text:gsub("(#?[%w_]+) // (#?[%w_]+)", "math.floor(%1 / %2)"))
end

local LUA = _G.jit and "luajit" or (_VERSION:lower():gsub(" ", ""))

-- Does the list have the name of this test? A list has the names with those of
-- the blocks around, or as "access.tsv: 295 296" the rows of a file.
local function has(list, name)
  for i = 3, #list do
    local entry = list[i]
    local file, row = name:match("^([%w_]+%.tsv):(%d+)$")
    if entry == "*" or entry == name or entry:sub(-#name - 1) == " " .. name
      or file and entry:find(file .. ":", 1, true)
      and (entry .. " "):find(" " .. row .. " ", 1, true) then
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
    return type(x) == "number" and "float" or nil
  end
  math.tointeger = math.tointeger or function(x) -- luacheck: ignore 122
    local n = tonumber(x)
    return n and n % 1 == 0 and n or nil
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
end

function old_lua.install()
  add_functions()
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
