-- Hands messages of a stream to a consumer: new ones, its own pending ones, or those of consumers that went away.
-- The fields of a message that is too large stay on the server, so that an answer is never larger than the number
-- of messages times the largest message.
-- KEYS  1 stream  2 dead letters
-- ARGV  1 "new", "own" or "idle"  2 group  3 consumer  4 how many at most  5 largest message, bytes
--       6 where to begin ("own": after this id; "idle": the cursor of the answer before)
--       7 "idle": handed out at least so long ago, ms  8 most dead letters
-- gives cursor {id size fields}... number   of which the last is how many were no longer in the stream, and were
--       buried; an own one of these has size -1

local entries, cursor, gone = {}, '', {}
if ARGV[1] == 'idle' then
    local reply = redis.call('XAUTOCLAIM', KEYS[1], ARGV[2], ARGV[3], ARGV[7], ARGV[6], 'COUNT', ARGV[4])
    cursor, entries, gone = reply[1], reply[2], reply[3]
    for _, id in ipairs(gone) do
        redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[8], '*', 'dead:id', id, 'dead:group', ARGV[2],
            'dead:field', '', 'dead:reason', 'was removed from the stream before it was applied')
    end
else
    local from = ARGV[1] == 'new' and '>' or ARGV[6]
    local reply = redis.call('XREADGROUP', 'GROUP', ARGV[2], ARGV[3], 'COUNT', ARGV[4], 'STREAMS', KEYS[1], from)
    if reply then entries = reply[1][2] end
end

local read = {}
for _, entry in ipairs(entries) do
    local fields, size = entry[2] or {}, entry[2] and 0 or -1
    for _, text in ipairs(fields) do size = size + #text end
    if size > tonumber(ARGV[5]) then fields = {} end
    read[#read + 1] = {entry[1], size, fields}
end
return {cursor, read, #gone}
