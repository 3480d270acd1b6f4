---@meta mapped
-- What `require "mapped"` gives, for editors and readers. Never loaded. It is
-- installed as share/lua/5.4/mapped/meta.lua: lua-language-server finds it in a
-- project that has the rocks in its folder (`luarocks init`), and else where
-- `Lua.workspace.library` has the folder share/lua/5.4 that the module is of.
--
-- Positions count from 1 and, when negative, from the end, as in `string.sub`.
-- An *offset* counts from 0. Lengths and sizes are bytes unless stated.
--
-- There are two kinds of errors, as in the standard library:
-- * What a correct program must expect of the system returns `nil`, a message
--   and a number: an errno if positive, else one of `mapped.status`.
-- * Everything else raises: wrong arguments (`bad argument #n`), positions out
--   of range, closed regions (`attempt to use a closed region`), writing to
--   read-only memory, and a lost page, because the file was truncated or the
--   disk failed (`page lost`, with position and cause).
--
-- Lua 5.1, 5.2 and LuaJIT have no integers: there a 64-bit value beyond 2^53 is
-- read as a string of digits, in LuaJIT as an int64_t or uint64_t, and either is
-- taken where one is written. u64 isn't wrapped round to a negative number as in
-- later Luas. These Luas have no `<close>`, no `pairs` (5.1 and LuaJIT) or
-- `ipairs` over objects, and no warnings; 5.1 and LuaJIT don't compare an object
-- with a string by `<`.

---@class mappedlib
---@field version string
---@field status table<string, integer> the negative codes by name: `BUSY`,
---  `PAST_END`, `NOT_A_FILE`, `UNSUPPORTED`, `STALE`, `MEMORY` and others
local mapped = {}

---@alias mapped.Mode
---| "r" read-only
---| "r+" shared: writes reach the file
---| "c" private copy-on-write: the file never changes
---| "w+" create the file, or truncate it, to `length`
---| "x+" the same, but fail if it exists
---| "a+" read-write, create if missing, keep what is there

---@class mapped.OpenOptions
---@field offset? integer where in the file to begin, an offset; default 0
---@field length? integer default: to the end of the file. In a writable mode a
---  longer one extends the file, with allocated blocks
---@field reserve? integer address space to keep, so that growth up to that
---  length never moves the memory
---@field sparse? boolean extend without allocating blocks
---@field populate? boolean bring all pages into memory before returning
---@field huge? boolean|integer huge pages where possible, or pages of that size
---@field device? boolean registers: every get and set is one access of exactly
---  its width
---@field permissions? integer of a created file, less the umask; default 0666
---@field fd? integer an open descriptor instead of `file`; stays the caller's

---Maps a file. A handle is flushed first; a handle and a descriptor stay open and
---stay yours. A file of 0 bytes is a region of length 0.
---
---Returns nil, message, code if the system refuses, if the file can't be mapped,
---and if it ends before `offset + length` in a mode that can't extend it. A call
---that fails leaves the file as it was.
---@param file string|file*|nil a path, a handle of `io.open`, or nil with `fd`
---@param mode? mapped.Mode default `"r"`
---@param options? mapped.OpenOptions
---@return mapped.Region? region
---@return string? message
---@return integer? code
function mapped.open(file, mode, options) end

---@class mapped.SharedOptions
---@field offset? integer as in `mapped.open`
---@field reserve? integer as in `mapped.open`
---@field sparse? boolean as in `mapped.open`
---@field populate? boolean as in `mapped.open`
---@field huge? boolean|integer as in `mapped.open`
---@field permissions? integer of what is created, less the umask; default 0600

---Maps the shared memory that has this name: what `shm_open` in C and Python's
---SharedMemory have under it, with or without a slash before it. It stays until
---`mapped.unlink`. Mode `"r+"` attaches, `"x+"` creates and fails if it exists,
---`"a+"` attaches or creates, `"w+"` creates or truncates, `"r"` attaches read-only.
---Returns nil, message, code as `mapped.open`; raises for a name that none can
---have.
---@param name string
---@param length? integer bytes, exactly; default: all there are
---@param mode? mapped.Mode default `"r+"`
---@param options? mapped.SharedOptions
---@return mapped.Region? region
---@return string? message
---@return integer? code
function mapped.shared(name, length, mode, options) end

---Removes the name of shared memory, see `mapped.shared`. Those who have it
---mapped keep it. Returns nil, message, code if the system refuses; raises for a
---name that none can have.
---@param name string
---@return boolean? done
---@return string? message
---@return integer? code
function mapped.unlink(name) end

---@class mapped.AnonymousOptions
---@field shared? boolean memory that crosses fork and has a descriptor
---@field reserve? integer as in `mapped.open`
---@field huge? boolean|integer as in `mapped.open`

---Makes a region of `length` zero bytes that is no file. Returns nil, message,
---code if there is not enough memory or address space.
---@param length integer
---@param options? mapped.AnonymousOptions
---@return mapped.Region? region
---@return string? message
---@return integer? code
function mapped.anonymous(length, options) end

