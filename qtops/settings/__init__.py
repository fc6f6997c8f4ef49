"""Where every setting's value comes from; the only reader of the environment."""
