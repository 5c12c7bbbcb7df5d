"""`python -m processor.cli`: the command without its script."""

from processor.cli import main

main(prog_name="jobwire")