---Returns the layout that a text describes, such as
---`"< id:u32 price:f64@8 name:char[16] levels:f32[3] size=64"`. Fields are
---`name:type`, `name:type[count]` and `name:type@offset`; types are `u8` to `u128`
---and `i8` to `i128`, `f16 bf16 f32 f64`, `bool` and `char`, with `le` or `be` behind
---for a byte order, or a layout in braces, `pos:{x:f32 y:f32}`. A field named `_` is
---padding. Before the first field: `<`, `>` or `=` for the byte order of all, `align`
---for the alignment of C. `size=n` makes records longer than their fields. Raises if
---the text is malformed.
---@param text string
---@return mapped.Layout
function mapped.layout(text) end

---Switches the fault guard of the whole process on or off, and returns whether it
---was on. While it is off a lost page kills the process, as it does with mmap.
---Switching it on puts it in front of handlers for SIGBUS that were installed
---later.
---@param enabled? boolean nil: changes nothing
---@return boolean before
function mapped.guard(enabled) end

---What this process has through mapped: `regions` that are open, the sum of their
---lengths in `bytes`, `exports` that live, and `faults`, the lost pages that were
---met since it began.
---@return { regions: integer, bytes: integer, exports: integer, faults: integer }
function mapped.stats() end

---Bytes to read. An array stands for the bytes of its elements. If other bytes
---lie between them, as in a column, the elements are copied first.
---A userdata of a C library that lends its memory by `luabuffer.h` stands for a
---string of its bytes.
---@alias mapped.Data string|mapped.View|mapped.Array|userdata

---A needle: bytes to search for. A number stands for its text, as with
---`string.find`.
---@alias mapped.Needle mapped.Data|number

---What `mapped.type` calls our objects. Each but the layout may be closed.
---@alias mapped.TypeName
---| "region"
---| "slice"
---| "array"
---| "records"
---| "record"
---| "layout"
---| "windows"
---| "atomic"
---| "lock"
---| "mutex"
---| "ring"
---| "closed region"
---| "closed slice"
---| "closed array"
---| "closed records"
---| "closed record"
---| "closed windows"
---| "closed atomic"
---| "closed lock"
---| "closed mutex"
---| "closed ring"

---Returns what kind of object `x` is, with "closed " before it if its region, or
---its file, is closed (of a lock, if it has ended); nil if it is none of ours. As
---`io.type` does for files.
---@param x any
---@return mapped.TypeName?
function mapped.type(x) end

---A `string.pack` code of one value: an optional `<`, `>` or `=`, then one of
---`b B h H l L j J T i[n] I[n] f d n`, n from 1 to 16; or a layout's name of a
---type, such as `u32`, `f16be` or `bf16`, unless it is a code too, as `i8` and `i16`
---are. `bool` is a boolean, `char` a string of one byte.
---@alias mapped.Code string

---Opens a file of any size for a walk in windows of `size` bytes, of which no
---more than one is mapped at a time:
---
---    for window in mapped.windows(path, 1 << 20) do
---      local offset = window:region():file_offset()
---      ...
---    end
---
---Each window but the first begins with the last `overlap` bytes of the one
---before. The next window closes the one before: copy what you need longer, or
---map it by `mapped.open`. The walk goes on to where the file ends by then, so it
---includes what others append meanwhile. The end of the loop closes the file.
---
---Raises if the system refuses, as `io.lines` does, for a `size` of 0, and for an
---`overlap` that is not less than the size.
---@param file string|file* a path or a handle of `io.open`, which stays yours
---@param size integer
---@param overlap? integer default 0
---@return mapped.Windows windows
---@return nil
---@return nil
---@return mapped.Windows windows
function mapped.windows(file, size, overlap) end

---Orders this process's accesses before the call and after it, as C11's
---`atomic_thread_fence` does.
---@param order? mapped.Order default "seq_cst"
function mapped.fence(order) end

---Returns the robust mutex in the first eight bytes, at a multiple of eight in
---memory, which are zero while it is free. Raises for fewer bytes, a misaligned
---place, and read-only memory.
---@param slice mapped.View
---@return mapped.Mutex
function mapped.Mutex(slice) end

---A lock in shared memory for all processes that map it, made by `mapped.Mutex`.
---When its owner dies, the next one gets it and is told so. A process that locks
---it twice waits for itself.
---@class mapped.Mutex
local Mutex = {}

---Takes the mutex, and returns it, to be held by a variable:
---`local held <close> = assert(mutex:lock())`. The second result is true if the
---last owner died with it: then what it guards may be half changed. Or returns
---nil and "timeout" after so many seconds, or "interrupted" when a signal has
---come. Raises when the region is closed.
---@param timeout? number seconds; default and `math.huge`: without end
---@return mapped.Mutex? held
---@return boolean|string owner_died
function Mutex:lock(timeout) end

---Gives the mutex back. Raises if this process doesn't hold it.
function Mutex:unlock() end

---Gives the mutex back although what it guards is half changed: the next one to
---lock it is told that its owner died. Raises as `unlock`.
function Mutex:abandon() end

---Returns the ring in the slice, which begins at a multiple of eight in memory. A
---slice that is all zero becomes an empty ring. Raises for a slice that is neither
---all zero nor a ring of its size, for less than 320 bytes, a misaligned place,
---and read-only memory.
---@param slice mapped.View
---@return mapped.Ring
function mapped.Ring(slice) end

