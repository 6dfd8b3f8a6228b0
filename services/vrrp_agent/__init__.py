"""Election on the wire (RFC 9568, RFC 3768); owns the virtual addresses of its router."""
