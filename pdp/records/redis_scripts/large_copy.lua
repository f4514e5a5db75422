#!lua
-- Copies a piece of a kind to where a large write prepares it.
-- KEYS  1 meta  2 members  3 acks  4 lock  5 state  6 from (a hash)  7 to  8 to's keys in order (may be left out)
-- ARGV  1 shards  2 id  3 seconds until it expires  4 where to go on  5 about how many
-- gives OK and where to go on ("0": done) | LOST

-- include prelude.lua
-- include staging.lua

if not is_under_way(KEYS[4], KEYS[5]) then return {'LOST'} end
local scan = redis.call('HSCAN', KEYS[6], ARGV[4], 'COUNT', ARGV[5])
local found = scan[2]
-- unpack takes some thousand values at most.
for first = 1, #found, 1000 do
    redis.call('HSET', KEYS[7], unpack(found, first, math.min(first + 999, #found)))
end
if KEYS[8] then
    for i = 1, #found, 2 do redis.call('ZADD', KEYS[8], 0, found[i]) end
end
keep(KEYS[4], KEYS[5], 7, #KEYS, ARGV[3])
return {'OK', scan[1]}
