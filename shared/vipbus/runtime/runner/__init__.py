"""A process of its own that runs programs: nothing ever forks a service that must not stall for it."""
