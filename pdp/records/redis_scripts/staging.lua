-- Included by scripts of a large write that is under way: `lock`, `state` are its keys, ARGV[2] its id.
-- What it has prepared may have expired at any time. So its state has the size of each of its keys, by name.

local function size(key)
    local kind = redis.call('TYPE', key).ok
    if kind == 'hash' then return redis.call('HLEN', key) end
    if kind == 'zset' then return redis.call('ZCARD', key) end
    if kind == 'list' then return redis.call('LLEN', key) end
    return 0
end

-- Whether it still has the lock, and the keys from KEYS[first] on are as it left them.
local function is_under_way(lock, state, first, last)
    if redis.call('GET', lock) ~= ARGV[2] or redis.call('EXISTS', state) == 0 then return false end
    for i = first, last do
        local noted = redis.call('HGET', state, 'size:' .. KEYS[i])
        if noted and tonumber(noted) ~= size(KEYS[i]) then return false end
    end
    return true
end

-- Puts off the expiry of the state, the lock and the keys from KEYS[first] on, and notes these keys' sizes.
local function keep(lock, state, first, last, seconds)
    redis.call('EXPIRE', lock, seconds)
    redis.call('EXPIRE', state, seconds)
    for i = first, last do
        redis.call('EXPIRE', KEYS[i], seconds)
        redis.call('HSET', state, 'size:' .. KEYS[i], size(KEYS[i]))
    end
end
