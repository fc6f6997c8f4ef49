-- Take a request's cost from the budgets that all processes of one API key share, or nothing.
-- KEYS: 1 budget hash
-- ARGV: 1 TTL s  2 now ms  3 '1' when the request is an order
--       then for each budget: field of its window, cost, share allowed, '1' when it limits this request, ms to window end
-- Returns 0 when taken, else the milliseconds to wait.
local wait = tonumber(redis.call('HGET', KEYS[1], 'blocked_until_ms') or '0') - tonumber(ARGV[2])
if ARGV[3] == '1' then
  wait = math.max(wait, tonumber(redis.call('HGET', KEYS[1], 'orders_blocked_until_ms') or '0') - tonumber(ARGV[2]))
end
for i = 4, #ARGV, 5 do
  local used = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or '0')
  if ARGV[i + 3] == '1' and used + tonumber(ARGV[i + 1]) > tonumber(ARGV[i + 2]) then
    wait = math.max(wait, tonumber(ARGV[i + 4]))
  end
end
if wait > 0 then
  return wait
end
for i = 4, #ARGV, 5 do
  redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1])
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 0
