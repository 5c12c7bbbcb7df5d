#!lua flags=allow-oom
-- TIME: what the scripts take for the time, in ms.
return t
