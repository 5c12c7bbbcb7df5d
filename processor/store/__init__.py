"""What jobwire keeps in Redis: lanes of work, facts, the journal, tokens. A file for each kind of thing."""
