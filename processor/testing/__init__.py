"""For plugin authors and ourselves: contracts to subclass, fakes to pass in."""
