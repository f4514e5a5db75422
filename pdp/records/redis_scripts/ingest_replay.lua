-- Sends a dead letter to its stream again, as it was, and out of the dead letters.
-- KEYS  1 dead letters  2 stream
-- ARGV  1 id of the dead letter
-- gives REPLAYED id | NONE (there is no such one) | INCOMPLETE (not kept whole) | EMPTY (its message was gone)

local entry = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not entry then return {'NONE'} end
local fields = {}
for place = 1, #entry[2], 2 do
    if entry[2][place] == 'dead:incomplete' then return {'INCOMPLETE'} end
    if string.sub(entry[2][place], 1, 5) ~= 'dead:' then
        fields[#fields + 1] = entry[2][place]
        fields[#fields + 1] = entry[2][place + 1]
    end
end
if #fields == 0 then return {'EMPTY'} end
local id = redis.call('XADD', KEYS[2], '*', unpack(fields))
redis.call('XDEL', KEYS[1], ARGV[1])
return {'REPLAYED', id}
