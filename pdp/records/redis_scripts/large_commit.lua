#!lua
-- Commits a large write: what it prepared takes the place of what stands, in one step that copies no documents.
-- What was written since it began is brought over first.
-- KEYS  1 meta  2 members  3 acks  4 stream  5 writes  6 kinds  7 large  8 lock  9 state  10 deleted  11 expected
--       then for each kind: documents, ordered keys, source versions, and the same three as staged
-- ARGV  1 shards  2 id  3 write id  4 digest of the changes  5 barrier, 0 or 1  6 now, ms  7 retention, ms
--       8 entries kept whatever their age, then the names of the kinds, in the order of KEYS
-- gives OK epoch seq chain | REUSED | CONFLICT kind key expected found | LOST
--       | OVERTAKEN (what was written since it began is not known any more)

-- include prelude.lua
-- include documents.lua
-- include history.lua
-- include staging.lua

settle()
redis.call('HINCRBY', KEYS[1], 'touch', 1)
local known_seq, known_chain, known_digest = known_write(KEYS[5], ARGV[3])
if known_seq then
    if known_digest ~= ARGV[4] then return {'REUSED'} end
    return {'OK', epoch, known_seq, known_chain}
end
if not is_under_way(KEYS[8], KEYS[9], 10, #KEYS) then return {'LOST'} end
local state = redis.call('HMGET', KEYS[9], 'base', 'applied', 'certain')
local base, applied, certain = tonumber(state[1]), tonumber(state[2]), state[3]

local mark = '~' .. ARGV[2]
local first_key = {}
for i = 9, #ARGV do first_key[ARGV[i]] = 12 + 6 * (i - 9) end

for first = 0, redis.call('LLEN', KEYS[11]) - 1, 1000 do
    for _, packed in ipairs(redis.call('LRANGE', KEYS[11], first, first + 999)) do
        local kind, key, expected, source = unpack(cmsgpack.unpack(packed))
        local standing = source ~= '' and redis.call('HGET', KEYS[first_key[kind] + 2], key)
        if not standing or above(source, standing) then
            local found = version(redis.call('HGET', KEYS[first_key[kind]], key), KEYS[7])
            if found ~= expected then return {'CONFLICT', kind, key, digits(expected), digits(found)} end
        end
    end
end

-- Brings one record that was written since over to what is staged; the large write comes later, so its own
-- change stays, unless a source version now stands that is not below the change's.
local function bring_over(kind, key)
    local from, id = first_key[kind], kind .. '\0' .. key
    local standing, own = redis.call('HGET', KEYS[from + 2], key), redis.call('HGET', KEYS[from + 5], key)
    local stored = redis.call('HGET', KEYS[from + 3], key)
    local deleted = redis.call('HGET', KEYS[10], id)
    local changed = deleted or (stored and string.sub(stored, 1, 9) == mark)
    local by_source = changed and (deleted == 'v' or (stored and string.sub(stored, 10, 10) == 'v'))
    if standing and (not own or above(standing, own)) then
        redis.call('HSET', KEYS[from + 5], key, standing)
    end
    if changed and not (by_source and standing and not above(own, standing)) then return end
    if changed then
        applied = applied - 1
        redis.call('HDEL', KEYS[10], id)
    end
    local current = redis.call('HGET', KEYS[from], key)
    if current then
        redis.call('HSET', KEYS[from + 3], key, current)
        redis.call('ZADD', KEYS[from + 4], 0, key)
    else
        redis.call('HDEL', KEYS[from + 3], key)
        redis.call('ZREM', KEYS[from + 4], key)
    end
end

while base < head do
    local entries = redis.call('XRANGE', KEYS[4], digits(base + 1) .. '-0', '+', 'COUNT', 20)
    for _, entry in ipairs(entries) do
        if entry[1] ~= digits(base + 1) .. '-0' or entry[2][11] ~= 'changes' then return {'OVERTAKEN'} end
        for _, change in ipairs(cmsgpack.unpack(entry[2][12])) do
            if first_key[change[1]] then bring_over(change[1], change[2]) end
        end
        base = base + 1
    end
    if #entries == 0 then return {'OVERTAKEN'} end
end
if applied == 0 and not certain then return {'OK', epoch, digits(head), chain} end

local write = {id = ARGV[3], digest = ARGV[4], barrier = ARGV[5], at_ms = ARGV[6], retention_ms = ARGV[7],
    least = ARGV[8]}
local seq, next_chain = append(KEYS[4], KEYS[5], write, 'reload', '1')
redis.call('HSET', KEYS[7], ARGV[2], seq)
for i = 9, #ARGV do
    redis.call('SADD', KEYS[6], ARGV[i])
    local from = first_key[ARGV[i]]
    for part = from, from + 2 do
        -- UNLINK frees a million documents in another thread.
        redis.call('UNLINK', KEYS[part])
        if redis.call('EXISTS', KEYS[part + 3]) == 1 then
            redis.call('RENAME', KEYS[part + 3], KEYS[part])
            redis.call('PERSIST', KEYS[part])
        end
    end
end
redis.call('UNLINK', KEYS[8], KEYS[9], KEYS[10], KEYS[11])
return {'OK', epoch, seq, next_chain}
