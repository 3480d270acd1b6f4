-- The view that s:ffi(ctype) returns in LuaJIT: elements of a C type, whose
-- accesses the JIT compiler turns into plain loads and stores between checks.
--
-- A view  is a table: the Slice, the region's words that tell its state, and
--         what the C type is. lua/ffi.c makes it, and make_view completes it.
-- A kind  is what an element, or a field or item in it, is: "integer", "struct".
-- A place is where one is in a view: the view itself, or an element that is a
--         struct or an array. It has the place it is in (PARENT) and its key
--         there, and no address.
--
-- `load` and `store` access a place. They check as C's inline functions do:
-- while the region's state word is 0, the region is open, as long as it ever
-- was, and has lost no page, so that all bytes of a view are there. Everything
-- else is left to `check`, in C.
--
-- An access of the interpreter may be interrupted between check and load, by a
-- finalizer or a debug hook, which may close or resize the region. So the access
-- sets the region's mark meanwhile, with which the module keeps the addresses.
-- ffi.fill sets it, because that is also a barrier for the JIT compiler: what
-- stands before and after is not moved across it, nor out of a loop.
--
-- Invariant: no reference into the region leaves this file. A script gets plain
-- values, and places, which are checked again at every access.
local bit, ffi = require "bit", require "ffi"
local newproxy, loadstring = rawget(_G, "newproxy"), rawget(_G, "loadstring")
local error, pcall, type, tonumber, tostring, getmetatable, setmetatable =
  error, pcall, type, tonumber, tostring, getmetatable, setmetatable

local cast, fill, floor, istype = ffi.cast, ffi.fill, math.floor, ffi.istype
local band, rshift = bit.band, bit.rshift
local int64, uint64 = ffi.typeof "int64_t", ffi.typeof "uint64_t"

-- The keys of a place. A struct's place is also what scripts see, with the
-- names of its fields; so these can be no names.
local VIEW, PARENT, KEY, KIND = "\0view", "\0parent", "\0key", "\0kind"

-- The places behind the userdata that scripts see of views and arrays: the place
-- is hidden so, and only a userdata has a length.
local places = setmetatable({}, { __mode = "k" })
local methods, record_meta, make_array = {}, {}, nil

-- Kinds. What a kind is, is found out with `target`, which is memory of our own
-- that has the type: `target[key]` is a value of the kind. A kind also has its
-- `form`, a C type or a field as `text` for messages, and whether it
-- `is_constant`. One that `is_aggregate` has its `value`, too; a struct the kinds
-- of its `fields` that have been met; an array the kind of an `element`, their
-- `count`, and the `proxies` that make_array needs.

local function assign(target, key, value)
  target[key] = value
end

-- Returns the message without the position in this file.
local function strip_position(problem)
  return (tostring(problem):gsub("^.*:%d+: ", ""))
end

local function text_of(ctype)
  return tostring(ctype):match "^ctype<(.*)>$":gsub(" ?%(?&%)?", "")
end

local function fetch(from, key)
  return from[key]
end

-- Returns the form of the kind's value `x`, and sets what else an aggregate has.
local function find_form(kind, x)
  if type(x) == "boolean" then
    return "boolean"
  elseif type(x) == "number" then
    pcall(assign, kind.target, kind.key, 0.5)
    return kind.target[kind.key] == 0.5 and "float" or "integer"
  end
  local text = tostring(ffi.typeof(x))
  if text:find("vector_size", 1, true) then
    return "vector"
  elseif text:find("(&)[", 1, true) then
    kind.value, kind.proxies = x, {}
    kind.count = tonumber(text:match "%(&%)%[(%d+)%]") or 0
    return "array"
  elseif text:find("*", 1, true) then -- also one to an array: "int (*)[2]"
    return "pointer"
  elseif text:find("&", 1, true) then
    kind.value, kind.fields = x, {}
    return "struct"
  elseif text:find("enum", 1, true) then
    return "enum"
  end
  return istype(int64, x) and "int64" or istype(uint64, x) and "uint64"
    or "other"
end

-- Returns the kind of `target[key]`, or nil and why a view can't have it.
local function classify(target, key)
  local ok, x = pcall(fetch, target, key)
  if not ok then
    return nil, strip_position(x)
  end
  local kind = { target = target, key = key }
  if type(x) == "cdata" then
    kind.text = text_of(ffi.typeof(x))
  elseif type(key) == "string" then
    kind.text = ("field '%s'"):format(key)
  else
    kind.text = text_of(ffi.typeof(target)):gsub(" ?%[%d+%]$", "")
  end
  kind.form = find_form(kind, x)
  if kind.form == "pointer" or kind.form == "vector" then
    return nil, ("a view has no values of type %s"):format(kind.text)
  end
  kind.is_aggregate = kind.value ~= nil
  kind.is_constant = not pcall(assign, target, key, x)
  if kind.form == "array" and kind.count > 0 then
    local problem
    kind.element, problem = classify(x, 0)
    if not kind.element then
      return nil, problem
    end
  end
  return kind