---A queue of records in shared memory, from any number of senders to any number
---of receivers, in all processes that map it, made by `mapped.Ring`. Each record
---is any number of bytes and is received once, in the order in which they were
---sent. A process that dies takes nothing with it: a record is sent when it is
---whole, and what was not released yet is received by the next one.
---
---A wait without a timeout lasts until it succeeds. Else it returns nil and
---"timeout" after so many seconds, or "interrupted" when a signal has come.
---Every function but `capacity`, `longest`, `region` and `cancel` raises when the
---region is closed, has lost the page, or the ring's memory is damaged.
---
---Records in place:
---
---    local record = ring:reserve(100)
---    record:pack("I4 s2", 1, 7, "text")
---    ring:commit()
---
---    local record = ring:peek()
---    ...
---    ring:release()
---
---From `reserve` to `commit` nobody else sends, from `peek` to `release` nobody
---else receives, and the region can't be closed. `cancel` ends both, and so do
---the end of the block of `local held <close> = ring`, the collector and the end
---of the state.
---@class mapped.Ring
local Ring = {}

---Sends a copy of the bytes. Raises if they are more than `Ring:longest`.
---@param data mapped.Data
---@param timeout? number seconds
---@return true? sent
---@return string? reason
function Ring:send(data, timeout) end

---Sends if there is room now and nobody else is in the middle of a send. Returns
---whether it has.
---@param data mapped.Data
---@return boolean sent
function Ring:try_send(data) end

---Sends all records of the list, as many in one step as there is room for.
---Raises before it sends any if one of them can't be sent. Returns how many were
---sent; if that isn't all, also "timeout" or "interrupted".
---@param list mapped.Data[]
---@param timeout? number seconds
---@return integer sent
---@return string? reason
function Ring:send_many(list, timeout) end

---Receives the next record. If there is no memory for the string, the record is
---lost; `peek` and `release` lose nothing.
---@param timeout? number seconds
---@return string? record
---@return string? reason
function Ring:recv(timeout) end

---Receives the next record if there is one now and nobody else is in the middle
---of a receive; else returns nil.
---@return string? record
function Ring:try_recv() end

---Receives what is there in one step: waits for one record, and returns that and
---those behind it. If there is no memory for the strings, the records are lost.
---@param max? integer how many at most; default: no limit
---@param timeout? number seconds
---@return string[]? records
---@return string? reason
function Ring:recv_many(max, timeout) end

---Returns the next n bytes, to write a record there; what is in them is
---undefined. More records may be reserved before the commit; there is no wait for
---room for these.
---@param n integer
---@param timeout? number seconds
---@return mapped.Slice? record
---@return string? reason
function Ring:reserve(n, timeout) end

---Sends all that was reserved in one step. Raises if nothing was.
---@param n? integer the final length of the record that was reserved last
function Ring:commit(n) end

---Returns the next record, which stays in the ring until it is released. More
---records may be peeked at before; there is no wait for these.
---@param timeout? number seconds
---@return mapped.Slice? record
---@return string? reason
function Ring:peek(timeout) end

---Takes all that was peeked at out of the ring in one step; then others may
---overwrite it. Raises if nothing was.
function Ring:release() end

---Drops what was reserved, and gives back what was peeked at.
function Ring:cancel() end

---Returns an iterator that receives records: `for record in ring:iter(1) do`.
---The loop ends when no record has come for so many seconds. A signal raises.
---@param timeout? number seconds
---@return fun(): string?
function Ring:iter(timeout) end

---Returns how many bytes there are for records; each takes eight more than it
---has, and is padded to a multiple of eight.
---@return integer
function Ring:capacity() end

---Returns the length of the longest record that can be sent.
---@return integer
function Ring:longest() end

---Returns how many bytes are taken by records that nobody has received yet.
---@return integer
function Ring:used() end

---Returns how many senders have died while they held their end.
---@return integer
function Ring:senders_died() end

---Returns how many receivers have died while they held theirs.
---@return integer
function Ring:receivers_died() end

---Returns the region that the ring is in.
---@return mapped.Region
function Ring:region() end

---Bytes of a file that are locked, made by `View:lock`.
---@class mapped.Lock
local Lock = {}

---Ends the lock. Raises if it has ended.
function Lock:unlock() end

---Returns whether the lock still holds.
---@return boolean
function Lock:held() end

---@alias mapped.Order "seq_cst"|"relaxed"|"acquire"|"release"|"acq_rel"

---A word that threads and processes change in one step, made by `View:atomic`.
---C's <stdatomic.h> and other languages' atomics of that width mean the same by
---it. Sums wrap around, and Lua takes an unsigned 64-bit integer for a signed one.
---Every function raises when the region is closed or has lost the page, and for an
---order that its access can't have; those that write raise on read-only memory.
---@class mapped.Atomic
local Atomic = {}

---Returns the word.
---@param order? mapped.Order default "seq_cst"
---@return integer
function Atomic:load(order) end

---Stores `value`.
---@param value integer
---@param order? mapped.Order default "seq_cst"
function Atomic:store(value, order) end

---Stores `value` and returns what the word was.
---@param value integer
---@param order? mapped.Order default "seq_cst"
---@return integer before
function Atomic:exchange(value, order) end

---Stores `desired` if the word is `expected`, and returns what it was: if that
---is `expected`, it was stored.
---@param expected integer
---@param desired integer
---@param order? mapped.Order default "seq_cst"
---@return integer before
function Atomic:compare_exchange(expected, desired, order) end

