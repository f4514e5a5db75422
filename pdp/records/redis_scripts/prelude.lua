-- Included by every script that needs an initialised store:
-- KEYS[1] is the shard's meta, ARGV[1] the number of shards that the caller assumes.
-- A script that writes has the members in KEYS[2] and the acks in KEYS[3], and calls settle() first.

local stands = redis.call('HMGET', KEYS[1], 'format', 'genesis', 'shards', 'incarnation', 'epoch', 'head', 'chain')
if not stands[2] then return {'UNINITIALISED'} end
if stands[1] ~= '1' then return {'FORMAT', stands[1] or '?'} end
if stands[3] ~= ARGV[1] then return {'SHARDS', stands[3]} end

local replication = redis.call('INFO', 'replication')
if not string.find(replication, 'role:master', 1, true) then return {'REPLICA'} end
-- The replication id is another one after a promotion or a restart, but not after FLUSHALL: for that there is
-- the incarnation, which `initialise` and each change of the lease write.
local epoch = string.match(replication, 'master_replid:(%x+)') .. ':' .. stands[4]
local genesis, head, chain = stands[2], tonumber(stands[6]), stands[7]

-- Registrations of an earlier epoch may be incomplete, so they never count.
local function settle()
    if stands[5] ~= epoch then
        redis.call('HSET', KEYS[1], 'epoch', epoch)
        redis.call('DEL', KEYS[2], KEYS[3])
    end
end

-- tostring would write a large number as 1e+15.
local function digits(number)
    return string.format('%d', number)
end
