-- Consume the permits and write the claim, if every byte the decision rested on is still there.
-- KEYS: 1 claim  2 reservations  3 reservations version  4… the keys that were read (permits last)
-- ARGV: 1 plan id  2 client order id  3 owner  4 plan digest  5 epoch  6 claim TTL s  7 number of control keys
--       8 reservation JSON when there is none yet, '' when there must be one  9 permits JSON, kept in the claim
--       10 run id of the server when the plan was looked at
--       11… expected values, a '+' before each present one, '-' when absent
-- Returns 'ok', 'restarted' (what the plan's run knows of earlier claims may be gone), 'claimed' (by another
-- delivery), 'changed' (read again) or 'unreserved'.
if string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') ~= ARGV[10] then
  return 'restarted'
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 'claimed'
end
for i = 4, #KEYS do
  local value = redis.call('GET', KEYS[i])
  local expected = ARGV[i + 7]
  if (value and ('+' .. value) or '-') ~= expected then
    return 'changed'
  end
end
local held = redis.call('HGET', KEYS[2], ARGV[1]) or ARGV[8]
if held == '' then
  return 'unreserved'
end
local reservation = cjson.decode(held)
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
if reservation['state'] == 'issued' and now_ms >= tonumber(reservation['expires_at_ms']) then
  return 'unreserved' -- the key of the permit outlives it by a moment, in which the capacity may be promised anew
end
for i = 4 + tonumber(ARGV[7]), #KEYS do
  redis.call('DEL', KEYS[i])
end
reservation['state'] = 'admitted'
redis.call('HSET', KEYS[2], ARGV[1], cjson.encode(reservation))
redis.call('INCR', KEYS[3])
redis.call('HSET', KEYS[1], 'state', 'claimed', 'client_order_id', ARGV[2], 'attempt', '0', 'owner', ARGV[3],
  'plan_digest', ARGV[4], 'epoch', ARGV[5], 'permits', ARGV[9])
redis.call('EXPIRE', KEYS[1], ARGV[6])
return 'ok'
