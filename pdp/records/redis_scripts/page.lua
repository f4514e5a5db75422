#!lua flags=no-writes
-- A page of a kind, in the order of its keys.
-- KEYS  1 meta  2 documents  3 ordered keys
-- ARGV  1 shards  2 where to begin: "-", or "(" and a key  3 how many
-- gives OK, then keys and their stored documents in turn

-- include prelude.lua

local page = {}
for _, key in ipairs(redis.call('ZRANGE', KEYS[3], ARGV[2], '+', 'BYLEX', 'LIMIT', 0, ARGV[3])) do
    page[#page + 1] = key
    page[#page + 1] = redis.call('HGET', KEYS[2], key)
end
return {'OK', page}
