#!lua
-- Begins a large write: takes the shard's lock for such writes. What it prepares expires if it is left alone.
-- KEYS  1 meta  2 members  3 acks  4 writes  5 lock  6 state
-- ARGV  1 shards  2 write id  3 random id of the large write, 8 letters  4 seconds until what is left alone expires
-- gives OK | BUSY (another one is under way) | KNOWN epoch seq chain digest (the write id stands)

-- include prelude.lua
-- include history.lua

settle()
local known_seq, known_chain, known_digest = known_write(KEYS[4], ARGV[2])
if known_seq then return {'KNOWN', epoch, known_seq, known_chain, known_digest} end
if not redis.call('SET', KEYS[5], ARGV[3], 'NX', 'EX', ARGV[4]) then return {'BUSY'} end
redis.call('HSET', KEYS[6], 'base', digits(head), 'applied', '0')
redis.call('EXPIRE', KEYS[6], ARGV[4])
return {'OK'}
