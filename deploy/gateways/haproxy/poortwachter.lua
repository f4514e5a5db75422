-- Asks the sidecar about a request; used by haproxy.cfg.

-- Not above the sidecar's setting gateway_timeout_ms: a lockout counts on it.
local TIMEOUT_MS = 1000

-- Headers of a connection, not of a request.
local NOT_PASSED = {["connection"] = true, ["content-length"] = true, ["transfer-encoding"] = true, ["host"] = true,
    ["expect"] = true, ["te"] = true, ["trailer"] = true, ["upgrade"] = true, ["keep-alive"] = true}
local TO_PORTAL = {"decision-id", "accountable", "obligations", "notices"}

local function first(headers, name)
    local values = headers and headers[name]
    return values and values[0]
end

-- Ends the request with the sidecar's own answer, or a redirect to the login for browsers.
local function deny(txn, answer, method, accept)
    local reply = txn:reply()
    local login = first(answer.headers, "x-pdp-login")
    if answer.status == 401 and login and (method == "GET" or method == "HEAD") and accept:find("text/html", 1, true) then
        reply:set_status(302)
        reply:add_header("location", login)
        reply:add_header("cache-control", "no-store")
    else
        reply:set_status(answer.status)
        for name, values in pairs(answer.headers) do
            if not NOT_PASSED[name] then
                for _, value in pairs(values) do reply:add_header(name, value) end
            end
        end
        reply:set_body(answer.body)
    end
    txn:done(reply)
end

core.register_action("poortwachter", {"http-req"}, function(txn, url)
    local headers = {}
    for name, values in pairs(txn.http:req_get_headers()) do
        if not NOT_PASSED[name] then
            headers[name] = {}
            for i = 0, #values do headers[name][#headers[name] + 1] = values[i] end
        end
    end
    local method, accept = txn.f:method(), txn.f:req_hdr("accept") or ""
    headers["x-original-method"] = {method}
    -- The raw target, path and query.
    headers["x-original-uri"] = {txn.f:pathq()}
    headers["x-forwarded-host"] = {txn.f:req_fhdr("host") or ""}
    headers["x-forwarded-proto"] = {txn.f:ssl_fc() == 1 and "https" or "http"}
    local answer = core.httpclient():get{url = url, headers = headers, timeout = TIMEOUT_MS}
    -- No answer leaves no yes: haproxy.cfg denies.
    if not answer or not answer.status or answer.status == 0 then return end
    if answer.status == 200 then
        for _, name in ipairs(TO_PORTAL) do
            local value = first(answer.headers, "x-pdp-" .. name)
            if value then txn:set_var("txn.pdp_" .. name:gsub("-", "_"), value) end
        end
        txn:set_var("txn.pdp_allowed", true)
    elseif answer.status == 401 or answer.status == 403 then
        deny(txn, answer, method, accept)
    end
end, 1)
