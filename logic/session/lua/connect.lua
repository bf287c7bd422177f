-- Makes a link the session of its key.
-- KEYS: session, tombstone of the link
-- ARGV: mid, link, server, highest epoch seen, TTL in ms
-- Returns the session as it is stored, or nil if the link is gone.
--
-- A session is "epoch mid link server", followed by the same of the session
-- that it replaced, so that a repeated login gets the answer of the first. The
-- epoch alone is what is left of one that ended a moment ago, so that the next
-- is above it, however fast it comes and whatever the clock does.
if redis.call('EXISTS', KEYS[2]) == 1 then
  return false
end
local floor = tonumber(ARGV[4]) + 1
local loser = ''
local old = redis.call('GET', KEYS[1])
if old then
  floor = math.max(floor, tonumber(string.match(old, '^%d+')) + 1)
  local first, link, server = string.match(old, '^(%d+ %-?%d+ (%d+) (%S+))')
  if first then
    if link == ARGV[2] and server == ARGV[3] then
      redis.call('PEXPIRE', KEYS[1], ARGV[5])
      return old
    end
    loser = ' ' .. first
  end
end
local time = redis.call('TIME')
local epoch = math.max(floor, time[1] * 1000000 + time[2])
local session = string.format('%.0f %s %s %s', epoch, ARGV[1], ARGV[2], ARGV[3]) .. loser
redis.call('SET', KEYS[1], session, 'PX', ARGV[5])
return session
