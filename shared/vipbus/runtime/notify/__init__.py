"""Tell programs and named pipes, in order; for every service that notifies."""
