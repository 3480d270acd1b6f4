-- Guards against a meta file that documents other functions than the module
-- has.
local mapped = require "mapped"
local support = require "tests.lua.support"

describe("the meta file", function()
  it("names every method, and no other", function()
    local documented = { View = {}, Region = {}, Array = {}, Layout = {},
      Records = {}, Windows = {}, Atomic = {}, Lock = {}, Mutex = {},
      Ring = {}, mapped = {} }
    for line in io.lines("lua/library/mapped.lua") do
      local class, name = line:match("^function (%a+)[.:]([%w_]+)")
      if class then
        documented[class][name] = true
      end
    end
    for name in pairs(documented.View) do
      documented.Region[name] = true
    end

    local region = mapped.anonymous(1)
    local layout = mapped.layout("a:u8")
    local objects = { View = region:sub(1), Region = region,
      Atomic = mapped.anonymous(4):atomic("I4"),
      Mutex = mapped.Mutex(mapped.anonymous(8)),
      Ring = mapped.Ring(mapped.anonymous(320)),
      Lock = mapped.anonymous(4, { shared = true }):lock(),
      Array = region:cast("B"), Layout = layout,
      Records = region:records(layout),
      Windows = (mapped.windows("README.md", 1)) }
    for class, object in pairs(objects) do
      local names = {}
      for name in pairs(support.methods(object)) do
        names[name] = true
      end
      assert.same(documented[class], names)
    end
    for name, value in pairs(mapped) do
      assert.equal(type(value) == "function", documented.mapped[name] or false)
    end
  end)
end)
