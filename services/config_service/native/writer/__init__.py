"""From entities to the text of a vipbus.toml: what the reader makes of a document, the other way round."""
