-- Runs specs as busted does, as far as ours need, for a Lua that busted's C
-- modules are not installed for; luassert must be found. Prints TAP. Replaces
-- lfs, of which the specs use two functions.
package.path = package.path .. ";/usr/share/lua/5.4/?.lua"
  .. ";/usr/share/lua/5.4/?/init.lua"
local old_lua = require "tests.old_lua"
local say = require "say"
local assert = require "luassert"
say:set_namespace("en")

package.preload.lfs = function()
  local function lines(command)
    local pipe = io.popen(command)
    return function()
      return pipe:read("l") or pipe:close() and nil
    end
  end
  return {
    attributes = function(path, _)
      return lines(("stat -Lc %%F '%s' 2>/dev/null"):format(path))()
    end,
    dir = function(path)
      return lines(path == "/proc/self/fd" and "ls -a /proc/$PPID/fd" or
        ("ls -a '%s'"):format(path))
    end,
  }
end

local names, hooks, count, failed = {}, {}, 0, 0

local function report(ok, name, text)
  count = count + 1
  failed = failed + (ok and 0 or 1)
  print(("%sok %d - %s"):format(ok and "" or "not ", count, name))
  if not ok then
    print("# " .. tostring(text):gsub("\n", "\n# "))
  end
end

local function message(problem)
  return type(problem) == "table" and (problem.message or problem) or problem
end

local function call_hooks(kind)
  for _, hook in ipairs(hooks[kind] or {}) do
    hook()
  end
end

local file

local function skip(name)
  count = count + 1
  print(("ok %d - # SKIP %s"):format(count, name))
end

local function run(name, f)
  local reason = old_lua.reason(file, name)
  if reason then
    return skip(name .. " # " .. reason)
  end
  call_hooks("before_each")
  local ok, problem = xpcall(f, debug.traceback)
  call_hooks("after_each")
  report(ok, table.concat(names, " ") .. " " .. name, message(problem))
end

local environment = setmetatable({
  assert = assert,
  describe = function(name, f)
    names[#names + 1] = name
    f()
    names[#names] = nil
  end,
  it = run,
  pending = skip,
  before_each = function(f)
    hooks.before_each = { f }
  end,
  after_each = function(f)
    hooks.after_each = { f }
  end,
}, { __index = _G })
environment.setup, environment.teardown = pcall, function(f)
  hooks.teardown = { f }
end
for name, value in pairs(environment) do
  _G[name] = value
end

for _, path in ipairs(arg) do
  if path:sub(1, 1) ~= "-" then
    local chunk, problem = loadfile(path)
    file = path:match("([%w_]+)%.lua$")
    if old_lua.reason(file, "*") then
      skip("all tests # " .. old_lua.reason(file, "*"))
    elseif chunk then
      chunk()
      call_hooks("teardown")
    else
      report(false, path, problem)
    end
  end
end
print("1.." .. count)
os.exit(failed == 0)
