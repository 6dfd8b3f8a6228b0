"""The agent's side of `vipbus.runtime.runner`."""
