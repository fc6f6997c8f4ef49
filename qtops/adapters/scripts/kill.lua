-- Set the kill switch: value, new epoch, record and audit entry in one step.
-- KEYS: 1 kill  2 epoch  3 record  4 control.audit
-- ARGV: 1 value  2 audit maxlen  3… record fields
-- Returns {previous value or '', new epoch}.
local previous = redis.call('GET', KEYS[1]) or ''
redis.call('SET', KEYS[1], ARGV[1])
local epoch = redis.call('INCR', KEYS[2])
redis.call('DEL', KEYS[3])
redis.call('HSET', KEYS[3], 'value', ARGV[1], 'previous', previous, 'epoch', epoch, unpack(ARGV, 3))
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[2], '*', 'switch', 'kill', 'value', ARGV[1], 'previous', previous,
  'epoch', epoch, unpack(ARGV, 3))
return {previous, epoch}
