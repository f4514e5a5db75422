#!lua flags=no-writes
-- Where the history stands.
-- KEYS  1 meta
-- ARGV  1 shards
-- gives OK epoch seq chain

-- include prelude.lua

return {'OK', epoch, digits(head), chain}
