"""Templates come with the package, and the command line does not pay for them."""

import subprocess
import sys
from importlib.resources import files


def test_every_template_is_package_data():
    found = {p.name for p in files("qtops.reports").joinpath("templates").iterdir()}
    assert {"exit_proof.html", "exit_proof.md", "gantt.html", "page.html", "style.css"} <= found


def test_importing_the_reports_does_not_import_jinja():
    code = "import sys, qtops.reports.artifacts; sys.exit('jinja2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
