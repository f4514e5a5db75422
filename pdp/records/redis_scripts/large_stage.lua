#!lua
-- Applies some changes of a large write to what it prepares. The documents get the large write's id instead of a
-- sequence number, which is known only at the end: "~<id>:", with a source version "~<id>v:".
-- KEYS  1 meta  2 members  3 acks  4 lock  5 state  6 deleted  7 expected
--       then for each kind: staged documents, ordered keys, source versions
-- ARGV  1 shards  2 id  3 seconds until it expires  4 changes  5 conditions (both as of write.lua)
--       then the names of the kinds, in the order of KEYS
-- gives OK | CONFLICT kind key expected found | LOST

-- include prelude.lua
-- include documents.lua
-- include staging.lua

if not is_under_way(KEYS[4], KEYS[5]) then return {'LOST'} end
local mark = '~' .. ARGV[2]
local conditions = cmsgpack.unpack(ARGV[5])
local first_key, next_condition, applied = {}, 1, 0
for i = 6, #ARGV do first_key[ARGV[i]] = 8 + 3 * (i - 6) end

for i, change in ipairs(cmsgpack.unpack(ARGV[4])) do
    local kind, key, document = change[1], change[2], change[3]
    local id, from = kind .. '\0' .. key, first_key[kind]
    local expected, source = -1, ''
    if conditions[next_condition] and conditions[next_condition][1] == i then
        expected, source = conditions[next_condition][2], conditions[next_condition][3]
        next_condition = next_condition + 1
    end
    local standing = source ~= '' and redis.call('HGET', KEYS[from + 2], key)
    if not standing or above(source, standing) then
        local stored = redis.call('HGET', KEYS[from], key)
        local changed_before = redis.call('HEXISTS', KEYS[6], id) == 1
            or (stored and string.sub(stored, 1, 9) == mark)
        if expected >= 0 and changed_before and (stored or expected ~= 0) then
            return {'CONFLICT', kind, key, digits(expected), digits(stored and head + 1 or 0)}
        elseif expected >= 0 and not changed_before then
            -- Against what stands when the write is committed.
            redis.call('RPUSH', KEYS[7], cmsgpack.pack({kind, key, expected, source}))
        end
        local by_source = source ~= '' and 'v' or ''
        if document then
            if redis.call('HSET', KEYS[from], key, mark .. by_source .. ':' .. document) == 1 then
                redis.call('ZADD', KEYS[from + 1], 0, key)
                redis.call('HDEL', KEYS[6], id)
            end
        else
            if redis.call('HDEL', KEYS[from], key) == 1 then redis.call('ZREM', KEYS[from + 1], key) end
            redis.call('HSET', KEYS[6], id, by_source)
        end
        if source ~= '' then redis.call('HSET', KEYS[from + 2], key, source) end
        if not changed_before then applied = applied + 1 end
    end
end
redis.call('HINCRBY', KEYS[5], 'applied', applied)
keep(KEYS[4], KEYS[5], 6, #KEYS, ARGV[3])
return {'OK'}