---Adds, and returns what the word was.
---@param value integer
---@param order? mapped.Order default "seq_cst"
---@return integer before
function Atomic:add(value, order) end

---Subtracts, and returns what the word was.
---@param value integer
---@param order? mapped.Order default "seq_cst"
---@return integer before
function Atomic:sub(value, order) end

---Keeps the bits that `value` has, and returns what the word was.
---@param value integer
---@param order? mapped.Order default "seq_cst"
---@return integer before
function Atomic:and_(value, order) end

---Sets the bits that `value` has, and returns what the word was.
---@param value integer
---@param order? mapped.Order default "seq_cst"
---@return integer before
function Atomic:or_(value, order) end

---Flips the bits that `value` has, and returns what the word was.
---@param value integer
---@param order? mapped.Order default "seq_cst"
---@return integer before
function Atomic:xor(value, order) end

---Sleeps while the word is `value`, and returns what it is then; or nil and
---"timeout" when it is still `value` after so many seconds, or "interrupted" when
---a signal has come. Whoever changes the word, in any process, calls `notify`
---after that.
---@param value integer
---@param timeout? number seconds; default and `math.huge`: without end
---@return integer? found
---@return string? why
function Atomic:wait(value, timeout) end

---Wakes at most `count` threads that wait for the word, in any process, or all,
---and returns how many, or 0 where the system doesn't tell.
---@param count? integer
---@return integer woken
function Atomic:notify(count) end

---Returns the region that the word is in.
---@return mapped.Region
function Atomic:region() end

---Returns where the word begins, in bytes from the region's first.
---@return integer
function Atomic:offset() end

---A walk over a file, made by `mapped.windows`. Called, it returns the next
---window, a read-only slice, or nil at the end. Positions are those in the file
---and count from 1.
---@class mapped.Windows
---@overload fun(): mapped.Slice?
local Windows = {}

---Looks for bytes from position `init` on in the whole file, also across the edge
---of a window. The walk stays where it is. Returns the first and the last position
---of the match, or nil. There are no patterns.
---@param x string|mapped.View|mapped.Array
---@param init? integer default 1
---@return integer? first
---@return integer? last
function Windows:find(x, init) end

---Returns how many occurrences that don't overlap there are in the file.
---@param x string|mapped.View|mapped.Array
---@return integer
function Windows:count(x) end

---Iterates over all lines of the file, each a slice, which with `keep` includes
---its "\n". None is cut by the edge of a window: for one that is longer, as much
---is mapped as it takes. A line is valid until the next one comes, and may be
---closed then.
---@param keep? boolean
---@return fun(): mapped.Slice?
function Windows:lines(keep) end

---Lets the next window begin at that position.
---@param pos integer
function Windows:seek(pos) end

---The size in bytes of the file as it is now.
---@return integer? size
---@return string? message
---@return integer? code
function Windows:size() end

---Closes the file. The last window stays open.
function Windows:close() end

---Returns whether the windows were closed. Never raises.
---@return boolean
function Windows:closed() end

---What regions and slices have in common. `#v` is the length in bytes. `v[i]` is
---a byte as an integer, or nil out of range; `v[i] = byte` stores one, and raises
---out of range.
---
---`a == b` compares contents and never raises: an object that can't be read,
---because it is closed or has lost a page, equals only itself. Regions and slices
---count as arrays of bytes. Arrays are equal if their elements are, whatever
---their types, and records if their fields are. Numbers count as what is stored:
---a `u64` from 2^63 on equals no `i64`, though Lua reads both as the same
---negative integer. `<` and `<=` compare bytes, also with a string. `..` makes a
---string, of two views or arrays or of one and a string or number, in both
---orders. `ipairs(v)` and `pairs(v)` iterate over positions and bytes.
---
---No function ignores an argument: one that it doesn't take is an error.
---@class mapped.View
---@operator len: integer
---@operator concat(mapped.Needle): string
---@field [integer] integer
local View = {}

---Returns the bytes that `string.sub` would return, as a slice, without a copy.
---@param i integer
---@param j? integer default -1
---@return mapped.Slice
function View:sub(i, j) end

---Returns `length` bytes from `pos` on as a slice, without a copy. Raises if they
---don't all exist.
---@param pos integer
---@param length integer
---@return mapped.Slice
function View:slice(pos, length) end

---Returns the bytes at `i` to `j` as integers, like `string.byte`.
---@param i? integer default 1
---@param j? integer default `i`
---@return integer ...
function View:byte(i, j) end

---Returns a copy as a string. The positions are clamped as by `string.sub`.
---@param i? integer default 1
---@param j? integer default -1
---@return string
function View:tostring(i, j) end

---Stores all of `data` at `pos`, or raises and stores nothing if it doesn't fit.
---@param pos integer
---@param data mapped.Data
function View:write(pos, data) end

---`write` with the arguments the other way round. `data` may overlap.
---@param data mapped.Data
---@param pos? integer default 1
function View:copy_from(data, pos) end

---Stores all of these bytes in `destination`; the two may overlap. A column can't
---be the destination: use its `copy_from`, which takes values.
---@param destination mapped.View|mapped.Array
---@param pos? integer in bytes; default 1
function View:copy_to(destination, pos) end

