#!lua flags=allow-oom
-- The registry of this epoch.
-- KEYS  1 meta  2 members  3 acks
-- ARGV  1 shards
-- gives OK, then instances and their latest beats in turn

-- include prelude.lua

settle()
return {'OK', redis.call('HGETALL', KEYS[2])}
