"""The language of keepalived.conf(5): lexer, parser, keywords, and what they compile to."""
