-- Guards against shared memory that isn't the same for another opener, that goes
-- with the first who leaves, or whose name could be a path.
local mapped = require "mapped"
local support = require "tests.lua.support"
local failure = support.failure

describe("shared memory", function()
  local count, name = 0, nil

  before_each(function()
    count = count + 1
    local id = tostring({}):match("0x%x+")
    name = ("mapped-test-lua-%s-%d"):format(id, count)
  end)

  after_each(function() mapped.unlink(name) end)

  it("is the same for all who have its name", function()
    local one = assert(mapped.shared(name, 1000, "x+"))
    local two = assert(mapped.shared("/" .. name))
    one[5] = 6
    assert.equal(6, two[5])
    assert.equal(1000, #two)
    two:atomic("I4", 9):add(3)
    assert.equal(3, one:atomic("I4", 9):load())
    local file <close> = assert(io.open("/dev/shm/" .. name, "rb"))
    assert.equal(1000, file:seek("end"))
    one:close()
    two:close()
  end)

  it("stays until it is unlinked", function()
    assert(mapped.shared(name, 10, "x+")):close()
    local region = assert(mapped.shared(name, nil, "r"))
    assert.is_true(mapped.unlink(name))
    assert.equal(10, #region)
    region:close()
    local none, message, code = mapped.shared(name, nil, "r")
    assert.is_nil(none)
    assert.matches("No such file", message)
    assert.equal(2, code)
    none, message = mapped.unlink(name)
    assert.is_nil(none)
    assert.matches("unlink", message)
  end)

  it("has a name that is no path", function()
    for _, wrong in ipairs { "", "/", "a/b", "..", "a\0b" } do
      assert.has_error(function()
        mapped.shared(wrong, 10, "a+")
      end)
      assert.has_error(function() mapped.unlink(wrong) end)
    end
    local path = support.file("x")
    local file <close> = assert(io.open(path))
    assert.matches("string expected", failure(mapped.shared, file))
    assert.matches("unknown option 'fd'",
                   failure(mapped.shared, name, 1, "a+", { fd = 3 }))
    assert.matches("unknown option 'shared'",
                   failure(mapped.open, path, "r", { shared = true }))
    assert.matches("string expected", failure(mapped.unlink, {}))
  end)
end)
