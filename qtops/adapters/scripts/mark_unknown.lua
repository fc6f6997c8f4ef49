-- Keep the worst case reserved while an order's outcome is unknown, if the plan is still ours and open. Without that
-- look, a slow executor would put back a reservation that the one that took over has just released, for good.
-- KEYS: 1 claim  2 reservations  3 reservations version
-- ARGV: 1 owner  2 plan id  3 reservation JSON when there is none  4 now ms
-- Returns 1, or 0 when the plan was settled or is another's.
local claim = redis.call('HMGET', KEYS[1], 'state', 'owner')
if claim[1] == 'done' or (claim[2] and claim[2] ~= ARGV[1]) then
  return 0
end
local reservation = cjson.decode(redis.call('HGET', KEYS[2], ARGV[2]) or ARGV[3])
reservation['state'] = 'unknown'
reservation['filled_at_ms'] = tonumber(ARGV[4])
redis.call('HSET', KEYS[2], ARGV[2], cjson.encode(reservation))
redis.call('INCR', KEYS[3])
return 1
