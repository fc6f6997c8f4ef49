-- Write a book that was proven, or that an operator adopted, if it is still the book that was looked at.
-- KEYS: 1 book  2 reconcile.events  3 reservations  4 hold
-- ARGV: 1 version seen, '' without a book  2 amount seen as stored  3 new amount  4 side  5 now ms  6 source
--       7 symbol  8 events maxlen  9… event fields
-- Returns 'done', 'changed' (the book is another by now) or 'in_flight' (an order of the symbol may still be booked).
local book = redis.call('HMGET', KEYS[1], 'version', 'position_amt')
if (book[1] or '') ~= ARGV[1] or (book[2] or '') ~= ARGV[2] then
  return 'changed'
end
local held = redis.call('HVALS', KEYS[3])
for i = 1, #held do
  local other = cjson.decode(held[i])
  if other['symbol'] == ARGV[7] and (other['state'] == 'admitted' or other['state'] == 'unknown') then
    return 'in_flight'
  end
end
redis.call('HSET', KEYS[1], 'position_amt', ARGV[3], 'side', ARGV[4], 'updated_at_ms', ARGV[5],
  'last_plan_id', '', 'last_order_id', '', 'source', ARGV[6])
redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('DEL', KEYS[4])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[8], '*', unpack(ARGV, 9))
return 'done'
