-- Searching, in place, with Lua's patterns.
local mapped = require "mapped"

local text = "key=1\nname=ore\nkey=22\n"
local log <close> = assert(mapped.anonymous(#text))
log:write(1, text)

assert(log:find("key", 1, true) == 1 and log:rfind("key") == 16)
assert(log:find("(%a+)=ore") == 7 and log:match("name=(%a+)") == "ore")
assert(log:count("key") == 2)
assert(log:startswith("key") and log:endswith("\n"))
for key, value in log:gmatch("(%a+)=(%w+)") do
  print(key, value)
end
local changed, count = log:gsub("=", ": ") -- a new string
assert(count == 3 and changed:sub(1, 6) == "key: 1")

for line in log:lines() do -- slices: nothing is copied
  print(line:tostring())
end
for part in log:split("=") do
  print(#part)
end
