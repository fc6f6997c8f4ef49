-- End a plan: result, claim, book, cooldowns, reservation, acknowledgement. Settling twice is a no-op.
-- KEYS: 1 claim  2 apply.result  3 the plan's stream  4 reservations  5 reservations version  6 book
--       7 exec cooldown  8 trade cooldown  9 open history  10 heat cooldown  11 exit.events
-- ARGV: 1 owner  2 group  3 entry id  4 plan id
--       5 when the position was read that a new book starts from, 0 when there is a book  6 claim TTL s  7 result maxlen
--       8 effect of the fill: 'open', 'reduce' or ''  9 book amount or ''  10 expected book version
--       11 reservation JSON while the fill is not yet in a snapshot, or '' (its time is set here)
--       12 order id  13 side of the book  14 cooldown TTL s  15 history TTL s  16 plan digest
--       17 run id that the conclusion rests on, or '' when it rests on the order itself
--       18 symbol  19 exit.events maxlen  20 its new entries, as a JSON list of field lists
--       21… result fields
-- Returns 'settled', 'already', 'lost', 'restarted' or 'book'.
-- By the clock that the snapshots are asked for by. The executor's idea of it lags by the time a reply was under way:
-- a snapshot asked for in between would pass for one that shows the fill.
local time = redis.call('TIME')
local now_ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
if ARGV[17] ~= '' and string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') ~= ARGV[17] then
  return 'restarted' -- "nothing was executed" may have been true of a claim that the restart undid
end
local claim = redis.call('HMGET', KEYS[1], 'state', 'owner', 'plan_digest')
if claim[1] == 'done' then
  if claim[3] and claim[3] ~= '' and claim[3] ~= ARGV[16] then
    return 'lost' -- another plan under the same id: not this entry's result
  end
  redis.call('XACK', KEYS[3], ARGV[2], ARGV[3])
  return 'already'
end
if claim[1] and claim[2] ~= ARGV[1] then
  return 'lost'
end
-- A new book starts from a position that the exchange showed. That position plus this fill is the truth only if no
-- other fill of the symbol can lie between: else there is no book yet, which every reader can live with.
local function may_start_book()
  local last = tonumber(redis.call('GET', KEYS[7]) or '0')
  if not last or last >= tonumber(ARGV[5]) then
    return false
  end
  local held = redis.call('HGETALL', KEYS[4])
  for i = 1, #held, 2 do
    local other = cjson.decode(held[i + 1])
    local in_flight = other['state'] == 'admitted' or other['state'] == 'unknown'
    if held[i] ~= ARGV[4] and other['symbol'] == ARGV[18] and in_flight then
      return false
    end
  end
  return true
end
if ARGV[9] ~= '' and (redis.call('HGET', KEYS[6], 'version') or '0') ~= ARGV[10] then
  return 'book'
end
if ARGV[9] ~= '' and (ARGV[5] == '0' or may_start_book()) then
  redis.call('HSET', KEYS[6], 'position_amt', ARGV[9], 'side', ARGV[13], 'updated_at_ms', now_ms,
    'last_plan_id', ARGV[4], 'last_order_id', ARGV[12], 'source', 'executor')
  redis.call('HINCRBY', KEYS[6], 'version', 1)
end
if ARGV[8] ~= '' then
  redis.call('SET', KEYS[7], now_ms, 'EX', ARGV[14])
end
if ARGV[8] == 'open' then
  redis.call('SET', KEYS[8], now_ms, 'EX', ARGV[14])
  redis.call('ZADD', KEYS[9], now_ms, ARGV[4])
  redis.call('EXPIRE', KEYS[9], ARGV[15])
elseif ARGV[8] == 'reduce' then
  redis.call('SET', KEYS[10], now_ms, 'EX', ARGV[14])
end
if ARGV[11] ~= '' then
  local lasting = cjson.decode(ARGV[11])
  lasting['filled_at_ms'] = now_ms
  redis.call('HSET', KEYS[4], ARGV[4], cjson.encode(lasting))
else
  redis.call('HDEL', KEYS[4], ARGV[4])
end
redis.call('INCR', KEYS[5])
local result = redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[7], '*', unpack(ARGV, 21))
for _, fields in ipairs(cjson.decode(ARGV[20])) do
  redis.call('XADD', KEYS[11], 'MAXLEN', '~', ARGV[19], '*', unpack(fields))
end
redis.call('HSET', KEYS[1], 'state', 'done', 'result_id', result, 'owner', ARGV[1])
redis.call('HSETNX', KEYS[1], 'plan_digest', ARGV[16])
redis.call('HSETNX', KEYS[1], 'client_order_id', 'none')
redis.call('HSETNX', KEYS[1], 'attempt', '0')
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.call('XACK', KEYS[3], ARGV[2], ARGV[3])
return 'settled'
