-- Write ahead: from here on the exchange may have the order. The last look at the kill epoch.
-- KEYS: 1 claim  2 kill epoch   ARGV: 1 owner  2 send deadline ms  3 quantity
-- Returns 'ok', 'lost' (the claim is not ours) or 'epoch' (the kill switch changed after admission).
local claim = redis.call('HMGET', KEYS[1], 'owner', 'epoch', 'state')
if claim[1] ~= ARGV[1] or claim[3] == 'done' then
  return 'lost'
end
if claim[2] ~= (redis.call('GET', KEYS[2]) or '0') then
  return 'epoch'
end
redis.call('HSET', KEYS[1], 'state', 'sending', 'send_deadline_ms', ARGV[2], 'quantity', ARGV[3])
redis.call('HINCRBY', KEYS[1], 'attempt', 1)
return 'ok'
