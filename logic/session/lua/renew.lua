-- Stores a comet's renewal unless a later one, or its goodbye, is there already.
-- KEYS: record, rooms, index, begun, loss
-- ARGV: server, counter, record, rooms, TTL in ms, whether it had a lease (1, 0)
-- The record is "counter JSON". The index's scores are the times of the
-- renewals in ms, so that what has expired can be removed from it here, where
-- no renewal can come in between. A comet that had a lease and has no record
-- shows that records were lost.
local old = redis.call('GET', KEYS[1])
if old and tonumber(string.match(old, '^%d+')) >= tonumber(ARGV[2]) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. ARGV[3], 'PX', ARGV[5])
redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[3], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - ARGV[5])
redis.call('PEXPIRE', KEYS[3], ARGV[5])
redis.call('SET', KEYS[4], now, 'NX')
redis.call('PEXPIRE', KEYS[4], ARGV[5])
if not old and ARGV[6] == '1' then
  redis.call('SET', KEYS[5], now, 'PX', ARGV[5])
end
return 1
