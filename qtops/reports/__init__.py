"""Result objects rendered as text, Markdown and HTML. Nothing is computed here."""
