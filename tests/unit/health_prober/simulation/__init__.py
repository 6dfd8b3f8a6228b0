"""Replicas of the prober on a simulated bus, in simulated time; everything follows from one seed.

`loop` is time, `store` what JetStream does, `bus` a replica's line to it, `engine` its probes, `world` all of
it together, `rules` what must hold, `story` what a seed stands for.
"""