---Sets every byte, or those at `i` to `j`, which are clamped as by `string.sub`.
---@param byte integer 0 to 255
---@param i? integer default 1
---@param j? integer default -1
function View:fill(byte, i, j) end

---Writes the bytes to the disk and waits until it has them, and the file's size, and
---its entry in the folder if it was created by this region: from then on they
---survive a loss of power. With `wait = false` the writing only begins. After a
---failure every later flush of the region fails too, until `recover` has marked the
---pages as changed again. Raises on a read-only or closed region.
---@param options? { wait?: boolean } default true
---@return true? ok
---@return string? message if the disk fails, a page is lost, or there is no disk
---@return integer? code
function View:flush(options) end

---Copies `n` bytes from one position to another; they may overlap.
---@param to integer
---@param from integer
---@param n integer
function View:move(to, from, n) end

---Returns whether the contents are the same.
---@param data mapped.Data
---@return boolean
function View:equals(data) end

---Reads one value, at any alignment. Raises if it is not all inside, and for an
---integer wider than 8 bytes that Lua can't hold.
---@param code mapped.Code
---@param pos? integer default 1
---@return number|boolean|string
function View:get(code, pos) end

---Stores one value. Raises, and stores nothing, if the value is out of the
---type's range.
---@param code mapped.Code
---@param pos integer
---@param value number|boolean|string
function View:set(code, pos, value) end

---Reads the values of a format, as `string.unpack` does with the same formats and
---errors, and returns them and the position after the last.
---@param format string
---@param pos? integer default 1
---@return any ...
function View:unpack(format, pos) end

---Stores values as `string.pack` does, with the same formats and errors. A view
---may stand for a string.
---@param format string
---@param pos integer
---@param ... any
---@return integer next the position after the last
function View:pack(format, pos, ...) end

---As `string.find`, in place: it takes Lua's patterns, `init` and `plain`, and has
---the same errors, which also name the position in the pattern. A pattern that is
---neither a string nor a number is searched for as plain bytes. Raises if the
---result depends on a lost page.
---@param pattern string|number|mapped.View|mapped.Array
---@param init? integer default 1
---@param plain? boolean
---@return integer? first
---@return integer? last
---@return any ... captures
function View:find(pattern, init, plain) end

---As `string.match`, in place; see `find`. A pattern that is a view matches its
---bytes and nothing else, here, in `gmatch` and in `gsub`.
---@param pattern string|mapped.View|mapped.Array
---@param init? integer default 1
---@return any ... captures, or the whole match; nil if there is none
function View:match(pattern, init) end

---As `string.gmatch`, in place; see `find`.
---@param pattern string|mapped.View|mapped.Array
---@param init? integer default 1
---@return fun(): any ...
function View:gmatch(pattern, init) end

---As `string.gsub`: returns a new string, and changes nothing here. It raises if
---the function closes the region. A replacement that is a view stands for its
---bytes; a function and a table may give views, too.
---
---With a `target` the result is stored there from its first byte on, no string is
---made of it, and its length takes the place of the string. Raises if the result
---doesn't fit, with as much stored as did, and if the target overlaps the bytes
---that are searched.
---@param pattern string|mapped.View|mapped.Array
---@param replacement string|number|table|function|mapped.View|mapped.Array
---@param n? integer at most so many times
---@param target? mapped.View
---@return string|integer result
---@return integer count
function View:gsub(pattern, replacement, n, target) end

---Returns the first and the last position of the last match that begins at `init`
---or behind; nil if there is none. There are no patterns.
---@param data mapped.Needle
---@param init? integer default 1
---@return integer? first
---@return integer? last
function View:rfind(data, init) end

---Returns how many matches there are within `i` to `j`, counted from the front
---and without overlap. The positions are clamped as by `string.sub`. There are no
---patterns.
---@param data mapped.Needle
---@param i? integer default 1
---@param j? integer default -1
---@return integer
function View:count(data, i, j) end

---Returns whether the bytes begin with these.
---@param data mapped.Needle
---@return boolean
function View:startswith(data) end

---Returns whether the bytes end with these.
---@param data mapped.Needle
---@return boolean
function View:endswith(data) end

---Iterates over the lines, each a slice, without a copy. A line ends with "\n",
---which `keep` makes part of it, or with the last byte; "\r" is an ordinary byte.
---@param keep? boolean
---@return fun(): mapped.Slice?
function View:lines(keep) end

---Iterates over the parts between separators, each a slice, without a copy. There
---is always one part more than there are separators. There are no patterns.
---@param separator mapped.Needle not empty
---@return fun(): mapped.Slice?
function View:split(separator) end

---Returns the same bytes as an array of that type, at any alignment, without a
---copy. Raises unless the length is a multiple of the element's size.
---@param code mapped.Code
---@return mapped.Array
function View:cast(code) end