end

local function field_kind(kind, name)
  local field = kind.fields[name]
  if field then
    return field
  end
  -- A name that only a metatype's __index knows is no field: that function would
  -- get a reference into the region.
  if type(name) ~= "string" or not ffi.offsetof(kind.value, name) then
    error(("no field '%s' in %s"):format(tostring(name), kind.text), 3)
  end
  local problem
  field, problem = classify(kind.value, name)
  kind.fields[name] = field
  return field or error(problem, 3)
end

-- Accesses.

-- Returns a pointer or a reference to the place in the region. It is good only
-- while the mark is set.
local function resolve(place)
  local parent = place[PARENT]
  if parent then
    return resolve(parent)[place[KEY]]
  end
  local view = place[VIEW]
  return cast(view.pointer, view.base[0] + view.offset)
end

-- Calls `check`, which raises if the element of the view that the place is in
-- can't be accessed. Returns what pcall does.
local function check_element(place, key, is_write)
  while place[PARENT] do
    place, key = place[PARENT], place[KEY]
  end
  local view = place[VIEW]
  return pcall(view.check, view.owner, key * view.size, view.size, is_write)
end

-- Does the access with all checks in C: calls `f` with what the place resolves
-- to, the key and a value. `f` must not raise.
local function access_slowly(f, place, key, value, is_write)
  local mark = place[VIEW].mark
  local before = mark[0]
  fill(mark, 1, 1)
  local ok, result = check_element(place, key, is_write)
  if ok then
    result = f(resolve(place), key, value)
  end
  fill(mark, 1, before)
  local problem = result
  if ok then
    ok, problem = check_element(place, key, is_write)
  end
  if not ok then
    error(problem, 5) -- the script's access is four calls above
  end
  return result
end

local function load_slowly(place, key)
  return (access_slowly(fetch, place, key, nil, false))
end

local function store_slowly(place, key, value)
  access_slowly(assign, place, key, value, true)
end

local function load(place, key)
  local view = place[VIEW]
  local mark, state = view.mark, view.state
  local before = mark[0]
  fill(mark, 1, 1)
  if state[0] ~= 0 then
    fill(mark, 1, before)
    return (load_slowly(place, key))
  end
  local x = resolve(place)[key]
  fill(mark, 1, before)
  if state[0] ~= 0 then
    return (load_slowly(place, key))
  end
  return x
end

local function store(place, key, value)
  local view = place[VIEW]
  local mark, state = view.mark, view.state
  local before = mark[0]
  fill(mark, 1, 1)
  if state[0] == 0 and view.traits[0] == 0 and not view.is_readonly then
    resolve(place)[key] = value
    fill(mark, 1, before)
    if state[0] == 0 then
      return
    end
  end
  fill(mark, 1, before)
  store_slowly(place, key, value)
end

-- Values. All is converted before memory is touched.

local function misfit(value, kind)
  error(("%s does not fit %s"):format(tostring(value), kind.text), 4)
end

-- Does the value have the bits that it has here in the other 64-bit type, too?
local function fits_64(value, form)
  if type(value) == "number" then
    local low, high = -0x1p63, 0x1p63
    if form == "uint64" then
      low, high = 0, 0x1p64
    end
    return value >= low and value < high and floor(value) == value
  end
  return istype(form == "int64" and int64 or uint64, value)
    or (istype(int64, value) or istype(uint64, value))
    and cast(int64, value) >= 0
end

local function check_type(value, expected)
  local actual = type(value)
  if actual ~= expected and (actual ~= "cdata" or expected ~= "number") then
    error(("%s expected, got %s"):format(expected, actual), 4)
  end
end

