-- Write what became of one intent: plan, seen marker, decision, acknowledgement; all or nothing.
-- KEYS: 1 pause lease  2 seen marker  3 trade.intent  4 gate.decision  5 apply.plan
-- ARGV: 1 group  2 entry id  3 entry that the marker must name, or ''  4 marker TTL s
--       5 decision maxlen  6 plan maxlen  7 number of decision words, then they, then plan words
-- Returns done, already (acknowledged before), moved (the marker changed) or paused.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 'paused'
end
if (redis.call('GET', KEYS[2]) or '') ~= ARGV[3] then
  return 'moved'
end
if redis.call('XACK', KEYS[3], ARGV[1], ARGV[2]) == 0 then
  return 'already'
end
local last = 7 + tonumber(ARGV[7])
if #ARGV > last then
  redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[4])
  redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[6], '*', unpack(ARGV, last + 1))
end
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[5], '*', unpack(ARGV, 8, last))
return 'done'
