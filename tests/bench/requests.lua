-- wrk: sends the requests of a file one after the other, each after a line with its length.
-- Arguments: the file, and the first number to put in place of the marker.

local marker = "############"
local parts = {}
local serial = 0
local turn = 0

function init(args)
  local file = assert(io.open(args[1], "rb"))
  serial = tonumber(args[2])
  while true do
    local length = file:read("*n")
    if not length then break end
    file:read(1)
    local text = file:read(length)
    local from, to = text:find(marker, 1, true)
    if from then
      parts[#parts + 1] = { text:sub(1, from - 1), text:sub(to + 1) }
    else
      parts[#parts + 1] = { text }
    end
  end
  file:close()
end

function request()
  turn = turn % #parts + 1
  local part = parts[turn]
  if not part[2] then return part[1] end
  serial = serial + 1
  return part[1] .. string.format("%012d", serial) .. part[2]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\n{"completed":%d,"seconds":%f,"failed":%d}\n',
    summary.requests, summary.duration / 1e6,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
