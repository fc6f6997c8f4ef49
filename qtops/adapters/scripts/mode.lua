-- Set the mode: value and audit entry in one step.
-- KEYS: 1 mode  2 control.audit
-- ARGV: 1 value  2 audit maxlen  3… record fields
-- Returns the previous value or ''.
local previous = redis.pcall('GET', KEYS[1]) or ''
if type(previous) == 'table' then
  previous = '(not a string)'
end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*', 'switch', 'mode', 'value', ARGV[1], 'previous', previous,
  unpack(ARGV, 3))
return previous
