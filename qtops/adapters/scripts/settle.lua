-- End a plan: result, claim, book, cooldowns, reservation, acknowledgement. Settling twice is a no-op.
-- KEYS: 1 claim  2 apply.result  3 the plan's stream  4 reservations  5 reservations version  6 book
--       7 exec cooldown  8 trade cooldown  9 open history  10 heat cooldown
-- ARGV: 1 owner  2 group  3 entry id  4 plan id  5 now ms  6 claim TTL s  7 result maxlen
--       8 effect of the fill: 'open', 'reduce' or ''  9 book amount or ''  10 expected book version
--       11 reservation JSON while the fill is not yet in a snapshot, or ''  12 order id  13 side of the book
--       14 cooldown TTL s  15 history TTL s  16… result fields
-- Returns 'settled', 'already', 'lost' or 'book'.
local claim = redis.call('HMGET', KEYS[1], 'state', 'owner')
if claim[1] == 'done' then
  redis.call('XACK', KEYS[3], ARGV[2], ARGV[3])
  return 'already'
end
if claim[1] and claim[2] ~= ARGV[1] then
  return 'lost'
end
if ARGV[9] ~= '' then
  if (redis.call('HGET', KEYS[6], 'version') or '0') ~= ARGV[10] then
    return 'book'
  end
  redis.call('HSET', KEYS[6], 'position_amt', ARGV[9], 'side', ARGV[13], 'updated_at_ms', ARGV[5],
    'last_plan_id', ARGV[4], 'last_order_id', ARGV[12], 'source', 'executor')
  redis.call('HINCRBY', KEYS[6], 'version', 1)
end
if ARGV[8] ~= '' then
  redis.call('SET', KEYS[7], ARGV[5], 'EX', ARGV[14])
end
if ARGV[8] == 'open' then
  redis.call('SET', KEYS[8], ARGV[5], 'EX', ARGV[14])
  redis.call('ZADD', KEYS[9], ARGV[5], ARGV[4])
  redis.call('EXPIRE', KEYS[9], ARGV[15])
elseif ARGV[8] == 'reduce' then
  redis.call('SET', KEYS[10], ARGV[5], 'EX', ARGV[14])
end
if ARGV[11] ~= '' then
  redis.call('HSET', KEYS[4], ARGV[4], ARGV[11])
else
  redis.call('HDEL', KEYS[4], ARGV[4])
end
redis.call('INCR', KEYS[5])
local result = redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[7], '*', unpack(ARGV, 16))
redis.call('HSET', KEYS[1], 'state', 'done', 'result_id', result, 'owner', ARGV[1])
redis.call('HSETNX', KEYS[1], 'client_order_id', 'none')
redis.call('HSETNX', KEYS[1], 'attempt', '0')
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.call('XACK', KEYS[3], ARGV[2], ARGV[3])
return 'settled'
