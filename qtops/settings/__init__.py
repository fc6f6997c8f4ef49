"""Where every setting's value comes from; the only reader of the environment.

`catalogue` declares the settings, one line each; `load.load_settings` gives them values with
origins; `model` has the types.
"""
