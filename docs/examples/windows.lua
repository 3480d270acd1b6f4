-- Large files: a walk in windows; searches and lines don't see their edges.
local mapped = require "mapped"

local file = assert(io.open("huge.log", "wb"))
file:write("one\ntwo\nthree\n")
file:close()

for window in mapped.windows("huge.log", 4) do
  print(window:region():file_offset(), window:tostring())
end

local windows = mapped.windows("huge.log", 4)
assert(windows:size() == 14)
assert(windows:find("e\nt") == 3 and windows:count("\n") == 3)
for line in windows:lines() do
  print(line:tostring())
end
windows:seek(5) -- go on from there
assert(windows():equals("two\n"))
windows:close()
assert(windows:closed())
