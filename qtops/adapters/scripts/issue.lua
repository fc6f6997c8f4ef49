-- Write one gate decision: permit (or denial), its record, the acknowledgement; all or nothing.
-- KEYS: 1 permit  2 gate.decision  3 the plan's stream  4 reservations  5 reservations version  6 block record
-- ARGV: 1 permit JSON  2 permit TTL ms  3 group  4 entry id  5 expected version or ''  6 reservation JSON or ''
--       7 next version or ''  8 plan id  9 decision maxlen  10 block JSON or ''  11 block TTL ms  12… decision fields
-- Returns 1, or 0 when the reservations moved since they were read (nothing is written then).
if ARGV[5] ~= '' and (redis.call('GET', KEYS[5]) or '0') ~= ARGV[5] then
  return 0
end
if ARGV[6] ~= '' then
  -- A second entry of the same plan must not turn what the executor holds back into a promise that expires.
  local held = redis.call('HGET', KEYS[4], ARGV[8])
  if not held or cjson.decode(held)['state'] == 'issued' then
    redis.call('HSET', KEYS[4], ARGV[8], ARGV[6])
  end
  -- Not counted on: the batch's next promise expects this very number, and only if this one was made.
  redis.call('SET', KEYS[5], ARGV[7])
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if ARGV[10] ~= '' then
  redis.call('SET', KEYS[6], ARGV[10], 'PX', ARGV[11])
end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[9], '*', unpack(ARGV, 12))
redis.call('XACK', KEYS[3], ARGV[3], ARGV[4])
return 1
