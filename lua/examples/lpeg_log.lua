-- Parses the lines of a large log that have a word, with LPeg. LPeg matches
-- strings only, so each line that is parsed becomes one; but the search for the
-- word runs over the mapped bytes, and no other line is ever copied.
--
-- Usage: lpeg_log.lua FILE WORD
-- A line is `TIME LEVEL key=value key="some words" ...`. It prints how often
-- each value of the key `code` comes, in lines that have the word.
local mapped = require "mapped"
local lpeg = require "lpeg"

local P, S, R, C, Cf, Cg, Ct = lpeg.P, lpeg.S, lpeg.R, lpeg.C, lpeg.Cf,
  lpeg.Cg, lpeg.Ct
local space = S " \t" ^ 1
local token = C((1 - S " \t=\"") ^ 1)
local quoted = P '"' * C((1 - P '"') ^ 0) * P '"'
local key = C((R("az", "AZ", "09") + P "_") ^ 1)
local pair = Cg(key * "=" * (quoted + token))
local pairs_ = Cf(Ct "" * (space * pair) ^ 0, rawset)
local line = token * space * token * pairs_

-- Calls `found` with the string of each line that has the word.
local function each_line(region, word, found)
  local position = 1
  while true do
    local first, last = region:find(word, position, true)
    if not first then
      return
    end
    local before = region:sub(position, first - 1):rfind("\n")
    local begins = before and position + before or position
    local ends = region:find("\n", last + 1, true) or #region + 1
    found(region:tostring(begins, ends - 1))
    position = ends + 1
  end
end

local region <close> = assert(mapped.open(arg[1]))
local counts = {}
each_line(region, arg[2], function(text)
  local _, _, fields = line:match(text)
  if fields and fields.code then
    counts[fields.code] = (counts[fields.code] or 0) + 1
  end
end)
local codes = {}
for code in pairs(counts) do
  codes[#codes + 1] = code
end
table.sort(codes)
for _, code in ipairs(codes) do
  print(code, counts[code])
end
