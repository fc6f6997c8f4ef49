-- Move an entry to the dlq, once; end its plan with a refusal where that has no end yet. All or nothing.
-- KEYS: 1 the entry's stream  2 dlq  3 apply.result  4 claim of the plan (any key when there is no result)
-- ARGV: 1 group  2 entry id  3 dlq maxlen  4 result maxlen  5 claim TTL s  6 number of letter arguments
--       7… letter fields, then result fields, if any
-- Returns 1, or 0 when the entry was acknowledged before (a repeated call whose first answer was lost).
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then
  return 0
end
local letter_end = 6 + tonumber(ARGV[6])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', unpack(ARGV, 7, letter_end))
if #ARGV > letter_end and redis.call('EXISTS', KEYS[4]) == 0 then
  local result = redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[4], '*', unpack(ARGV, letter_end + 1))
  -- The id has had its one result: a later entry under it is acknowledged, not executed.
  redis.call('HSET', KEYS[4], 'state', 'done', 'client_order_id', 'none', 'attempt', '0', 'result_id', result)
  redis.call('EXPIRE', KEYS[4], ARGV[5])
end
return 1
