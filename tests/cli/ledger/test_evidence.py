"""Evidence behind an entry, and the founding sample from its inputs."""

import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import yaml

from qtops.ledger.markdown import entry_blocks
from tests.cli.ledger.conftest import SAMPLES, files, options, page, program


def test_a_success_with_a_dead_service_is_refused_or_marked(ledger, machine, monkeypatch):
    monkeypatch.setenv("STATE", "failed")
    words = ["append", *options(), "--allowed-services", "quantum-x"]
    run = ledger(*words, "--strict")
    assert run.code == 1
    assert "quantum-x is failed on quantumtrader-prod-1" in run.err
    assert files(ledger) == {}
    assert ledger(*words, "--json").document["validation_warnings"]
    assert ledger("append", *options(outcome="PARTIAL"), "--strict").code == 0


def test_evidence_that_fails_is_a_failure_on_record(ledger):
    more = ["--proof-path", "nope.txt", "--metrics-urls", "file:///etc/hosts"]
    run = ledger("append", *options(), *more, "--json")
    failures = run.document["entry"]["evidence_failures"]
    assert any("nope.txt" in text for text in failures)
    assert any("only http" in text for text in failures)
    assert ledger("append", *options(objective="o"), *more, "--strict").code == 1


class Metrics(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"# HELP x\np27_corr_ready 1.0\nother 2\np27_clusters_count 1.0\n")

    def log_message(self, *words):
        pass


def test_the_founding_deploy_from_its_inputs(ledger, machine, monkeypatch):
    """Time frozen; git, host and Redis answer as they did then."""
    sample = yaml.safe_load((SAMPLES / "deploy.yaml").read_text())
    program(machine, "git", 'case "$*" in *short*) echo a1b2c3d4;; *) echo main;; esac')
    proof = ledger.work / "proof.txt"
    proof.write_bytes(b"x" * 15234)
    stamp = sample["proof_file"]["mtime_utc"].timestamp()
    os.utime(proof, (stamp, stamp))

    async def reply(self, words):
        return ["cluster_stress", "0.788493010732072", "updated_ts", "1769492127"]

    monkeypatch.setattr("qtops.wiring.ledger.ReadOnlyRedis.ask", reply)
    monkeypatch.setattr("qtops.cli.context.AppContext.now_ms", lambda _: 1_769_494_530_000)
    with HTTPServer(("127.0.0.1", 0), Metrics) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/metrics"
        run = ledger(
            "append",
            *options(
                operation=sample["operation_name"],
                operation_id=sample["operation_id"],
                objective=sample["objective"],
                risk_class=sample["risk_class"],
                blast_radius=sample["blast_radius"],
                changes_summary=sample["changes_summary"],
                proof_path="proof.txt",
                metrics_urls=url,
                redis_cmds="HGETALL quantum:portfolio:cluster_state",
                notes=sample["notes"],
            ),
            "--metrics_grep",
            "p27_corr_ready",
            "p27_clusters_count",
            "--allowed_paths",
            *sample["allowed_paths"],
            "--allowed_services",
            *sample["allowed_services"],
            "--strict",
        )
        server.shutdown()
    assert (run.code, run.err) == (0, "")
    [block] = entry_blocks(page(ledger))
    made = yaml.safe_load(block.body)
    made["metrics_snapshot"] = made["metrics_snapshot"].replace(
        url, "http://127.0.0.1:8048/metrics"
    )
    assert len(made["proof_file"].pop("sha256")) == len(sample["proof_file"].pop("sha256"))
    assert {name: made[name] for name in sample} == sample
    assert list(made)[: len(sample)] == list(sample)
