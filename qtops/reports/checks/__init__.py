"""A check report in every format there is, one module each. Nothing is judged here.

Each is a pure function of the report and of the name of the run (`audit env`).
"""