-- Raises unless the value can be stored as such an element or field.
local function check_value(kind, value)
  local form = kind.form
  if kind.is_constant then
    error("attempt to write to constant location", 3)
  elseif form == "boolean" then
    check_type(value, "boolean")
    return
  elseif form ~= "other" and (form ~= "enum" or type(value) ~= "string") then
    check_type(value, "number")
  end
  if form == "int64" or form == "uint64" then
    if not fits_64(value, form) then
      misfit(value, kind)
    end
  elseif type(value) ~= "number" or form == "other" or form == "enum" then
    local ok, problem = pcall(assign, kind.target, kind.key, value)
    if not ok then
      error(strip_position(problem), 3)
    elseif form == "integer" and (not fits_64(value, "int64")
        or kind.target[kind.key] ~= tonumber(value)) then
      misfit(value, kind)
    elseif form == "enum" and type(value) ~= "string"
        and tonumber(kind.target[kind.key]) ~= tonumber(value) then
      misfit(value, kind)
    end
  elseif form == "integer" then
    kind.target[kind.key] = value
    if kind.target[kind.key] ~= value then
      misfit(value, kind)
    end
  end
end

-- What scripts see.

-- Returns the struct or array at that key, for a script.
local function make_place(place, key, kind)
  local part = { [VIEW] = place[VIEW], [PARENT] = place, [KEY] = key,
                 [KIND] = kind }
  if kind.form == "struct" then
    return setmetatable(part, record_meta)
  end
  return make_array(part, kind.proxies)
end

-- Returns the key, which counts from 0, of a position, or nil.
local function find_key(place, i)
  local count = place[KIND].count
  if type(i) ~= "number" then
    if not istype(int64, i) and not istype(uint64, i) then
      return nil
    end
    i = tonumber(i)
  end
  if i >= 1 and i <= count and floor(i) == i then
    return i - 1
  elseif i <= -1 and i >= -count and floor(i) == i then
    return count + i
  end
end

-- Raises if the region is closed.
local function check_open(place, level)
  local view = place[VIEW]
  if view.state[0] ~= 0 and view.region:closed() then
    error("attempt to use a closed region", level + 1)
  end
end

local function array_index(self, i)
  local place = places[self]
  local key = find_key(place, i)
  if not key then
    if type(i) == "string" then
      return methods[i]
    end
    check_open(place, 2)
    return nil
  end
  local kind = place[KIND].element
  if kind.is_aggregate then
    return make_place(place, key, kind)
  end
  return (load(place, key))
end

local function fetch_all(from, key, to)
  ffi.copy(to, from + key, ffi.sizeof(to))
end

local function copy(place, key, to)
  access_slowly(fetch_all, place, key, to, false)
  return to
end

-- Converts a whole element of the view. Returns an array of it alone: arrays
-- have no metatype, whose finalizer would take the element for an object.
local function make_element(place, value)
  local new = ffi.new(place[VIEW].array)
  if getmetatable(value) == "mapped.FFI" and type(value) == "table" then
    if value[KIND] ~= place[KIND].element or value[PARENT][PARENT] then
      error("an element of another type", 3)
    end
    return copy(value[PARENT], value[KEY], new)
  end
  local ok, problem = pcall(assign, new, 0, value)
  return ok and new or error(strip_position(problem), 3)
end

local function array_newindex(self, i, value)
  local place = places[self]
  local key = find_key(place, i)
  if not key then
    check_open(place, 2)
    error(("position %s is out of range, there are %d elements"):format(
      tostring(i), place[KIND].count), 2)
  end
  local kind = place[KIND].element
  if not kind.is_aggregate then
    check_value(kind, value)
    store(place, key, value)
  elseif kind.is_constant or place[PARENT] then
    error("this aggregate is set field by field", 2)
  else
    local new = make_element(place, value)
    store(place, key, new[0])
  end
end

function record_meta.__index(self, name)
  local kind = field_kind(self[KIND], name)
  if kind.is_aggregate then
    return make_place(self, name, kind)
  end
  return (load(self, name))
end

function record_meta.__newindex(self, name, value)
  local kind = field_kind(self[KIND], name)
  if kind.is_aggregate then
    error("this aggregate is set field by field", 2)
  end
  check_value(kind, value)
  store(self, name, value)
end

record_meta.__metatable = "mapped.FFI"

local function array_len(self)
  local place = places[self]
  check_open(place, 2)
  return place[KIND].count
end

local function array_tostring(self)
  local kind = places[self][KIND]
  return ("mapped.FFI (%d elements of %s)"):format(
    kind.count, (kind.element or kind).text)
end

-- Returns a function that calls `f` and has bytecode of its own. By that the JIT
-- compiler knows a type at the begin of an access; so a loop over views of
-- several types has a whole trace for each.
local function copy_function(f)
  return loadstring("local f = ... return function(...) return f(...) end",
                    "=mapped.ffi")(f)
end

