-- Makes a link the session of its key.
-- KEYS: session, tombstone of the link, roster of its server
-- ARGV: mid, link, server, platform, highest epoch seen, TTL in ms, key,
--   name of a roster without its server
-- Returns the session as it is stored, or nil if the link is gone.
--
-- A session is "epoch mid link server platform", followed by the same of the
-- session that it replaced, so that a repeated login gets the answer of the
-- first. The epoch alone is what is left of one that ended a moment ago, so
-- that the next is above it, however fast it comes and whatever the clock does.
-- Each redis.call costs as much as all the rest of this script, so there are
-- few.
local stored = redis.call('MGET', KEYS[1], KEYS[2])
if stored[2] then
  return false
end
local mid, link, server, platform, seen, ttl, key, rosters = unpack(ARGV)
local floor = tonumber(seen) + 1
local loser = ''
local old = stored[1]
if old then
  floor = math.max(floor, tonumber(string.match(old, '^%d+')) + 1)
  local first, link2, server2 = string.match(old, '^(%d+ %-?%d+ (%d+) (%S+) %S+)')
  if first then
    if link2 == link and server2 == server then
      redis.call('PEXPIRE', KEYS[1], ttl)
      return old
    end
    loser = ' ' .. first
    if server2 ~= server then
      list(rosters .. server2, key, nil, ttl)
    end
  end
end
local time = redis.call('TIME')
local epoch = string.format('%d', math.max(floor, time[1] * 1000000 + time[2]))
local session = epoch .. ' ' .. mid .. ' ' .. link .. ' ' .. server .. ' ' .. platform .. loser
redis.call('SET', KEYS[1], session, 'PX', ttl)
list(KEYS[3], key, mid .. ' ' .. link .. ' ' .. epoch, ttl)
return session
