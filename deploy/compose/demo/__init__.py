"""The demonstration's own parts: what owns a router's network namespace, real servers, a client."""
