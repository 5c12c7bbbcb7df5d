-- RESUME: A = {gate}. Whoever was held off may claim again.
return c('HDEL', P .. 'gate:' .. A.gate, 'pause')
