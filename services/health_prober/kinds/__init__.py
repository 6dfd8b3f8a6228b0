"""One module a kind of check; each has a coroutine `attempt` (`health_prober.attempt`)."""
