"""What instances follow: scripts, files, processes, and the last word of every source."""