---Returns, in LuaJIT, a view of the bytes as elements of a C type of its library
---ffi; other Luas raise. LuaJIT compiles its accesses to loads and stores between
---the checks. It has `#view`, `view[i]` and `view[i] = value` with positions from
---1, as all of this module; outside, `view[i]` is nil and a write raises. The
---bytes are in the machine's order and need not be aligned. The view keeps the
---region alive, but not open.
---
---A value that doesn't fit the type raises and is not stored, unlike with ffi
---itself. 64-bit integers are `int64_t` and `uint64_t`, as always in ffi.
---
---An element that is a struct or an array is no copy and no reference: it stands
---for the place, and each access to its fields and items (from 1) is checked
---again. A struct or array can be assigned as a whole where it is an element of
---the view, as cdata or table, whose numbers ffi converts without a check;
---`view:copy(i)` returns one as a cdata of its own. Nothing checks the items of
---that, and a struct's place is a table that holds addresses: whoever may call
---this method can do what ffi can.
---
---Raises for types without a fixed size, for pointers and references, which mean
---nothing in a file, unless the length is a multiple of the size, and on a device.
---@param ctype any a C type as text, `ffi.typeof(...)` or a cdata of it
---@return any view
function View:ffi(ctype) end

---Locks these bytes of the file, with others who share them or alone, and returns
---the lock, which ends when its variable goes out of scope (`<close>`) or by
---`unlock`. It keeps out all who ask for a lock: in other processes, also by
---`fcntl`, and in this one. If its holder dies it is free.
---
---Returns nil and "timeout" if others have them still after `timeout` seconds,
---nil and "interrupted" when a signal has come; nil, message, code if the memory
---is no file. Raises for a lock alone of a read-only region, and for no bytes.
---@param options? {shared?: boolean, timeout?: number}
---@return mapped.Lock? lock
---@return string? message
---@return integer? code
function View:lock(options) end

---Returns the word of that type at position `pos`: an integer of 32 or 64 bits
---that threads and processes change in one step. Raises unless it lies at a
---multiple of its size in memory, and on a device.
---@param code mapped.Code such as "I4", "<i8", "u64"
---@param pos? integer default 1
---@return mapped.Atomic
function View:atomic(code, pos) end

---Returns the same bytes as records of that layout, or of the layout that the
---text describes, without a copy. Raises unless the length is a multiple of the
---layout's size.
---@param layout mapped.Layout|string
---@return mapped.Records
function View:records(layout) end

---Returns the address of the first byte, for C code such as lrexlib that takes
---objects with `topointer` and a length. This is an export, which lasts until the
---region is collected. The address stays valid that long: to shrink the region
---returns nil, message, `mapped.status.BUSY`; growth leaves the exported memory
---in place (see `Region:resize`), and `close` fills it with zeros.
---
---A C library that knows `luabuffer.h`, which is installed with this module, takes
---a region, slice, array or records itself: it gets address, length and whether it
---may write, for a time that it ends, and is told of lost pages. Until then to
---close or shrink the region returns `mapped.status.BUSY`.
---
---A lost page reads as zeros through the address, and `close` returns an error
---for it. Raises if a page of these bytes is known to be lost.
---@return lightuserdata
function View:topointer() end

---Returns a handle of the io library over the bytes that there are now, at the
---first one: `read`, `lines`, `seek`, `write`, `io.output` and C libraries that take
---a handle do with it what they do with a file. It never gets longer: a write
---behind the last byte fails with ENOSPC.
---
---In mode "r+", the default where the bytes can be written, the handle has no
---buffer: a write is in the memory when it returns. In mode "r" it only reads, and
---has a buffer, which makes it ten times as fast. The handle keeps the region
---alive, but not open: once that is closed, reads and writes fail with EBADF. A
---lost page fails with its cause, as ENODATA. The handle has no descriptor, so
---`mapped.open` refuses it.
---@param mode? "r"|"r+"
---@return file*? handle
---@return string? message for devices, and where the system has no such streams
---@return integer? code
function View:file(mode) end

---Writes the bytes to a handle, whose buffer may keep the last of them until it is
---flushed, or to a descriptor, at the place where that is, without a string.
---Returns how many they are; or nil, a message, errno and how many were written
---before the failure. Raises if a page is lost, and writes nothing of it.
---@param file file*|integer
---@return integer? written
---@return string? message
---@return integer? errno
---@return integer? written
function View:write_to(file) end

---How bytes will be used. No advice changes a byte.
---@alias mapped.Advice
---| "normal" as if nothing had been said
---| "sequential" from the front: read far ahead
---| "random" here and there: don't read ahead
---| "willneed" soon: begin to read
---| "cold" not soon: may go first if memory is short
---| "pageout" not soon: write back and let go now
---| "hugepage" in transparent huge pages where possible
---| "nohugepage"

---Tells the system how the bytes will be used, for whole pages. Raises for advice
---that doesn't exist; returns nil, message, code where the system has it not.
---@param kind mapped.Advice
---@return true? done
---@return string? message
---@return integer? code
function View:advise(kind) end

---Makes every byte zero, and gives back what the bytes took: memory, or blocks of
---the file, whose length stays. What is written there later needs room again: on a
---full disk its page is lost. Returns nil, message, code in mode "c", and if the
---file system can't.
---@return true? done
---@return string? message
---@return integer? code
function View:discard() end

---Drops the private changes of a region in mode "c": the bytes are those of the
---file again. Returns nil, message, code in other modes.
---@return true? done
---@return string? message
---@return integer? code
function View:revert() end

