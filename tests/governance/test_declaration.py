"""A declaration holds or says everything that is wrong with it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.vocabulary import RiskClass
from qtops.governance.declaration import (
    FIELDS,
    Declaration,
    DeclarationError,
    declaration_from,
    declaration_schema,
    is_within,
    scope_faults,
)
from qtops.governance.scope import NEVER_PATHS, PATH_PATTERN, SCOPES, forbidden, shape_faults

BASE = {
    "operation": "Fix provisioning",
    "objective": "unwrap",
    "risk_class": "LOW_RISK_CONFIG",
    "blast_radius": "dashboards",
    "rollback_strategy": "git checkout",
    "allowed_paths": ["/etc/grafana/provisioning"],
}
WRITING = [risk for risk in RiskClass if risk.writes]


def faults_of(**changes):
    raw = {name: value for name, value in (BASE | changes).items() if value is not None}
    with pytest.raises(DeclarationError) as caught:
        declaration_from(raw)
    assert all(fault in caught.value.message for fault in caught.value.faults)
    return list(caught.value.faults)


def test_a_whole_declaration_is_read_as_it_was_given():
    read = declaration_from(BASE | {"allowed_services": ["grafana-server"], "notes": " n "})
    assert read == Declaration(
        operation="Fix provisioning",
        objective="unwrap",
        risk_class="LOW_RISK_CONFIG",
        blast_radius="dashboards",
        rollback_strategy="git checkout",
        allowed_paths=("/etc/grafana/provisioning",),
        allowed_services=("grafana-server",),
        notes="n",
    )


def test_every_fault_is_told_at_once():
    assert faults_of(
        operation=None, objective=" ", risk_clas="x", allowed_paths=["a"], notes=3
    ) == [
        "unknown field 'risk_clas', did you mean risk_class?",
        "operation is missing",
        "objective is empty",
        "notes is not text",
        "path 'a' is not absolute",
    ]


def test_the_message_is_one_line_whatever_the_field_was_called():
    with pytest.raises(DeclarationError) as caught:
        declaration_from(BASE | {"a\nb": 1})
    assert "\n" not in caught.value.message
    assert (caught.value.code, caught.value.exit_code) == ("declaration", 64)


@pytest.mark.parametrize("field", [field.name for field in FIELDS if field.required])
def test_a_required_field_that_is_not_there_is_missing(field):
    assert faults_of(**{field: None}) == [f"{field} is missing"]


@pytest.mark.parametrize("risk", WRITING)
def test_a_writing_class_needs_a_way_back_and_something_to_write(risk):
    found = faults_of(
        risk_class=risk.value, rollback_strategy=None, allowed_paths=[], allowed_services=[]
    )
    assert found == [f"{risk} needs rollback_strategy", f"{risk} needs {SCOPES[risk].needs}"]


def test_an_operation_that_only_reads_needs_neither():
    raw = BASE | {"risk_class": "READ_ONLY", "rollback_strategy": "", "allowed_paths": []}
    assert declaration_from(raw).allowed_paths == ()


def test_an_operation_that_only_reads_may_name_what_no_other_may_touch():
    raw = BASE | {"risk_class": "READ_ONLY", "allowed_paths": ["/etc", "/proc/1"]}
    assert declaration_from(raw).allowed_paths == ("/etc", "/proc/1")


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("/etc/x", "allowed_paths is no list"),
        ([["/etc/x"]], "allowed_paths holds no text"),
        (["/srv/a\x00b"], "allowed_paths has a control character"),
        (["/srv/a\u202eb"], "allowed_paths has a control character"),
    ],
)
def test_paths_are_a_list_of_readable_texts(value, fault):
    assert fault in faults_of(allowed_paths=value)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("etc/x", "is not absolute"),
        ("./x", "is not absolute"),
        ("~/x", "is not absolute"),
        ("/srv/../etc/x", "leads upwards"),
        ("/srv/..", "leads upwards"),
        ("/", "is the whole host"),
        ("//srv", "is not in normal form, write '/srv'"),
        ("/srv/", "is not in normal form, write '/srv'"),
        ("/srv/./x", "is not in normal form, write '/srv/x'"),
        ("/srv ", "is not in normal form, write '/srv'"),
        ("/srv/a\nb", "has a control character"),
        ("/srv/*", "is a pattern"),
        ("/srv/$HOME", "is a pattern"),
    ],
)
def test_a_path_that_could_mean_another_place_is_refused(path, reason):
    assert [reason in fault for fault in shape_faults(path)] == [True]


@pytest.mark.parametrize("risk", WRITING)
@pytest.mark.parametrize("never", NEVER_PATHS)
def test_what_is_never_touched_is_refused_itself_below_and_above(risk, never):
    parent = never.rpartition("/")[0]
    for path in [never, f"{never}/x", *([parent] if parent else [])]:
        declared = Declaration(**BASE | {"risk_class": risk, "allowed_paths": (path,)})
        assert any(repr(path) in fault for fault in scope_faults(declared)), path


@pytest.mark.parametrize("path", ["/home/qt/.ssh/id", "/srv/.gnupg", "/var/x/grafana.db"])
def test_keys_and_the_grafana_database_are_refused_wherever_they_are(path):
    assert "never touched" in forbidden(path)


@pytest.mark.parametrize("path", ["/etc/passwd.d", "/etc/sshd", "/development", "/srv/ssh"])
def test_a_name_that_only_begins_like_a_forbidden_one_is_allowed(path):
    assert forbidden(path) == ""


@pytest.mark.parametrize("path", ["/etc/systemd/system/x.service", "/usr/local/bin", "/run"])
def test_units_and_the_system_are_beyond_a_small_change_of_configuration(path):
    assert len(faults_of(allowed_paths=[path])) == 1
    for risk in ("SERVICE_RESTART", "FILESYSTEM_WRITE"):
        raw = BASE | {"risk_class": risk, "allowed_paths": [path], "allowed_services": ["x"]}
        assert declaration_from(raw).allowed_paths == (path,)


@pytest.mark.parametrize("service", ["-M", "a b", "a;b", "a/b", "a" * 256, "ufw", "ufw.service"])
def test_what_is_no_unit_or_is_the_firewall_is_no_service(service):
    assert len(faults_of(allowed_services=[service])) == 1


def test_services_in_one_value_are_split_and_named_once():
    raw = BASE | {"allowed_services": ["a@1.service, b", "b"]}
    assert declaration_from(raw).allowed_services == ("a@1.service", "b")


def test_a_path_is_within_what_is_equal_or_above():
    assert is_within("/a/b", ["/x", "/a/b"])
    assert is_within("/a/b/[id].ts", ["/a/b"])
    assert not is_within("/a/bc", ["/a/b"])
    assert not is_within("/a", ["/a/b"])


@pytest.mark.parametrize("path", ["/a/b/../c", "/a/b/..", "/a/b/", "/a/b//c", "/a/b/./c", "//a/b"])
def test_a_path_in_another_form_is_within_nothing(path):
    assert not is_within(path, ["/a/b"])


@given(st.lists(st.sampled_from(["a", "..", ".", "", "c d"]), min_size=1, max_size=4))
def test_no_spelling_leads_out_of_an_allowed_path(parts):
    path = "/a/b/" + "/".join(parts)
    assert is_within(path, ["/a/b"]) == (not {"..", ".", ""} & set(parts))


def test_the_schema_has_the_fields_that_are_read():
    schema = declaration_schema()
    assert list(schema["properties"]) == list(Declaration.__dataclass_fields__)
    assert schema["required"] == ["operation", "objective", "risk_class", "blast_radius"]
    assert schema["properties"]["risk_class"]["enum"] == [risk.value for risk in RiskClass]
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("risk", WRITING)
def test_the_schema_wants_of_a_class_what_the_scope_wants(risk):
    rules = {c["if"]["properties"]["risk_class"]["const"]: c for c in declaration_schema()["allOf"]}
    assert rules[risk]["then"]["required"] == ["rollback_strategy", SCOPES[risk].needs]


@given(st.text(min_size=1, max_size=12).map(lambda text: f"/{text}"))
def test_the_schema_allows_every_path_that_is_read(path):
    if not shape_faults(path):
        assert re.fullmatch(PATH_PATTERN, path)
