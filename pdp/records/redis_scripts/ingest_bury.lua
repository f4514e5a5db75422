-- Copies a message to the dead letters and acknowledges it, unless somebody else settled it before.
-- KEYS  1 stream  2 dead letters
-- ARGV  1 group  2 message id  3 path of the field at fault  4 reason  5 most dead letters  6 most fields
--       7 largest message, bytes: of a larger one the beginning is kept, as nobody trims the dead letters by bytes
-- gives 1, or 0 when it is not pending any more

if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1) == 0 then return 0 end
local entry = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])[1]
local given, size = entry and entry[2] or {}, 0
for _, text in ipairs(given) do size = size + #text end

local copy = {'dead:id', ARGV[2], 'dead:group', ARGV[1], 'dead:field', ARGV[3], 'dead:reason', ARGV[4]}
local most, large = 2 * ARGV[6], size > tonumber(ARGV[7])
if large or #given > most then
    copy[#copy + 1] = 'dead:incomplete'
    copy[#copy + 1] = '1'
end
for place = 1, math.min(#given, most) do
    copy[#copy + 1] = large and string.sub(given[place], 1, 1000) or given[place]
end
-- The copy comes first: a server without memory refuses the first write of a script, never a later one.
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], '*', unpack(copy))
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
return 1
