-- STOCK: one page of a source's list, and where its reading stands, in one step. A = {R, was (the cursor as it was read,
-- '' = none), cursor, hints, stock = {{job, L, ended, card}}, after (ms until an open job is looked at again), dedup, keep,
-- doc_ttl, facts_ttl}; ARGV[2 * i] and ARGV[2 * i + 1] are the facts and the deflated document of the i-th in stock.
-- What somebody knows already stays as it is. Returns 1, or 0 when another has read on meanwhile: nothing was written.
local cur = P .. 'cur:' .. A.R:sub(3)
if (c('GET', cur) or '') ~= A.was then return 0 end
c('SET', cur, A.cursor)
take_in(A.R, A.hints)
for i, s in ipairs(A.stock) do
  if c('SET', P .. 'facts:' .. s.job, ARGV[2 * i], 'EX', A.facts_ttl, 'NX') then
    c('SET', P .. 'doc:' .. s.job, ARGV[2 * i + 1], 'EX', s.ended and A.keep or A.doc_ttl)
    show(A.R:sub(3), s.job, s.card)
    if not s.ended and not c('ZSCORE', P .. 'due:' .. A.R, s.L) and not c('ZSCORE', P .. 'run:' .. A.R, s.L) then
      c('ZADD', P .. 'poll:' .. A.R, 'NX', t + A.after * (i / #A.stock), s.L)
    end
  end
end
return 1
