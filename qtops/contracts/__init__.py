"""What crosses a process boundary: names, messages, values. Pure."""
