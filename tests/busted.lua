-- Runs busted in the Lua that runs this file, because busted's own command
-- starts Lua 5.1.
require "busted.runner" { standalone = false }
