-- Removes the session of a key if it is still that of the link, and leaves a
-- tombstone of the link, which a login of it that comes late respects.
-- KEYS: session, tombstone of the link
-- ARGV: link, server, epoch (0: any), TTL of the tombstone in ms
-- Returns 1 if a session was removed, else 0. Its epoch stays as long as the
-- tombstone; see connect.lua.
local removed = 0
local old = redis.call('GET', KEYS[1])
if old then
  local epoch, link, server = string.match(old, '^(%d+) %-?%d+ (%d+) (%S+)')
  if link == ARGV[1] and server == ARGV[2] and (ARGV[3] == '0' or ARGV[3] == epoch) then
    redis.call('SET', KEYS[1], epoch, 'PX', ARGV[4])
    removed = 1
  end
end
redis.call('SET', KEYS[2], '', 'PX', ARGV[4])
return removed
