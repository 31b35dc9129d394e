"""Amazon's stand-in over real HTTP, in a process of its own. It knows nothing of ours, and none of our apps imports it.

    python -m apps.sandbox --port 8123 [--orders 300] [--seed 1] [--start 2026-11-12T09:00:00Z] [--still] [--no-limits]

prints one line when it listens, on 127.0.0.1 alone. The SP-API's paths and Login with Amazon's are on the same host. One
seller, A2BRACKENFOLD9, sells in the United Kingdom and in Germany; its credentials are in `lwa`.

What it simulates
- POST /auth/o2/token; searchOrders and getOrder (2026-01-01); getInventorySummaries; getReports, getReport and
  getReportDocument for settlements, with documents that lie gzipped at addresses good for five minutes, in cp1252 and UTF-8
  in turns; searchListingsItems; getMarketplaceParticipations. Answers have the shapes of the official models: the contract
  tests hold them to that.
- Access tokens that run out after an hour of the real clock. Page tokens that run out (24 hours, half a minute for stock) and
  belong to their request. At least two pages wherever there are two records. Answers about orders as they were two minutes
  ago. What Amazon refuses, in its error envelope; x-amzn-RequestId on every answer of the API.
- The published usage plans as token buckets, one for each refresh token and operation. They fill by the real clock, and by
  what is advanced, also where the clock stands.
- A world that follows from seed, start and size: `--orders` orders over the 28 days before the start, a tenth as many in the
  week after it. They live through their states as the clock goes on. One of each thing that is not ordinary has a name
  (`world.World.special`). Stock moves every few hours; a fourth settlement comes 13 days after the start.
- A clock that is the real one, or stands at the start (`--still`), plus what was advanced.

What it does not
- Nothing can be written: no shipment is confirmed, no feed or report is ordered, no listing changed. The merchant's ordinary
  orders ship by themselves; the special ones wait for ever.
- No orders v0, finances, notifications, outbound fulfilment, restricted data tokens; no roles: whoever has a token may read
  buyers. searchListingsItems does not stop at 1,000 results. The pages of a search show one instant, Amazon's may shift.
- An order of multi-channel fulfilment names the marketplace whose stock it took. What Amazon really names is not known here.

/control/ switches it, with JSON:
- POST fault {"operation": one of `operations` or "*", "mode": one of `faults.MODES`, "times": a number or null, "after": how
  many calls go well before it}: 429, 503-html, 502-empty, timeout, reset, revoked, role-missing, garbage-200 (cut off) and
  missing-key (without what the answer must bring)
- POST clear; POST advance {"seconds"}; POST limits {"on"}; POST expire (every access token); POST reset (no faults, no limits,
  the start's clock, no tokens, an empty log)
- GET log: what was asked and answered (at, operation, method, path, params, status, request_id, mode), without tokens, bodies
  and addresses of documents; GET world: account, marketplaces, start, now, orders, special, new_skus, buyer_marks
"""
