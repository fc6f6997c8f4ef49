-- Set a switch that is one word: value and audit entry in one step.
-- KEYS: 1 the switch  2 control.audit
-- ARGV: 1 value  2 audit maxlen  3… record fields, the switch's name among them
-- Returns the previous value or ''.
local previous = redis.pcall('GET', KEYS[1]) or ''
if type(previous) == 'table' then
  previous = '(not a string)'
end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*', 'value', ARGV[1], 'previous', previous, unpack(ARGV, 3))
return previous
