-- Counts what is answered. Arguments: every body that an answer may have, and pause=N, the milliseconds that a
-- connection rests after an answer.
bodies = {}
wrong = 0
local expected = {}
local threads = {}

function setup(thread)
    table.insert(threads, thread)
end

function init(arguments)
    for _, body in ipairs(arguments) do
        local pause = string.match(body, "^pause=(%d+)$")
        if pause then
            delay = function() return tonumber(pause) end  -- wrk looks for it once this function has ended
        else
            expected[body] = true
        end
    end
end

function response(status, headers, body)
    if status ~= 200 or not expected[body] then
        wrong = wrong + 1
        body = string.format("%d %s", status, string.gsub(string.sub(body, 1, 40), '[%c"\\]', " "))
    end
    bodies[body] = (bodies[body] or 0) + 1
end

function done(summary, latency, requests)
    local said, counts, wrong = {}, {}, 0
    for _, thread in ipairs(threads) do
        wrong = wrong + thread:get("wrong")
        for body, count in pairs(thread:get("bodies")) do
            counts[body] = (counts[body] or 0) + count
        end
    end
    for body, count in pairs(counts) do
        table.insert(said, string.format('"%s":%d', body, count))
    end
    local errors = summary.errors
    io.write(string.format(
        '{"requests":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,"wrong":%d,"bodies":{%s}}\n',
        summary.requests, errors.connect, errors.read, errors.write, errors.timeout, wrong,
        table.concat(said, ",")
    ))
end
