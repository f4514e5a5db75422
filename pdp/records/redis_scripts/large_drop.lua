#!lua flags=allow-oom
-- Gives up a large write.
-- KEYS  1 meta  2 members  3 acks  4 lock, then all that it may have prepared
-- ARGV  1 shards  2 id
-- gives OK

-- include prelude.lua

if redis.call('GET', KEYS[4]) == ARGV[2] then redis.call('DEL', KEYS[4]) end
for i = 5, #KEYS do redis.call('UNLINK', KEYS[i]) end
return {'OK'}
