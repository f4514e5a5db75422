-- Included by scripts that extend the history.

-- What a write id stands for: seq (text), chain, digest of the changes; nil when it is new.
local function known_write(writes, write_id)
    local known = redis.call('HGET', writes, write_id)
    if not known then return nil end
    local colon = string.find(known, ':', 1, true)
    return string.sub(known, 1, colon - 1), string.sub(known, colon + 1, colon + 20), string.sub(known, colon + 21)
end

local function sha1(text)
    return (string.gsub(redis.sha1hex(text), '..', function(byte) return string.char(tonumber(byte, 16)) end))
end

-- Forgets the two oldest entries, with their write ids, where they are older than the retention; `least` entries
-- stay whatever their age. Two for each that is added, so that no write has to do much of it.
local function trim(stream, writes, now, retention, least)
    local oldest = redis.call('HMGET', KEYS[1], 'oldest', 'oldest_ms')
    if head - tonumber(oldest[1]) < least or tonumber(oldest[2]) > now - retention then return end
    local entries = redis.call('XRANGE', stream, '-', '+', 'COUNT', 3)
    local first = 1
    while first < #entries and first < 3 and tonumber(entries[first][2][10]) <= now - retention do
        redis.call('HDEL', writes, entries[first][2][6])
        first = first + 1
    end
    redis.call('XTRIM', stream, 'MINID', '=', entries[first][1])
    local seq = string.match(entries[first][1], '^%d+')
    redis.call('HSET', KEYS[1], 'oldest', seq, 'oldest_ms', entries[first][2][10])
end

-- Appends an entry with the write's changes, or (field 'reload') one that says that a snapshot is needed. Comes
-- before any record is changed: where it fails, nothing was. Gives seq (text) and chain.
local function append(stream, writes, write, field, value)
    local seq = digits(head + 1)
    local text = chain .. struct.pack('>I8', head + 1) .. struct.pack('>I4', #write.id) .. write.id .. write.digest
    local next_chain = sha1(text)
    redis.call('XADD', stream, seq .. '-0', 'prev', chain, 'chain', next_chain, 'write_id', write.id,
        'barrier', write.barrier, 'at_ms', write.at_ms, field, value)
    redis.call('HSET', writes, write.id, seq .. ':' .. next_chain .. write.digest)
    redis.call('HSETNX', KEYS[1], 'oldest', seq)
    redis.call('HSETNX', KEYS[1], 'oldest_ms', write.at_ms)
    redis.call('HSET', KEYS[1], 'head', seq, 'chain', next_chain)
    trim(stream, writes, tonumber(write.at_ms), tonumber(write.retention_ms), tonumber(write.least))
    return seq, next_chain
end
