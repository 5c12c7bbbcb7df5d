"""Where events go: a file each."""
