-- Turn one proposal into a plan: plan, marker of its intent, record, acknowledgement; all or nothing.
-- KEYS: 1 harvest.calibrated  2 apply.plan  3 gate.decision  4 markers of the symbol's intents
-- ARGV: 1 group  2 entry id  3 trace id of the intent  4 marker as it was read or ''  5 marker of this plan
--       6 marker TTL s  7 plan maxlen  8 decision maxlen  9 number of plan arguments (0: there is no plan)
--       10… plan fields, then decision fields, if any
-- Returns 1, or 0 when the marker has moved since it was read (nothing is written then).
if (redis.call('HGET', KEYS[4], ARGV[3]) or '') ~= ARGV[4] then
  return 0
end
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then
  return 1 -- written before; the answer was lost
end
local plan_end = 9 + tonumber(ARGV[9])
if plan_end > 9 then
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[7], '*', unpack(ARGV, 10, plan_end))
  redis.call('HSET', KEYS[4], ARGV[3], ARGV[5])
  redis.call('EXPIRE', KEYS[4], ARGV[6])
end
if #ARGV > plan_end then
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[8], '*', unpack(ARGV, plan_end + 1))
end
return 1
