-- Raise fields to at least these values; counts of a window and ends of a bar only grow.
-- KEYS: 1 budget hash   ARGV: 1 TTL s, then field, value, field, value, …
for i = 2, #ARGV, 2 do
  if tonumber(ARGV[i + 1]) > tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or '0') then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1
