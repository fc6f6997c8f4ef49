"""Where every setting's value comes from; the only reader of the environment.

`catalogue` declares the settings, one line each; `load_settings` gives them values with origins.
"""

from qtops.settings.load import load_settings
from qtops.settings.model import Secret, Setting, Settings, Value

__all__ = ["Secret", "Setting", "Settings", "Value", "load_settings"]
