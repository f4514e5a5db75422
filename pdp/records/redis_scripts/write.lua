#!lua
-- One write: all of its changes or none, as the next entry of the history. Everything is checked before anything
-- is changed, as a script cannot undo; Redis refuses it as a whole when memory is full.
-- KEYS  1 meta  2 members  3 acks  4 stream  5 writes  6 kinds  7 large
--       then for each kind: documents, ordered keys, source versions
-- ARGV  1 shards  2 write id  3 digest of the changes  4 barrier, 0 or 1  5 now, ms  6 retention, ms
--       7 entries kept whatever their age  8 changes: msgpack of [[kind, key] (a deletion) or [kind, key, document]]
--       9 conditions: msgpack of [[index of the change, expected version or -1, source version or ""]]
--       then the names of the kinds, in the order of KEYS
-- gives OK epoch seq chain | REUSED (write id of other changes) | CONFLICT kind key expected found

-- include prelude.lua
-- include documents.lua
-- include history.lua

settle()
-- So that the WAIT that follows needs acknowledgements from now, also where nothing else is written.
redis.call('HINCRBY', KEYS[1], 'touch', 1)
local known_seq, known_chain, known_digest = known_write(KEYS[5], ARGV[2])
if known_seq then
    if known_digest ~= ARGV[3] then return {'REUSED'} end
    return {'OK', epoch, known_seq, known_chain}
end

local changes = cmsgpack.unpack(ARGV[8])
local conditions = cmsgpack.unpack(ARGV[9])
local first_key = {}
for i = 10, #ARGV do first_key[ARGV[i]] = 8 + 3 * (i - 10) end

-- The versions and source versions as earlier changes of this write leave them, by kind and key.
local versions, sources = {}, {}
local left_out, source_of = {}, {}
local next_condition = 1
if #conditions > 0 then
    for i, change in ipairs(changes) do
        local kind, key = change[1], change[2]
        local id, from, condition = kind .. '\0' .. key, first_key[kind], conditions[next_condition]
        if condition and condition[1] == i then
            next_condition = next_condition + 1
            local _, expected, source = unpack(condition)
            if source ~= '' then
                local standing = sources[id] or redis.call('HGET', KEYS[from + 2], key)
                if standing and not above(source, standing) then
                    left_out[i] = true
                else
                    sources[id], source_of[i] = source, source
                end
            end
            if expected >= 0 and not left_out[i] then
                local found = versions[id] or version(redis.call('HGET', KEYS[from], key), KEYS[7])
                if found ~= expected then return {'CONFLICT', kind, key, digits(expected), digits(found)} end
            end
        end
        if not left_out[i] then versions[id] = change[3] and head + 1 or 0 end
    end
end

local applied, packed = changes, ARGV[8]
if next(left_out) then
    applied = {}
    for i, change in ipairs(changes) do
        if not left_out[i] then applied[#applied + 1] = change end
    end
    packed = cmsgpack.pack(applied)
end
if #applied == 0 then return {'OK', epoch, digits(head), chain} end

local write = {id = ARGV[2], digest = ARGV[3], barrier = ARGV[4], at_ms = ARGV[5], retention_ms = ARGV[6],
    least = ARGV[7]}
local seq, next_chain = append(KEYS[4], KEYS[5], write, 'changes', packed)
for i, change in ipairs(changes) do
    if not left_out[i] then
        local key, document, from = change[2], change[3], first_key[change[1]]
        if document then
            put(from, key, seq .. ':' .. document)
        else
            delete(from, key)
        end
        if source_of[i] then redis.call('HSET', KEYS[from + 2], key, source_of[i]) end
    end
end
flush()
for i = 10, #ARGV do redis.call('SADD', KEYS[6], ARGV[i]) end
return {'OK', epoch, seq, next_chain}
