-- Drop reservations that no longer count, if each is still in the state in which it was judged.
-- KEYS: 1 reservations  2 reservations version   ARGV: plan id, state, plan id, state, …
-- Returns how many were dropped.
local dropped = 0
for i = 1, #ARGV, 2 do
  local held = redis.call('HGET', KEYS[1], ARGV[i])
  if held and cjson.decode(held)['state'] == ARGV[i + 1] then
    dropped = dropped + redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
if dropped > 0 then
  redis.call('INCR', KEYS[2])
end
return dropped
