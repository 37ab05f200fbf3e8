//! The changes of `trades_window`, each in one step as seen by a reader.

use std::sync::LazyLock;

use redis::Script;

/// Compares the list with the image and changes it in one step.
///
/// Every minute put in is noted in the list of changes in the same step, so that a reader can tell what it has
/// not seen without reading the window: `<epoch> <sequence> <minute>`, the sequence counting from the epoch,
/// which is when the list was begun.
///
/// `KEYS`: window, lease, mark, changes. `ARGV`: token, expected length, expected newest and oldest time,
/// expected and new mark, elements to pop from the old end, changes kept, then triples `L json -`, `R json -`,
/// `S index json`.
pub(super) static APPLY: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r#"
local holder = redis.call('GET', KEYS[2])
if holder ~= ARGV[1] then return {'not_owner', holder or ''} end
if (redis.call('GET', KEYS[3]) or '') ~= ARGV[5] then return {'changed', ''} end
local length = redis.call('LLEN', KEYS[1])
if length ~= tonumber(ARGV[2]) then return {'changed', ''} end
if length > 0 then
  local function at(index) return string.sub(redis.call('LINDEX', KEYS[1], index), 1, 60) end
  if not string.find(at(0), ARGV[3], 1, true) then return {'changed', ''} end
  if not string.find(at(-1), ARGV[4], 1, true) then return {'changed', ''} end
end
local epoch, sequence
local noted = redis.call('LINDEX', KEYS[4], 0)
if noted then epoch, sequence = string.match(noted, '^(%S+) (%d+) ') end
if not epoch then
  redis.call('DEL', KEYS[4])
  local now = redis.call('TIME')
  epoch, sequence = now[1] .. '.' .. now[2], '0'
end
sequence = tonumber(sequence)
local function note(json)
  sequence = sequence + 1
  local minute = string.match(string.sub(json, 1, 60), '"timestamp":"([^"]*)"')
  redis.call('LPUSH', KEYS[4], epoch .. ' ' .. string.format('%.0f', sequence) .. ' ' .. minute)
end
for i = 9, #ARGV, 3 do
  if ARGV[i] == 'S' then
    redis.call('LSET', KEYS[1], ARGV[i + 1], ARGV[i + 2])
    note(ARGV[i + 2])
  end
end
local pop = tonumber(ARGV[7])
if pop > 0 then redis.call('RPOP', KEYS[1], pop) end
for i = 9, #ARGV, 3 do
  if ARGV[i] == 'L' then redis.call('LPUSH', KEYS[1], ARGV[i + 1]) end
  if ARGV[i] == 'R' then redis.call('RPUSH', KEYS[1], ARGV[i + 1]) end
  if ARGV[i] ~= 'S' then note(ARGV[i + 1]) end
end
redis.call('LTRIM', KEYS[4], 0, tonumber(ARGV[8]) - 1)
redis.call('SET', KEYS[3], ARGV[6])
return {'done', ''}
"#,
    )
});

/// Moves the newest elements to the list of those set aside, if the mark is the expected one.
///
/// The changes begin anew: every reader reads all.
///
/// `KEYS`: window, set aside, lease, mark, changes. `ARGV`: token, expected and new mark, how many, most set aside.
pub(super) static SET_ASIDE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local holder = redis.call('GET', KEYS[3])
if holder ~= ARGV[1] then return {'not_owner', holder or ''} end
if (redis.call('GET', KEYS[4]) or '') ~= ARGV[2] then return {'changed', ''} end
for _ = 1, tonumber(ARGV[4]) do
  local element = redis.call('LPOP', KEYS[1])
  if not element then break end
  redis.call('LPUSH', KEYS[2], element)
end
redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[5]) - 1)
redis.call('SET', KEYS[4], ARGV[3])
redis.call('DEL', KEYS[5])
return {'done', ''}
",
    )
});

/// Puts a rebuilt list in place of the old one in one step, if the mark is the one it was rebuilt at.
/// The changes begin anew: every reader reads all.
///
/// `KEYS`: window, rebuilt list, lease, mark, changes. `ARGV`: token, expected and new mark, length of the rebuilt list.
pub(super) static SWAP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local holder = redis.call('GET', KEYS[3])
if holder ~= ARGV[1] then return {'not_owner', holder or ''} end
if (redis.call('GET', KEYS[4]) or '') ~= ARGV[2] then return {'changed', ''} end
if redis.call('LLEN', KEYS[2]) ~= tonumber(ARGV[4]) then return {'changed', ''} end
if ARGV[4] == '0' then redis.call('DEL', KEYS[1]) else redis.call('RENAME', KEYS[2], KEYS[1]) end
redis.call('SET', KEYS[4], ARGV[3])
redis.call('DEL', KEYS[5])
return {'done', ''}
",
    )
});

/// Renames a window key that is no list, if the mark is the expected one. Earlier ones keep their names.
///
/// `KEYS`: window, lease, mark, changes. `ARGV`: token, expected and new mark, name to take, most names.
pub(super) static RENAME: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local holder = redis.call('GET', KEYS[2])
if holder ~= ARGV[1] then return {'not_owner', holder or ''} end
if (redis.call('GET', KEYS[3]) or '') ~= ARGV[2] then return {'changed', ''} end
local kind = redis.call('TYPE', KEYS[1])['ok']
if kind == 'list' or kind == 'none' then return {'changed', ''} end
local name = ARGV[4]
for number = 2, tonumber(ARGV[5]) do
  if redis.call('EXISTS', name) == 0 then break end
  name = ARGV[4] .. '_' .. number
end
redis.call('RENAME', KEYS[1], name)
redis.call('SET', KEYS[3], ARGV[3])
redis.call('DEL', KEYS[4])
return {'done', ''}
",
    )
});

/// Notes the bucket width of the window's minutes.
///
/// `KEYS`: width, lease. `ARGV`: token, width.
pub(super) static NOTE_WIDTH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local holder = redis.call('GET', KEYS[2])
if holder ~= ARGV[1] then return {'not_owner', holder or ''} end
redis.call('SET', KEYS[1], ARGV[2])
return {'done', ''}
",
    )
});
