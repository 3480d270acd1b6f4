-- Sends a file over LuaSocket without a string of it: LuaSocket's own `send`
-- takes strings only, but `write_to` writes the mapped bytes to the socket's
-- descriptor. LuaSocket's sockets never block, so a full one says EAGAIN, and
-- `socket.select` waits until it has room.
--
-- Usage: send_file.lua FILE HOST PORT
local mapped = require "mapped"
local socket = require "socket"

local EAGAIN = 11

-- Sends all bytes of the view. Returns their number; or nil and a message.
local function send(to, view)
  local position = 1
  while position <= #view do
    local sent, message, code, part = view:sub(position):write_to(to:getfd())
    if not sent and code ~= EAGAIN then
      return nil, message
    end
    position = position + (sent or part)
    if not sent then
      socket.select(nil, { to })
    end
  end
  return #view
end

local region <close> = assert(mapped.open(arg[1]))
region:advise("sequential")
local to = assert(socket.connect(arg[2], tonumber(arg[3])))
print(assert(send(to, region)))
to:close()
