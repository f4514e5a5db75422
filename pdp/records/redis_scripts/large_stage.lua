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

if not is_under_way(KEYS[4], KEYS[5], 6, #KEYS) then return {'LOST'} end
local mark = '~' .. ARGV[2]
local conditions = cmsgpack.unpack(ARGV[5])
local first_key, next_condition = {}, 1
for i = 6, #ARGV do first_key[ARGV[i]] = 8 + 3 * (i - 6) end
local any_deleted = redis.call('EXISTS', KEYS[6]) == 1
local certain = false

-- Without a condition nothing needs to be looked up.
local function stage(from, key, id, document, by_source)
    if document then
        put(from, key, mark .. by_source .. ':' .. document)
        if any_deleted then redis.call('HDEL', KEYS[6], id) end
    else
        delete(from, key)
        redis.call('HSET', KEYS[6], id, by_source)
        any_deleted = true
    end
end

-- Gives a conflict, if there is one.
local function stage_if(from, kind, key, id, document, expected, source)
    flush()
    local standing = source ~= '' and redis.call('HGET', KEYS[from + 2], key)
    if standing and not above(source, standing) then return nil end
    local stored = redis.call('HGET', KEYS[from], key)
    local changed_before = (any_deleted and redis.call('HEXISTS', KEYS[6], id) == 1)
        or (stored and string.sub(stored, 1, 9) == mark)
    if expected >= 0 and changed_before and (stored or expected ~= 0) then
        return {'CONFLICT', kind, key, digits(expected), digits(stored and head + 1 or 0)}
    elseif expected >= 0 and not changed_before then
        -- Against what stands when the write is committed.
        redis.call('RPUSH', KEYS[7], cmsgpack.pack({kind, key, expected, source}))
    end
    stage(from, key, id, document, source ~= '' and 'v' or '')
    if source == '' then
        certain = true
    else
        redis.call('HSET', KEYS[from + 2], key, source)
        if not changed_before then redis.call('HINCRBY', KEYS[5], 'applied', 1) end
    end
    return nil
end

for i, change in ipairs(cmsgpack.unpack(ARGV[4])) do
    local kind, key, document = change[1], change[2], change[3]
    local from, id = first_key[kind], kind .. '\0' .. key
    local condition = conditions[next_condition]
    if condition and condition[1] == i then
        next_condition = next_condition + 1
        local conflict = stage_if(from, kind, key, id, document, condition[2], condition[3])
        if conflict then return conflict end
    else
        stage(from, key, id, document, '')
        certain = true
    end
end
flush()
if certain then redis.call('HSET', KEYS[5], 'certain', '1') end
keep(KEYS[4], KEYS[5], 6, #KEYS, ARGV[3])
return {'OK'}
