-- Write one gate decision: permit (or denial), its record, the acknowledgement; all or nothing.
-- KEYS: 1 permit  2 gate.decision  3 the plan's stream  4 reservations  5 reservations version  6 block record
-- ARGV: 1 permit JSON  2 permit TTL ms  3 group  4 entry id  5 expected version or ''  6 reservation JSON or ''
--       7 plan id  8 decision maxlen  9 block JSON or ''  10 block TTL ms  11… decision fields
-- Returns 1, or 0 when the reservations moved since they were read (nothing is written then).
if ARGV[5] ~= '' and (redis.call('GET', KEYS[5]) or '0') ~= ARGV[5] then
  return 0
end
if ARGV[6] ~= '' then
  -- A second entry of the same plan must not turn what the executor holds back into a promise that expires.
  local held = redis.call('HGET', KEYS[4], ARGV[7])
  if not held or cjson.decode(held)['state'] == 'issued' then
    redis.call('HSET', KEYS[4], ARGV[7], ARGV[6])
  end
  redis.call('INCR', KEYS[5])
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if ARGV[9] ~= '' then
  redis.call('SET', KEYS[6], ARGV[9], 'PX', ARGV[10])
end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[8], '*', unpack(ARGV, 11))
redis.call('XACK', KEYS[3], ARGV[3], ARGV[4])
return 1
