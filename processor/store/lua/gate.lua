-- GATE: A = {R, windows, charge (calls beyond the one that the claim paid), pause (ms)}.
if A.charge > 0 then charge(A.R, A.charge) end
if A.pause > 0 then pause(A.R, A.pause) end
return 1
