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

MACHINE = {"gpus": ["H100"], "cpu": "Xeon", "cores": 16, "id": "1a2b3c", "revision": "abc", "day": "2026-01-31", "versions": {"torch": "2.11"}, "setting": "576x1024"}
RUN = {"whole": 10.0, "videos": 1, "frames": 71, "stages": {"denoise": 6.7, "vae_decode": 2.9, "mux": 0.5}, "memory": [], "digests": ["d1"]}
MEMORY_FAULT = {"code": 1, "processes": 2, "loads": 3, "seconds": 7, "attempt": None}


def event(name: str, begin_us: float, duration_us: float, category: str = "kernel") -> dict:
    return {"cat": category, "name": name, "ts": begin_us, "dur": duration_us}


class Profile(unittest.TestCase):
    def test_sums_kernels_by_kind_and_finds_the_gaps(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "unet.json"
            path.write_text(json.dumps({"traceEvents": [event("aten::conv2d", 900, 5000, "cpu_op"), event("Memcpy DtoH (Device -> Pageable)", 900, 100, "gpu_memcpy"), event("cutlass_gemm_f16", 1000, 2000), event("sm90_xmma_fprop_implicit_gemm", 2500, 1500),
                                                        event("geglu", 5000, 500), event("cudnn_generated_fort_native_sdpa_fprop", 5500, 500)]}))
            profile = gpu_profile.read_traces(pathlib.Path(folder))["unet"]
        self.assertAlmostEqual(profile["ms"], 5.1)
        self.assertAlmostEqual(profile["idle_ms"], 1.0)
        self.assertEqual(profile["copies_to_host"], 1)
        self.assertEqual({kind: value["ms"] for kind, value in profile["kinds"].items()}, {"linear": 2.0, "convolution": 1.5, "GEGLU (ours)": 0.5, "attention": 0.5, "copies and layouts": 0.1})


class Report(unittest.TestCase):
    results = {"machines": {"modules": MACHINE, "fleet": MACHINE | {"gpus": ["H100", "H100"]}}, "modules": {"unet_guided_tile": {"ms": 361, "frames": None}, "dwpose_batch": {"ms": 40, "frames": 16}},
               "clips": {"lcm4_guided": RUN, "folder_guided": RUN | {"videos": 2, "frames": 142, "busy": 0.97}}, "fleet": {"1": RUN, "2": RUN | {"whole": 5.5}},
               "original": [{"mode": "lcm4", "whole": whole, "finite": True, "stages": {"load": 8, "clip": 1, "vae_encode": 1, "denoise": 28, "vae_decode": 1}} for whole in (99.0, 20.0)]}

    def test_says_which_machine_ran_what_and_which_targets_are_missed(self):
        report = gpu_report.markdown(self.results)
        self.assertIn("- modules: H100; Xeon, 16 cores (machine 1a2b3c), torch 2.11; revision abc, 2026-01-31; 576x1024.", report)
        self.assertIn("- fleet: 2 × H100;", report)
        self.assertIn("| 361.0 |  | 1000 | 360, MISSED |", report)
        self.assertIn("| with guidance | 2 | 0 | 10.0 | 5.00 | 720 | 0.4% |  |  | 97% | 20.0 (12.0) | 4.0 | 2.4 |", report)
        self.assertIn("| outside the models: also decoding, resizing and drawing (target 2 %) | 2.2%, MISSED |", report)
        self.assertIn("2 GPUs 5.5 s; 1.82 times the throughput.", report)
        self.assertIn("5 videos: each time equal to the byte.", report)
        self.assertEqual(gpu_report.failures(self.results), [])

    def test_models_that_ran_beside_others_take_no_time_of_their_own(self):
        run = RUN | {"videos": 2, "frames": 142, "stages": RUN["stages"] | {"clip": 0.1, "vae_encode": 0.1}}
        in_turn, before = 6.7 + 2.9, 0.2 + 144 * 0.0025
        for beside, models in ((0, in_turn + before), (1, in_turn + before / 2), (2, in_turn)):
            self.assertAlmostEqual(gpu_report.outside_all(run | {"beside": beside}, self.results["modules"]), 1 - models / 10)

    def test_figures_of_another_machine_follow_in_a_section_of_their_own(self):
        other = {"machines": {"modules": MACHINE | {"gpus": ["H200"]}}, "modules": {"unet_guided_tile": {"ms": 250, "frames": None}}}
        report = gpu_report.markdown(self.results, [other])
        self.assertLess(report.index("| 361.0 |"), report.index("### On H200"))
        self.assertLess(report.index("### On H200"), report.index("| 250.0 |"))

    def test_a_further_clip_is_what_a_folder_takes_beyond_a_single_one(self):
        folder = {"whole": 29.6, "videos": 3, "stages": {"pose_net": 0.3, "denoise": 20.0, "vae_decode": 8.5}}
        seconds, outside = gpu_report.further_clip(folder, RUN)
        self.assertAlmostEqual(seconds, 9.8)
        self.assertAlmostEqual(outside, 1 - 9.6 / 9.8)

    def test_a_wrong_result_is_a_failure(self):
        wrong = {"other bytes": {"fleet": {"1": RUN, "2": RUN | {"digests": ["d1", "d2"]}}}, "memory": {"faults": {"out of memory": MEMORY_FAULT | {"processes": 1}}},
                 "an assertion": {"faults": {"a kernel's assertion": {"code": 0, "processes": 2, "loads": 2, "seconds": 4, "attempt": 1}}},
                 "pictures": {"parity": {"shipped pack: gpu fp16 against gpu fp32": {"psnr_db": 39.0, "latents": 1, "largest": 9, "equal": 0.5}}},
                 "a module": {"full": {"unet_tile fp32 against the original": {"rms": 1e-3, "largest": 1e-2}}}, "a copy": {"profile": {"sampling": {"copies_to_host": 2, "kinds": {}}}},
                 "a part": {"modules_failed": "no"}}
        for what, part in wrong.items():
            self.assertEqual(len(gpu_report.failures(self.results | part)), 1, what)
            self.assertIn("FAILED", gpu_report.markdown(self.results | part), what)
        right = {"faults": {"out of memory": MEMORY_FAULT}, "full": {"unet_tile: fp16 against fp32": {"rms": 1e-3, "largest": 1e-2}}}
        self.assertEqual(gpu_report.failures(self.results | right), [])


class OnACpu(unittest.TestCase):
    def test_measures_clips_and_a_folder_and_writes_the_document(self):
        with tempfile.TemporaryDirectory() as folder:
            work = pathlib.Path(folder)
            document = work / "benchmarks.md"
            document.write_text(f"before\n{gpu_report.BEGIN}\nstale\n{gpu_report.END}\nafter\n")
            done = subprocess.run([ROOT / "tools/bench/gpu", "--programs", BUILD, "--device", "cpu", "--models", ROOT / "tests/goldens/pack_a/models", "--size", "128x192", "--parts", "clips", "--modes",
                                   "lcm4", "--folder", "2", "--work", work / "work", "--out", work / "out", "--results", work / "kept.json", "--docs", document], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            kept = (work / "kept.json").read_text()
            self.assertNotIn(str(work), kept)
            clips = json.loads(kept)["clips"]
            self.assertEqual((clips["lcm4"]["videos"], clips["lcm4"]["frames"], clips["lcm4"]["unet_evaluations"]), (1, 71, 4 * 7))
            self.assertEqual((clips["folder"]["videos"], clips["folder"]["workers"]), (2, ["worker-0"]))
            self.assertEqual(clips["folder"]["digests"], clips["lcm4"]["digests"], "the same video of the same frames")
            self.assertEqual((clips["folder"]["frames"], clips["folder"]["unet_evaluations"]), (2 * 71, 2 * 4 * 7), "sums over its videos")
            text = document.read_text()
            self.assertTrue(text.startswith("before\n") and text.endswith("after\n"))
            self.assertIn("| without | 2 |", text)
            self.assertIn("128x192, models", text)
            self.assertNotIn("stale", text)


unittest.main()
