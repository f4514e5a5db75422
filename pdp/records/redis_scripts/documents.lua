-- Included by scripts that look at stored documents, or put them.

-- Whether source version a is above b. They are decimal texts, as a Lua number holds 53 bits only.
local function above(a, b)
    if #a ~= #b then return #a > #b end
    local a_high, b_high = tonumber(string.sub(a, 1, 9)), tonumber(string.sub(b, 1, 9))
    if a_high ~= b_high then return a_high > b_high end
    return (tonumber(string.sub(a, 10)) or 0) > (tonumber(string.sub(b, 10)) or 0)
end

-- The sequence number of a stored document ("<seq>:…" or "~<large write>:…"), 0 when there is none.
local function version(stored, large)
    if not stored then return 0 end
    local prefix = string.sub(stored, 1, string.find(stored, ':', 1, true) - 1)
    if string.sub(prefix, 1, 1) ~= '~' then return tonumber(prefix) end
    return tonumber(redis.call('HGET', large, string.sub(prefix, 2, 9)))
end

-- Documents to put, by the place of their hash in KEYS (the ordered keys are in the next place): key, document, …
local pending = {}

local function put(from, key, document)
    local list = pending[from] or {}
    pending[from] = list
    list[#list + 1] = key
    list[#list + 1] = document
end

-- Puts what is pending; many in a call, as most of the time would go into single calls.
local function flush()
    for from, list in pairs(pending) do
        -- unpack takes some thousand values at most.
        for first = 1, #list, 1000 do
            local last = math.min(first + 999, #list)
            local ordered = {}
            for i = first, last, 2 do
                ordered[#ordered + 1] = 0
                ordered[#ordered + 1] = list[i]
            end
            redis.call('HSET', KEYS[from], unpack(list, first, last))
            redis.call('ZADD', KEYS[from + 1], unpack(ordered))
        end
    end
    pending = {}
end

local function delete(from, key)
    flush()
    if redis.call('HDEL', KEYS[from], key) == 1 then redis.call('ZREM', KEYS[from + 1], key) end
end
