"""``vipbus doctor``: what stands in the way on this host or between the routers, each with its remedy."""
