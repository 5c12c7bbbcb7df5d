-- GATE: A = {R, gate, windows, charge (calls beyond the one that the claim paid), pause (ms)}.
if A.charge > 0 then
  charge(A.gate, A.charge)
  further(A.gate, A.charge)
  count('spent:' .. A.R, A.charge)
end
if A.pause > 0 then pause(A.gate, A.pause) end
return 1
