"""gpu_bench.py BUILD: tools/bench/gpu on a CPU with the small golden models, and what it makes of a trace and of other parts' figures."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
sys.path.insert(0, str(ROOT / "tools/bench"))

import gpu_profile
import gpu_report

MACHINE = {"gpus": ["H100"], "cpu": "Xeon", "cores": 16}
RUN = {"whole": 10.0, "videos": 1, "stages": {"denoise": 7.0, "vae_decode": 2.9, "mux": 0.5}, "memory": []}


def event(name: str, begin_us: float, duration_us: float, category: str = "kernel") -> dict:
    return {"cat": category, "name": name, "ts": begin_us, "dur": duration_us}


class Profile(unittest.TestCase):
    def test_sums_kernels_by_kind_and_finds_the_gaps(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "unet.json"
            path.write_text(json.dumps({"traceEvents": [event("aten::conv2d", 900, 5000, "cpu_op"), event("cutlass_gemm_f16", 1000, 2000), event("sm90_xmma_fprop_implicit_gemm", 2500, 1500),
                                                        event("geglu", 5000, 500), event("cudnn_generated_fort_native_sdpa_fprop", 5500, 500)]}))
            profile = gpu_profile.read_traces(pathlib.Path(folder))["unet"]
        self.assertAlmostEqual(profile["ms"], 5.0)
        self.assertAlmostEqual(profile["idle_ms"], 1.0)
        self.assertEqual({kind: value["ms"] for kind, value in profile["kinds"].items()}, {"linear": 2.0, "convolution": 1.5, "GEGLU (ours)": 0.5, "attention": 0.5})


class Report(unittest.TestCase):
    def test_says_which_machine_ran_what_and_which_targets_are_missed(self):
        results = {"machines": {"modules": MACHINE, "fleet": MACHINE | {"gpus": ["H100", "H100"]}}, "modules": {"unet_guided_tile": {"ms": 361, "frames": None}},
                   "clips": {"lcm4_guided": RUN, "folder_guided": RUN | {"videos": 2, "busy": 0.97}}, "fleet": {"1": RUN, "2": RUN | {"whole": 5.5}},
                   "original": [{"mode": "lcm4", "whole": whole, "stages": {"load": 1, "clip": 1, "vae_encode": 1, "denoise": 1, "vae_decode": 1}} for whole in (99.0, 20.0)]}
        report = gpu_report.markdown(results)
        self.assertIn("H100; Xeon, 16 cores (modules); 2 × H100; Xeon, 16 cores (fleet).", report)
        self.assertIn("| 361.0 |  | 360, MISSED |", report)
        self.assertIn("| guidance | 2 | 10.0 | 5.00 | 720 | 1.0% | 97% | 20.0 | 4.0 |", report)
        self.assertIn("2 GPUs 5.5 s; 1.82 times the throughput.", report)
        self.assertNotIn("FAILED", report)
        self.assertIn("FAILED: a kernel's assertion", gpu_report.markdown(results | {"faults": {"a kernel's assertion": {"code": 1, "processes": 1, "seconds": 1}}}))


class OnACpu(unittest.TestCase):
    def test_measures_clips_and_a_folder_and_writes_the_document(self):
        with tempfile.TemporaryDirectory() as folder:
            work = pathlib.Path(folder)
            document = work / "benchmarks.md"
            document.write_text(f"before\n{gpu_report.BEGIN}\nstale\n{gpu_report.END}\nafter\n")
            done = subprocess.run([ROOT / "tools/bench/gpu", "--programs", BUILD, "--device", "cpu", "--models", ROOT / "tests/goldens/pack_a/models", "--size", "128x192", "--parts", "clips", "--modes",
                                   "lcm4", "--folder", "2", "--work", work / "work", "--out", work / "out", "--docs", document], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            clips = json.loads((work / "out/gpu.json").read_text())["clips"]
            self.assertEqual((clips["lcm4"]["videos"], clips["lcm4"]["frames"], clips["lcm4"]["unet_evaluations"]), (1, 71, 4 * 7))
            self.assertEqual((clips["folder"]["videos"], clips["folder"]["workers"]), (2, ["worker-0"]))
            self.assertGreater(clips["folder"]["stages"]["denoise"], clips["lcm4"]["stages"]["denoise"])
            text = document.read_text()
            self.assertTrue(text.startswith("before\n") and text.endswith("after\n"))
            self.assertIn("| no guidance | 2 |", text)
            self.assertNotIn("stale", text)


unittest.main()
