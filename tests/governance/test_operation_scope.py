"""What a command names, and whether a declaration covers it."""

import pytest

from qtops.governance.declaration import declaration_from
from qtops.governance.touches import declared_touches, touch_faults, touches_of


@pytest.fixture
def place(tmp_path):
    for name in ("app", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.env").write_text("x")
    (tmp_path / "app" / "out").symlink_to(tmp_path / "other")
    return tmp_path


def declared(place, **changes):
    fields = {
        "operation": "o",
        "objective": "o",
        "risk_class": "FILESYSTEM_WRITE",
        "blast_radius": "b",
        "rollback_strategy": "r",
        "allowed_paths": [str(place / "app")],
        "allowed_services": ["quantum-p27"],
    }
    return declaration_from(fields | changes)


def faults(place, command, **changes):
    return touch_faults(touches_of(command.split("~"), place), declared(place, **changes))


@pytest.mark.parametrize(
    "command",
    [
        "cat~app/x.env",
        "cat~./app/../app/x.env",
        "tee~app/new.env",
        "dd~if=/dev/null~of=app/x.env",
        "sh~-c~echo 1 > app/x.env 2>/dev/null",
        "systemctl~restart~quantum-p27.service",
        "systemctl~-n~5~status~quantum-p27",
        "service~quantum-p27~restart",
        "sudo~systemctl~restart~quantum-p27",
        "redis-cli~GET~quantum:x/y",
        "curl~http://localhost:8080/metrics",
        "git~checkout~origin/main",
        "true",
    ],
)
def test_what_stays_inside_is_let_through(place, command):
    assert faults(place, command) == []


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("cat~/etc/hosts", "/etc/hosts"),
        ("cat~other/x.env", "other/x.env"),
        ("cat~app/../other/x.env", "other/x.env"),
        ("cat~app/out/x.env", "other/x.env"),
        ("tee~other/new.env", "other/new.env"),
        ("tee~../elsewhere", "elsewhere"),
        ("dd~of=/dev/sda", "/dev/sda"),
        ("cp~--target-directory=/etc~app/x.env", "/etc"),
        ("tar~-C/etc~-xf~app/x.env", "/etc"),
        ("sh~-c~cat app/x.env >/etc/hosts", "/etc/hosts"),
        ("sh~-c~echo 'unbalanced >/etc/hosts", "/etc/hosts"),
        ("sh~-c~echo `cat /etc/hosts`", "/etc/hosts"),
        ("bash~-c~true;systemctl restart nginx; echo 1", "nginx"),
        ("systemctl~restart~nginx", "nginx"),
        ("systemctl~restart~quantum-p27~nginx", "nginx"),
        ("systemctl~restart~quantum-*", "quantum-*"),
        ("/usr/bin/systemctl~stop~nginx", "nginx"),
        ("service~nginx~restart", "nginx"),
    ],
)
def test_what_lies_outside_is_named(place, command, named):
    assert any(named in fault for fault in faults(place, command))


def test_a_program_is_not_what_it_touches(place):
    assert faults(place, "/bin/true~app/x.env") == []


def test_what_the_operator_says_counts_as_well(place):
    said = declared_touches(["/srv/x", "app/x.env"], ["nginx"], place)
    assert touch_faults(said, declared(place)) == [
        "path /srv/x is outside the declared paths",
        "service nginx is outside the declared services",
    ]


def test_a_link_as_the_declared_path_is_what_it_leads_to(place):
    (place / "current").symlink_to(place / "app")
    assert faults(place, "cat~app/x.env", allowed_paths=[str(place / "current")]) == []


def test_what_is_never_touched_is_not_reached_from_an_allowed_directory_either(place):
    (place / "app" / ".ssh").mkdir()
    assert ".ssh is never touched" in faults(place, "cat~app/.ssh")[0]


@pytest.mark.parametrize("verb", ["restart", "stop", "daemon-reload", "enable"])
def test_read_only_changes_no_service(place, verb):
    read_only = {"risk_class": "READ_ONLY", "allowed_services": ["quantum-p27"]}
    found = faults(place, f"systemctl~{verb}~quantum-p27", **read_only)
    assert found == [f"READ_ONLY forbids systemctl {verb}"]
    assert faults(place, "systemctl~is-active~quantum-p27", **read_only) == []