---Brings the bytes into memory, and waits until they are there, or with `wait`
---false reads them ahead in the background until the region is closed. `progress`
---is called with how many bytes are done and with all, every few MiB of a prefetch
---that waits; an error that it raises ends it. Raises if a page is lost.
---@param wait? boolean default true
---@param progress? fun(done: integer, total: integer)
---@return true? done
---@return string? message
---@return integer? code
function View:prefetch(wait, progress) end

---@class mapped.Residency
---@field page_size integer bytes
---@field pages integer that have a byte of these
---@field resident integer pages in memory
---@field dirty? integer pages that wait to be written back; nil where the system
---  doesn't tell: Linux does of files since 6.5
---@field writeback? integer pages that are being written back
---@field map? string a bit for each page, the first in the lowest bit of the first
---  byte, set for what is in memory

---Returns what the system tells of the pages that these bytes take, now; nil,
---message, code where it doesn't tell.
---@param map? boolean page by page, too
---@return mapped.Residency? residency
---@return string? message
---@return integer? code
function View:residency(map) end

---Keeps the bytes in memory until `munlock` or the end of the region. Whole pages
---are locked, and locks don't add up. A region that moves to grow loses them.
---Returns nil, message, errno if the process may not lock so much.
---@return true? done
---@return string? message
---@return integer? code
function View:mlock() end

---Lets the pages of these bytes go out of memory again.
---@return true? done
---@return string? message
---@return integer? code
function View:munlock() end

---With "r", refuses every write of one of these bytes from now on, as if the region
---had been opened for reading; with "r+", ends that, and raises if it was opened
---for reading. Returns nil, message, `mapped.status.BUSY` after `topointer`, whose
---address may be written through, and `mapped.status.UNSUPPORTED` for more than 32
---stretches that don't touch.
---@param mode "r"|"r+"
---@return true? done
---@return string? message
---@return integer? code
function View:protect(mode) end

---Returns whether one of the bytes can't be written. With `true`: returns a slice
---of the same bytes through which nothing can be written, nor through what is made
---from it: slices, arrays, records, atomic words. Others go on writing these bytes, and
---`region` returns the region as it is. The address that `topointer` returns
---can't say that it is for reading.
---@param view? true
---@return boolean|mapped.Slice
---@overload fun(self: mapped.View): boolean
---@overload fun(self: mapped.View, view: true): mapped.Slice
function View:readonly(view) end

---Returns whether the region was closed. Never raises.
---@return boolean
function View:closed() end

---Returns the region of a slice, which the slice keeps alive; of a region, the
---region itself.
---@return mapped.Region
function View:region() end

---Returns how many bytes of the region come before the first byte.
---@return integer
function View:offset() end

---A mapping: of a file, or anonymous memory. Closed by `close`, at the end of
---the scope of `local region <close>`, or when it is collected.
---@class mapped.Region: mapped.View
local Region = {}

---Ends all access, at once and for every slice and array. Closing again does
---nothing.
---
---Memory that `topointer` has exported stays valid until the region is collected,
---and reads as zeros from then on. The end of a `<close>` scope leaves it as it is
---instead, and emits a warning (see `warn`).
---
---If a page of the exported memory was lost since `topointer` was called, even if
---it has been recovered, the region is closed and `close` returns nil, a message
---with position and cause, and errno. The end of a `<close>` scope raises then,
---and a region that is collected emits a warning.
---@return true? done
---@return string? message
---@return integer? code
function Region:close() end

---Makes the region and, in a writable mode, its file `length` bytes long. Slices
---stay valid; one that reaches past the new end raises when it is used. Returns
---nil, message, code, and changes nothing, if the system refuses, or if the region
---would shrink after `topointer`. Exported memory stays valid when the region
---grows: that of a file and of shared memory has the same bytes as the region,
---other memory those of the time before.
---@param length integer
---@return true? done
---@return string? message
---@return integer? code
function Region:resize(length) end

---Grows the region by the length of `data`, which may be the region's own bytes,
---and stores it there: at the region's end, so where others append to the file
---too, hold a lock and call `refresh` first. The file gets longer in steps, ahead
---of the data, until `close` or `resize` trims it; if the process is killed
---before, it ends with a trailer that `open` knows. Errors are those of `resize`;
---after one the region is as long as before.
---@param data mapped.Data
---@return true? done
---@return string? message
---@return integer? code
function Region:append(data) end

---Follows a file that others make longer, cut, replace or remove, and returns
---what was found, one thing at a time. "longer": so is the region, up to the
---length it was opened with, if it was given one. "shorter": so is the region.
---"replaced": another file has the path, and nothing was left to show of the old
---one, so the region shows the new one. "removed": no file has the path; the
---region goes on to show the old one. "unchanged". From then on the region holds
---a descriptor. nil, message, code if it would have to move while there are
---pointers, or if the system refuses; raises past the reserve, and if pages are
---lost.
---@return "unchanged"|"longer"|"shorter"|"replaced"|"removed"? change
---@return string? message
---@return integer? code
function Region:refresh() end

---Returns the present size of the file in bytes; nil, message, code if the system
---doesn't know it.
---@return integer? size
---@return string? message
---@return integer? code
function Region:size() end

---Returns the offset in its file at which the region begins, as in
---`mapped.open`; 0 of what is no file.
---@return integer
function Region:file_offset() end

---Returns the mode that the region was opened with.
---@return mapped.Mode
function Region:mode() end

