-- Included by scripts that look at stored documents.

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
