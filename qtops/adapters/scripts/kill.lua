-- Set the kill switch: value, new epoch, record and audit entry in one step.
-- KEYS: 1 kill  2 epoch  3 record  4 control.audit
-- ARGV: 1 value  2 audit maxlen  3 the value that must still hold, '' for any  4 the epoch that must hold with it
--       5… record fields
-- Returns {previous value or '', new epoch}; the epoch is -1 when something else held and nothing was done.
-- Whatever lies under these keys, the switch must work: a value of another type is overwritten, and an epoch that is
-- no number starts anew at the server's second, which no earlier epoch can have reached by counting.
local previous = redis.pcall('GET', KEYS[1]) or ''
if type(previous) == 'table' then
  previous = '(not a string)'
end
if ARGV[3] ~= '' and (previous ~= ARGV[3] or redis.pcall('GET', KEYS[2]) ~= ARGV[4]) then
  return {previous, -1}
end
redis.call('SET', KEYS[1], ARGV[1])
local epoch = redis.pcall('INCR', KEYS[2])
if type(epoch) == 'table' then
  epoch = tonumber(redis.call('TIME')[1])
  redis.call('SET', KEYS[2], epoch)
end
redis.call('DEL', KEYS[3])
redis.call('HSET', KEYS[3], 'value', ARGV[1], 'previous', previous, 'epoch', epoch, unpack(ARGV, 5))
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[2], '*', 'switch', 'kill', 'value', ARGV[1], 'previous', previous,
  'epoch', epoch, unpack(ARGV, 5))
return {previous, epoch}
