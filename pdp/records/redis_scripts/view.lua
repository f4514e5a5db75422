#!lua flags=allow-oom
-- Which members have not drained a sequence number.
-- KEYS  1 meta  2 members  3 acks
-- ARGV  1 shards  2 seq
-- gives OK epoch behind, then up to ten instances and their beat numbers in turn

-- include prelude.lua

settle()
local below = '(' .. ARGV[2]
local stragglers = {}
for _, instance in ipairs(redis.call('ZRANGE', KEYS[3], '-inf', below, 'BYSCORE', 'LIMIT', 0, 10)) do
    stragglers[#stragglers + 1] = instance
    stragglers[#stragglers + 1] = string.match(redis.call('HGET', KEYS[2], instance), '^%d+')
end
return {'OK', epoch, digits(redis.call('ZCOUNT', KEYS[3], '-inf', below)), stragglers}
