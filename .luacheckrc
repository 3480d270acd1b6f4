std = "lua54"
files["tests/lua"] = { std = "+busted" }
exclude_files = { "build" }
