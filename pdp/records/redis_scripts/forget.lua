#!lua flags=allow-oom
-- Takes a member out of the registry, if its latest beat is still this one.
-- KEYS  1 meta  2 members  3 acks
-- ARGV  1 shards  2 instance  3 number of the beat
-- gives OK

-- include prelude.lua

settle()
local member = redis.call('HGET', KEYS[2], ARGV[2])
if member and string.match(member, '^%d+') == ARGV[3] then
    redis.call('HDEL', KEYS[2], ARGV[2])
    redis.call('ZREM', KEYS[3], ARGV[2])
end
return {'OK'}
