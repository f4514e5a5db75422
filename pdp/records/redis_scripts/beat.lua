#!lua flags=allow-oom
-- A sidecar's beat: registers it and gives the head, which is its freshness proof. Allowed when memory is full:
-- nothing can be written then, so what the sidecars hold stays true, and they need not stop to decide.
-- KEYS  1 meta  2 members  3 acks  4 stream
-- ARGV  1 shards  2 instance  3 number of the beat  4 seq  5 chain  6 drained  7 lease, ms  8 about
-- gives OK epoch seq chain | LEASE ms | FORK

-- include prelude.lua

settle()
local lease_ms = redis.call('HGET', KEYS[1], 'lease_ms')
if lease_ms ~= ARGV[7] or lease_ms == '0' then return {'LEASE', lease_ms} end

local seq = tonumber(ARGV[4])
local holds
if seq == head then
    holds = chain
elseif seq == 0 then
    holds = genesis
elseif seq < head then
    local entry = redis.call('XRANGE', KEYS[4], ARGV[4] .. '-0', ARGV[4] .. '-0')[1]
    holds = entry and entry[2][4]
end
if holds ~= ARGV[5] then return {'FORK'} end

redis.call('HSET', KEYS[2], ARGV[2], table.concat({ARGV[3], ARGV[4], ARGV[6], ARGV[8]}, ':'))
redis.call('ZADD', KEYS[3], ARGV[6], ARGV[2])
return {'OK', epoch, digits(head), chain}
