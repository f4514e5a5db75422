#!lua
-- Copies a piece of a kind to where a large write prepares it. What is changed in between is brought over later.
-- KEYS  1 meta  2 members  3 acks  4 lock  5 state  6 from, a hash or the ordered keys  7 to
-- ARGV  1 shards  2 id  3 seconds until it expires  4 where to go on, "" at first  5 about how many
-- gives OK and where to go on ("": done) | LOST

-- include prelude.lua
-- include staging.lua

if not is_under_way(KEYS[4], KEYS[5], 7, 7) then return {'LOST'} end
local kind, go_on = redis.call('TYPE', KEYS[6]).ok, ''
local command, values = 'HSET', {}
if kind == 'hash' then
    local scan = redis.call('HSCAN', KEYS[6], ARGV[4] == '' and '0' or ARGV[4], 'COUNT', ARGV[5])
    values = scan[2]
    if scan[1] ~= '0' then go_on = scan[1] end
elseif kind == 'zset' then
    -- In order, which is where Redis inserts fastest.
    command = 'ZADD'
    local keys = redis.call('ZRANGE', KEYS[6], ARGV[4] == '' and '-' or ARGV[4], '+', 'BYLEX', 'LIMIT', 0, ARGV[5])
    for i, key in ipairs(keys) do values[2 * i - 1], values[2 * i] = 0, key end
    if #keys == tonumber(ARGV[5]) then go_on = '(' .. keys[#keys] end
end
-- unpack takes some thousand values at most.
for first = 1, #values, 1000 do
    redis.call(command, KEYS[7], unpack(values, first, math.min(first + 999, #values)))
end
keep(KEYS[4], KEYS[5], 7, 7, ARGV[3])
return {'OK', go_on}
