#!lua
-- Begins a change of the lease (no beat is accepted any more), or ends it. Each is a new incarnation.
-- KEYS  1 meta  2 members  3 acks
-- ARGV  1 shards  2 "begin" or "end"  3 a random token of this change  4 lease, ms  5 clock rate, ppm  6 incarnation
-- gives OK old_lease_ms old_clock_rate_ppm | SAME (nothing to change) | SUPERSEDED (another change began since)

-- include prelude.lua

local now = redis.call('HMGET', KEYS[1], 'lease_ms', 'clock_rate_ppm', 'old_lease_ms', 'old_clock_rate_ppm', 'change')
if ARGV[2] == 'end' then
    if now[5] ~= ARGV[3] then return {'SUPERSEDED'} end
    redis.call('HSET', KEYS[1], 'incarnation', ARGV[6], 'lease_ms', ARGV[4], 'clock_rate_ppm', ARGV[5])
    redis.call('HDEL', KEYS[1], 'change', 'old_lease_ms', 'old_clock_rate_ppm')
    return {'OK'}
end
if now[1] == ARGV[4] and now[2] == ARGV[5] then return {'SAME'} end
-- One that was begun before and not ended: its old lease is what proofs may still be out for.
local lease_ms, rate = now[3] or now[1], now[4] or now[2]
redis.call('HSET', KEYS[1], 'incarnation', ARGV[6], 'lease_ms', '0', 'change', ARGV[3],
    'old_lease_ms', lease_ms, 'old_clock_rate_ppm', rate)
return {'OK', lease_ms, rate}
