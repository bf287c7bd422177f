-- What the other scripts share; it is put in front of them.
--
-- The roster of a comet in a bucket of keys is a hash KEY → "mid link epoch" of
-- its sessions there, and '' → their digest: the XOR of the hashes of package
-- proto/roster, in hexadecimal. It lies in the slot of the sessions, so each
-- script changes both or none, and a failover loses both or none. The name of
-- the roster of a loser is known only to the script; it is in the same slot.
local function xor(a, b)
  return bit.tohex(bit.bxor(tonumber(string.sub(a, 1, 8), 16), tonumber(string.sub(b, 1, 8), 16))) ..
    bit.tohex(bit.bxor(tonumber(string.sub(a, 9, 16), 16), tonumber(string.sub(b, 9, 16), 16)))
end

-- list makes entry (or, if it is nil, nothing) what roster has for key. A roster
-- gets its time to live when it is made and whenever it is mended, which is
-- every few hours; a login leaves it as it is.
local function list(roster, key, entry, ttl)
  local old = redis.call('HMGET', roster, key, '')
  if (old[1] or nil) == entry then
    if entry then redis.call('PEXPIRE', roster, ttl) end
    return
  end
  local digest = old[2] or '0000000000000000'
  if old[1] then
    digest = xor(digest, redis.sha1hex(key .. ' ' .. old[1]))
  end
  if entry then
    digest = xor(digest, redis.sha1hex(key .. ' ' .. entry))
    redis.call('HSET', roster, key, entry, '', digest)
    if not old[2] then redis.call('PEXPIRE', roster, ttl) end
    return
  end
  redis.call('HDEL', roster, key)
  if redis.call('HLEN', roster) == 1 then
    redis.call('DEL', roster)
  else
    redis.call('HSET', roster, '', digest)
  end
end
