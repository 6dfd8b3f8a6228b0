"""haproxy-programmer: desired x health x operators -> a HAProxy process that it owns."""
