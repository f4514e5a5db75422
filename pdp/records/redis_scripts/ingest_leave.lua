-- Removes a consumer from its group, unless messages are pending for it.
-- KEYS  1 stream
-- ARGV  1 group  2 consumer
-- gives 1, or 0 when it stays

if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1
