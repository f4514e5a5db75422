#!lua
-- Writes the genesis of a shard, once.
-- KEYS  1 meta
-- ARGV  1 genesis  2 incarnation  3 lease, ms  4 clock rate, ppm  5 shards
-- gives OK | OTHER (initialised with other parameters) | FORMAT number (by another version)

local found = redis.call('HMGET', KEYS[1], 'format', 'genesis', 'lease_ms', 'clock_rate_ppm', 'shards')
if redis.call('EXISTS', KEYS[1]) == 0 then
    redis.call('HSET', KEYS[1], 'format', '1', 'genesis', ARGV[1], 'incarnation', ARGV[2], 'epoch', '',
        'head', '0', 'chain', ARGV[1], 'touch', '0',
        'lease_ms', ARGV[3], 'clock_rate_ppm', ARGV[4], 'shards', ARGV[5])
    return {'OK'}
end
if found[1] ~= '1' then return {'FORMAT', found[1] or '?'} end
if found[3] ~= ARGV[3] or found[4] ~= ARGV[4] or found[5] ~= ARGV[5] then return {'OTHER'} end
return {'OK'}
