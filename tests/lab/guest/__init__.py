"""A kernel with IPVS for the lab: this machine's own, or a User-Mode Linux guest over this machine's files.

``python -m tests.lab.guest -- COMMAND`` runs a command as root where IPVS is, and returns its exit status.
"""
