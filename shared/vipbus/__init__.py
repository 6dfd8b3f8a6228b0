"""What every service of vipbus may use, and nothing else is shared."""

__version__ = "0.1.0"
