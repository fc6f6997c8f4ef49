-- Make a dead owner's claim ours, if it is still as we read it.
-- KEYS: 1 claim   ARGV: 1 owner as read  2 attempt as read  3 new owner
local claim = redis.call('HMGET', KEYS[1], 'owner', 'attempt', 'state')
if claim[3] == 'done' or (claim[1] or '') ~= ARGV[1] or claim[2] ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], 'owner', ARGV[3])
return 1
