"""Files of keepalived.conf(5) in the styles that people use, written for this project, and what they mean."""
