-- Removes the session of a key if it is still that of the link, and leaves a
-- tombstone of the link, which a login of it that comes late respects.
-- KEYS: session, tombstone of the link, roster of its server
-- ARGV: link, server, epoch (0: any), TTL of the tombstone in ms, key, TTL of
--   the roster in ms
-- Returns 1 if a session was removed, else 0. Its epoch stays as long as the
-- tombstone; see connect.lua.
local link, server, epoch, ttl, key, rosterTTL = unpack(ARGV)
local removed, stays = 0, false
local old = redis.call('GET', KEYS[1])
if old then
  local epoch2, link2, server2 = string.match(old, '^(%d+) %-?%d+ (%d+) (%S+)')
  if link2 == link and server2 == server then
    if epoch == '0' or epoch == epoch2 then
      redis.call('SET', KEYS[1], epoch2, 'PX', ttl)
      removed = 1
    else
      stays = true
    end
  end
end
local entry = not stays and redis.call('HGET', KEYS[3], key)
if entry and string.match(entry, '^%-?%d+ (%d+)') == link then
  list(KEYS[3], key, nil, rosterTTL)
end
redis.call('SET', KEYS[2], '', 'PX', ttl)
return removed
