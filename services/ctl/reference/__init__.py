"""What is written about ``vipbus``, made from its commands: docs/command.md, its JSON Schema, vipbus(1).

``make command`` writes all three, and a test holds them to the commands.
"""
