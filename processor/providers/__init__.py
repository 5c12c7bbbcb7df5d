"""The vendors we understand, a folder each; they are found through the `jobwire.providers` entry points."""
