-- Makes a link that lives at its comet the session of its key again, at the
-- epoch that it has, unless a later login has the key, or had it.
-- KEYS: session, tombstone of the link, roster of its server
-- ARGV: mid, link, server, platform ("p": unknown), epoch, TTL in ms, key, name
--   of a roster without its server
-- Returns who has the key then, and whom that replaced now; nil if the link is
-- gone. A loser is not named again when this is repeated: its comet finds that
-- its roster lacks it.
if redis.call('EXISTS', KEYS[2]) == 1 then
  return false
end
local mid, link, server, platform, epoch, ttl, key, rosters = unpack(ARGV)
local rest, before = ' ' .. platform, ''
local old = redis.call('GET', KEYS[1])
if old then
  local first, epoch2, link2, server2, platform2, more =
    string.match(old, '^((%d+) %-?%d+ (%d+) (%S+) (%S+))(.*)$')
  if first and link2 == link and server2 == server then
    before = more
    if platform == 'p' then rest = ' ' .. platform2 end
  elseif tonumber(string.match(old, '^%d+')) >= tonumber(epoch) then
    return old
  elseif first then
    rest = rest .. ' ' .. first
    if server2 ~= server then
      list(rosters .. server2, key, nil, ttl)
    end
  end
end
local session = epoch .. ' ' .. mid .. ' ' .. link .. ' ' .. server .. rest
redis.call('SET', KEYS[1], session .. before, 'PX', ttl)
list(KEYS[3], key, mid .. ' ' .. link .. ' ' .. epoch, ttl)
return session
