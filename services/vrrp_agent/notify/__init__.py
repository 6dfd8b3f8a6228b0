"""Who is told of a change of role: programs, named pipes, mail; in order, none lost."""
