std = "lua54"
files["tests/lua"] = { std = "+busted" }
exclude_files = { "build" }
files["lua/library"] = { ignore = { "211", "212", "241" } }
