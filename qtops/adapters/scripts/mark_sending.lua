-- Write ahead: from here on the exchange may have the order. The last look at the kill epoch.
-- KEYS: 1 claim  2 kill epoch  3 exit.events
-- ARGV: 1 owner  2 send deadline ms  3 quantity  4 run id of the server when the plan was looked at
--       5 exit.events maxlen  6… fields of the event that a reduction leaves before its first send
-- Returns 'ok', 'restarted' (a claim that names us may be an old one: another's send can have been lost with the last
-- second of the file), 'lost' (the claim is not ours) or 'epoch' (the kill switch changed after admission).
if string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') ~= ARGV[4] then
  return 'restarted'
end
local claim = redis.call('HMGET', KEYS[1], 'owner', 'epoch', 'state')
if claim[1] ~= ARGV[1] or claim[3] == 'done' then
  return 'lost'
end
if claim[2] ~= (redis.call('GET', KEYS[2]) or '0') then
  return 'epoch'
end
redis.call('HSET', KEYS[1], 'state', 'sending', 'send_deadline_ms', ARGV[2], 'quantity', ARGV[3])
if redis.call('HINCRBY', KEYS[1], 'attempt', 1) == 1 and ARGV[6] then
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[5], '*', unpack(ARGV, 6))
end
return 'ok'