---Returns the path as given to `open`; nil if there was none.
---@return string?
function Region:name() end

---Returns the descriptor that the region holds and goes on holding; nil, message,
---code if it holds none, as in the modes "r" and "c".
---@return integer? fd
---@return string? message
---@return integer? code
function Region:fileno() end

---Seals shared anonymous memory for good: no process that has its descriptor can
---make it longer (`grow`, default true) or shorter (`shrink`, default true), or
---map it for writing from now on (`write`, default false). Returns nil, message,
---code for other regions.
---@param options? {grow?: boolean, shrink?: boolean, write?: boolean}
---@return boolean? sealed
---@return string? message
---@return integer? code
function Region:seal(options) end

---Returns true if no page of the region is known to be lost; else nil, a message
---that names the position and the cause, and errno: ENODATA if the file was
---truncated, ENOSPC if there was no space, EIO if the device or the memory failed.
---It reads no page, and a page is known to be lost only after it was read or
---written.
---@return boolean? whole
---@return string? message
---@return integer? errno
function Region:check() end

---Returns the ranges of lost pages: `pos` of the first byte from 1, `length` in
---bytes, `errno` as from `check`. For most regions there are none.
---@return { pos: integer, length: integer, errno: integer }[] ranges
function Region:faults() end

---Maps the file back over lost pages and reads each of them. Returns what `check`
---returns for those that are still lost; also nil, message, errno if the file
---can't be opened again.
---@return boolean? whole
---@return string? message
---@return integer? errno
function Region:recover() end

---A view of part of a region. It keeps the region alive, but not open.
---@class mapped.Slice: mapped.View

---What a record looks like: see `mapped.layout`.
---@class mapped.Layout
local Layout = {}

---Returns how many bytes one record has.
---@return integer
function Layout:size() end

---Returns the fields in the order of the text. `offset` is in bytes, from 0.
---@return { name: string, type: string, offset: integer }[]
function Layout:fields() end

---One record in place. Its fields are read and written by name; `pairs` iterates
---over them in the order of the layout. A number is a number, `bool` a boolean,
---`char[n]` a string without trailing zero bytes, to which a view can be assigned
---too, any other `[n]` an array in
---place, to which a table or an array of as many values can be assigned. A record
---in the record is a record in place, and `{...}[n]` are records in place; a
---record, a table of all its fields, or as many of these can be assigned. `==`
---compares the fields.
---@class mapped.Record
---@field [string] any

---An array of records of one layout. `#r` is their number; `r[i]` is one, in
---place, or nil out of range; `r[i] = values` stores all fields of a table or
---another record; `pairs` iterates over the records.
---@class mapped.Records
---@operator len: integer
---@field [integer] mapped.Record
local Records = {}

---Returns the records `i` to `j`, as `string.sub` counts.
---@param i integer
---@param j? integer default -1
---@return mapped.Records
function Records:sub(i, j) end

---Returns the bytes from the first record to the last, without a copy.
---@return mapped.Slice
function Records:bytes() end

---Returns a table of the records `i` to `j`, which count as in `sub`. Each is a
---table of its fields by name, and so are the arrays and records in it.
---@param i? integer default 1
---@param j? integer default -1
---@return table
function Records:totable(i, j) end

---Stores the records or tables at 1 to `#values`, from record `pos` on. Raises, and
---stores nothing, unless all of them fit.
---@param values table|mapped.Records
---@param pos? integer default 1
function Records:copy_from(values, pos) end

---Returns the layout of the records.
---@return mapped.Layout
function Records:layout() end

---Returns one field of all records, in place: as an array, or as records if the
---field is one. `k` selects one of what a field repeats that is no text.
---@param name string
---@param k? integer
---@return mapped.Array|mapped.Records
function Records:column(name, k) end

---Typed elements over bytes of a region. `#a` is their number; `a[i]` is one, or
---nil out of range; `a[i] = value` stores one, and raises if it is out of range
---or doesn't fit. `ipairs(a)` and `pairs(a)` iterate over them.
---@class mapped.Array
---@operator len: integer
---@field [integer] number|boolean|string
local Array = {}

---Returns the elements that `string.sub` would select as an array, without a copy.
---@param i integer
---@param j? integer default -1
---@return mapped.Array
function Array:sub(i, j) end

---Returns a table of the elements `i` to `j`, which count as in `sub`.
---@param i? integer default 1
---@param j? integer default -1
---@return table
function Array:totable(i, j) end

---Stores the values at 1 to `#values`, from element `pos` on. Raises, and stores
---nothing, unless all of them fit.
---@param values table|mapped.Array
---@param pos? integer default 1
function Array:copy_from(values, pos) end

---Returns the bytes from the first element to the last, in a column with those
---between them, without a copy.
---@return mapped.Slice
function Array:bytes() end

---As `View:readonly`; with `true` it returns an array.
---@param view? true
---@return boolean|mapped.Array
---@overload fun(self: mapped.Array): boolean
---@overload fun(self: mapped.Array, view: true): mapped.Array
function Array:readonly(view) end

---Returns whether the region was closed. Never raises.
---@return boolean
function Array:closed() end

---Returns the region that the elements are in.
---@return mapped.Region
function Array:region() end

---Returns how many bytes of the region come before the first element.
---@return integer
function Array:offset() end

return mapped
