-- Runs busted in the Lua that runs this: its own command starts Lua 5.1.
require "busted.runner" { standalone = false }
