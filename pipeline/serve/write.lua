-- Writes rows of one topic partition, each only where it is newer than what stands, and moves the partition's position.
-- All of it happens at once, so wherever the position stands, all rows before it are there.
--
-- KEYS[1]  the hash `view`: the namespace, and the positions by partition
-- KEYS[i]  the key of row i - 1
-- ARGV[1]  namespace
-- ARGV[2]  partition, a field of the hash
-- ARGV[3]  position from which on this writer has read without a gap; '' for the partition's beginning, '*' for a
--          rebuild, which moves no position
-- ARGV[4]  position up to which it has read
-- ARGV[5]  when all of the partition was known to be read, epoch milliseconds
-- ARGV[6]  how long the marker of a deletion lasts, milliseconds
-- ARGV[7]  three a row: 'put', version, JSON | 'delete', version, '' | 'active' or 'cancelled', expiry in ms, ''
--
-- Positions and versions are texts of equal length, `epoch-number`, so they compare as texts.
-- Answers: outcome, rows written, rows refused, what the hash says now.

local view, namespace, partition = KEYS[1], ARGV[1], ARGV[2]
local from, to, current, lasts = ARGV[3], ARGV[4], ARGV[5], ARGV[6]

local owner = redis.call('HGET', view, 'namespace')
if not owner then
  redis.call('HSET', view, 'namespace', namespace)
elseif owner ~= namespace then
  return {'foreign', 0, 0, owner}
end

local stands = redis.call('HGET', view, partition)
local known = stands and string.sub(stands, 1, #to) or ''
if string.sub(known, 1, 6) > string.sub(to, 1, 6) then
  return {'outdated', 0, 0, stands}
end
local begins = string.sub(known, 1, 6) ~= string.sub(to, 1, 6)
if from ~= '*' then
  if from ~= '' and (begins or from > known) then
    return {'gap', 0, 0, stands or ''}
  end
  if not begins and to < known then
    return {'behind', 0, 0, stands}
  end
end

-- '{"version":"' is 12 bytes, and the version follows.
local function version_of(key)
  local version = redis.call('GETRANGE', key, 12, 11 + #to)
  if version == '' then
    version = redis.call('GET', 'deleted:' .. key) or ''
  end
  return version
end

local written = 0
for i = 2, #KEYS do
  local key, at = KEYS[i], 7 + (i - 2) * 3
  local what, stamp, value = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local done = true
  if what == 'put' then
    done = stamp > version_of(key)
    if done then
      redis.call('SET', key, value)
    end
  elseif what == 'delete' then
    done = stamp > version_of(key)
    if done then
      redis.call('DEL', key)
      redis.call('SET', 'deleted:' .. key, stamp, 'PX', lasts)
    end
  elseif what == 'active' then
    done = redis.call('SET', key, what, 'NX', 'PXAT', stamp)
  else
    redis.call('SET', key, what, 'PXAT', stamp)
  end
  if done then
    written = written + 1
  end
end

if from ~= '*' then
  if not begins and string.sub(stands, #to + 2) > current then
    current = string.sub(stands, #to + 2)
  end
  stands = to .. ' ' .. current
  redis.call('HSET', view, partition, stands)
end
return {'written', written, #KEYS - 1 - written, stands or ''}
