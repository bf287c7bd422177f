-- Tells how many ms ago the registry began and last showed a loss; -1: never.
-- KEYS: begun, loss
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ages = {}
for i, key in ipairs(KEYS) do
  local at = redis.call('GET', key)
  ages[i] = at and math.max(0, now - at) or -1
end
return ages
