#!lua flags=no-writes
-- Records by key, all of one position.
-- KEYS  1 meta, then the documents of each kind
-- ARGV  1 shards, then for each record: which of these kinds (from 1), and its key
-- gives OK epoch seq chain, then the stored documents (nil where there is none)

-- include prelude.lua

local found = {}
for i = 2, #ARGV, 2 do
    found[#found + 1] = redis.call('HGET', KEYS[1 + tonumber(ARGV[i])], ARGV[i + 1])
end
return {'OK', epoch, digits(head), chain, found}
