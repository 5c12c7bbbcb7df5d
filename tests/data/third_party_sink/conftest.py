"""Its tests are for where it is installed; to the tests of jobwire itself this folder is data."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("jobwire_folder") else ["tests"]