-- Returns a new array or view. Those of one type share a metatable.
function make_array(place, proxies)
  if not proxies[1] then
    proxies[1] = newproxy(true)
    local meta = getmetatable(proxies[1])
    meta.__index = copy_function(array_index)
    meta.__newindex = copy_function(array_newindex)
    meta.__len, meta.__tostring = array_len, array_tostring
    meta.__metatable = "mapped.FFI"
  end
  local array = newproxy(proxies[1])
  places[array] = place
  return array
end

function methods.copy(self, i)
  local place = places[self]
  local key = place and not place[PARENT] and find_key(place, i)
  if not key then
    error("view and position of an element expected", 2)
  end
  if not place[KIND].element.is_aggregate then
    return (load(place, key))
  end
  -- What a metatype's finalizer would end is not the copy's.
  return copy(place, key, ffi.gc(ffi.new(place[VIEW].ctype), nil))
end

-- What make_type has made, by the number of the C type. LuaJIT has at most 65536
-- of them, and keeps them for ever, too.
local types = {}

-- busted replaces ffi.typeof by a function that knows a result by its first
-- argument alone. So that has the number, in a comment.
local function derive(declaration, ctype)
  return ffi.typeof(("%s /* %d */"):format(declaration, tonumber(ctype)), ctype)
end

-- What ffi.typeinfo answers has the kind of a type at the top of `info`, and the
-- number of the type below it at the end.
local STRUCT, POINTER, ARRAY, ATTRIBUTE, FIELD = 1, 2, 3, 8, 9
local IS_REFERENCE = 0x800000

-- Has the type a field that is a C++ reference? To read one is to follow it.
local function has_reference(id)
  local found = ffi.typeinfo(id)
  local form = rshift(found.info, 28)
  if form == STRUCT then
    local field = found.sib
    while field do
      if has_reference(field) then
        return true
      end
      field = ffi.typeinfo(field).sib
    end
    return false
  elseif form == POINTER then
    return band(found.info, IS_REFERENCE) ~= 0
  end
  return (form == ARRAY or form == ATTRIBUTE or form == FIELD)
    and has_reference(band(found.info, 0xffff))
end

-- Returns what a view has to know of a C type, or nil and what is wrong with it.
local function make_type(ctype, size)
  local made, target = pcall(derive, "$[1]", ctype)
  if not made then
    return nil, ("%s has no fixed size"):format(text_of(ctype))
  elseif has_reference(tonumber(ctype)) then
    return nil, ("a view has no references, but %s has"):format(text_of(ctype))
  end
  local kind, problem = classify(ffi.new(target), 0)
  if not kind then
    return nil, problem
  end
  return { ctype = ctype, size = size, kind = kind, proxies = {},
           array = target, pointer = derive("$ *", ctype) }
end

-- Finds the type of elements of `length` bytes. That is asked first because the
-- rest needs memory of the type's size.
local function find_type(ctype, length)
  local ok, found = pcall(ffi.typeof, ctype)
  if not ok then
    return nil, "C type expected: " .. tostring(found)
  end
  local has_size, size = pcall(ffi.sizeof, found)
  if not has_size or not size or size == 0 then
    return nil, ("%s has no fixed size"):format(text_of(found))
  elseif length % size ~= 0 then
    return nil, ("length %.0f is not a multiple of %d"):format(length, size)
  end
  local id = tonumber(found)
  local problem
  if not types[id] then
    types[id], problem = make_type(found, size)
  end
  return types[id], problem
end

-- The processors that load and store values at any address.
local ANY_ADDRESS = { x86 = true, x64 = true, arm64 = true }

local byte_at = ffi.typeof "uint8_t *"
local word_at = ffi.typeof "const uint32_t *"
local pointer_at = ffi.typeof "uint8_t *const *"

-- Completes the view of the Slice `view.owner`, and returns the userdata for
-- scripts, or nil and what is wrong with the type.
local function make_view(view, ctype)
  local info, problem = find_type(ctype, view.length)
  if not info then
    return nil, problem
  end
  view.ctype, view.size = info.ctype, info.size
  view.array, view.pointer = info.array, info.pointer
  view.mark, view.base = cast(byte_at, view.mark), cast(pointer_at, view.base)
  view.state, view.traits = cast(word_at, view.state), cast(word_at, view.traits)
  if not ANY_ADDRESS[ffi.arch] and
      (cast("uintptr_t", view.base[0]) + view.offset) % ffi.alignof(info.ctype) ~= 0 then
    return nil, "this processor needs aligned values"
  end
  local kind = { count = view.length / view.size, element = info.kind }
  return make_array({ [VIEW] = view, [KIND] = kind }, info.proxies)
end

return make_view
