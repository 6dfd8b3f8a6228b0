"""Routers with the real state machine on a simulated network; everything follows from one seed.

`world` is time and the network, `router` what an agent does around its state machines, `rules` what must
hold at every step, `scenario` what a seed stands for, `judge` what must hold once it is calm.
"""
