-- Runs busted in the Lua that runs this file, because busted's own command
-- starts Lua 5.1.
if _VERSION < "Lua 5.4" then
  require("tests.old_lua").install()
end
if _VERSION == "Lua 5.5" then -- for which Debian has no busted
  dofile "tests/small_busted.lua"
else
  require "busted.runner" { standalone = false }
end
