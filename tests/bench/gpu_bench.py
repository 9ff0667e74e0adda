"""gpu_bench.py BUILD: tools/bench/gpu on a CPU with the small golden models, and what it makes of a trace and of other parts' figures."""
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
sys.path.insert(0, str(ROOT / "tools/bench"))

import gpu_figures
import gpu_kernels
import gpu_profile
import gpu_programs
import gpu_report
import model_configs
import roofline

MACHINE = {"gpus": ["H100"], "cpu": "Xeon", "cores": 16, "id": "1a2b3c", "revision": "abc", "day": "2026-01-31", "versions": {"torch": "2.11"}, "setting": "576x1024"}
H200 = MACHINE | {"gpus": ["NVIDIA H200, 143771 MiB, 580.1"], "setting": "576x1024, models of full size from a seed"}
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

    def test_says_which_machine_ran_what_and_shows_figures_of_other_gpus_without_bars(self):
        report = gpu_report.markdown(self.results)
        self.assertIn("H100, 16 cores of Xeon, torch 2.11, 576x1024, machine 1a2b3c, revision abc, 2026-01-31:\n\n- modules: one GPU.\n- fleet: 2 GPUs.\n", report)
        self.assertIn("| work | measured | original |", report)
        self.assertIn("| UNet, both passes of a tile of 16 frames, ms | 361.0 | 1000.0 |", report)
        self.assertNotIn("MISSED", report)
        self.assertIn("| with guidance | 2 | 0 | 10.0 | 5.00 | 720 | 0.4% |  |  | 97% | 4.0 (2.4) |", report)
        self.assertIn("| outside the models: also decoding, resizing and drawing | 2.2% |", report)
        self.assertIn("2 GPUs 5.5 s; 1.82 times the throughput.", report)
        self.assertIn("5 videos: each time byte-identical.", report)
        self.assertEqual(gpu_report.failures(self.results), [])

    def test_an_h200s_report_begins_with_bars_aims_and_what_others_take(self):
        versions = {"diffusers": "0.42", "torch": "2.11"}
        eager = {"ms": 416.2, "least": 414, "most": 419, "first_s": 1.0, "versions": versions}
        peers = {"unet_guided_tile": {"eager": eager, "compile": eager | {"ms": 308.6, "first_s": 129, "difference": 2e-3}}, "vae_decode_chunk": {"compile": {"failed": "no compiler", "versions": versions}}}
        results = self.results | {"machines": {part: H200 for part in ("modules", "clips", "original", "peers", "fleet")}, "peers": peers,
                                  "modules": self.results["modules"] | {"unet_tile": {"ms": 98.0, "frames": None}}}
        lines = gpu_report.markdown(results).splitlines()
        self.assertEqual(lines[2], "| work | measured | bar | aim | roofline | original | diffusers, eager | diffusers, torch.compile |")
        self.assertEqual(lines[4], "| UNet, both passes of a tile of 16 frames, ms | 361.0 | ≤ 210, MISSED | ≤ 192 | 161.3 | 1000.0 | 416.2 | 308.6 |")
        self.assertEqual(lines[5], "| UNet, one pass of a tile of 16 frames, ms | 98.0 | ≤ 108 | ≤ 98 | 80.7 |  |  |  |")
        self.assertEqual(lines[6], "| VAE decode, a chunk of 8 frames, ms | not measured | ≤ 122 | ≤ 113 | 93.8 | 111.1 |  | failed |")
        self.assertIn("| a clip, 4 steps LCM with guidance, s | 10.00 | ≤ 8, MISSED | ≤ 7 | 5.36 | 20.00 |  |  |", lines)
        self.assertIn("| times the original's throughput, a folder, guidance on both sides | 4.0 | ≥ 4.8, MISSED |  |  |  |  |  |", lines)
        self.assertIn("| … without the time in which the original loads its models | 2.4 | ≥ 2.9, MISSED |  |  |  |  |  |", lines)
        self.assertIn("414.0 to 419.0 ms, 129 s for the first call, 2e-03 from eager; VAE decode, a chunk of 8 frames, compile: no compiler.", "\n".join(lines))
        self.assertEqual(gpu_report.failures(results), [], "a missed bar is none")

    def test_of_the_last_clip_the_seconds_outside_its_models_count(self):
        results = {"machines": {"clips": H200}, "modules": self.results["modules"], "clips": {"lcm4": RUN}}
        self.assertIn("| of the last, outside the models, s | 0.22 | ≤ 0.4 | ≤ 0.25 |  |", gpu_report.markdown(results))

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


class Merging(unittest.TestCase):
    def test_another_runs_parts_replace_their_like_and_its_modes_join_the_others(self):
        elsewhere = H200 | {"id": "999999"}
        peers = {"unet_tile": {"eager": {"ms": 2}}}
        one = {"modules": {"a": 1}, "clips": {"lcm4": RUN}, "peers": peers, "tests_failed": "no", "machines": dict.fromkeys(("modules", "clips", "peers", "tests_failed"), H200)}
        other = {"modules": {"b": 2}, "clips": {"euler25": RUN}, "peers": {"unet_tile": {"compile": {"ms": 1}}}, "tests": {}, "machines": dict.fromkeys(("modules", "clips", "peers", "tests"), elsewhere)}
        both = gpu_figures.merged(one, other)
        self.assertEqual(both["modules"], {"b": 2})
        self.assertEqual(set(both["clips"]), {"lcm4", "euler25"})
        self.assertEqual(both["peers"], {"unet_tile": {"eager": {"ms": 2}, "compile": {"ms": 1}}})
        self.assertNotIn("tests_failed", both)
        self.assertEqual({part: machine["id"] for part, machine in both["machines"].items()},
                         {"modules": "999999", "clips": H200["id"], "clips (euler25)": "999999", "peers": H200["id"], "peers (unet_tile)": "999999", "tests": "999999"})
        again = gpu_figures.merged(both, {"clips": {"lcm4": RUN, "euler25": RUN}, "machines": {"clips": elsewhere}})
        self.assertEqual(again["machines"]["clips"], elsewhere, "all of its figures are that machine's")
        self.assertNotIn("clips (euler25)", again["machines"])


class Roofline(unittest.TestCase):
    def test_its_layers_have_the_real_models_weights(self):
        real = json.loads((ROOT / "tests/goldens/full_size_parameters.json").read_text())
        layers = roofline.calls(model_configs.UNET, model_configs.VAE, 576, 1024)
        for model, call, prefix in (("unet", "unet_tile", ""), ("vae", "vae_decode_chunk", "decoder.")):
            weights = sum(math.prod(shape) for name, shape in real[model].items() if len(shape) > 1 and name.startswith(prefix))
            self.assertEqual(sum(layer.weights for layer in layers[call]), weights)

    def test_a_layer_takes_its_products_or_its_bytes_whichever_is_longer(self):
        rates = roofline.Rates(matrix_flop=1000, attention_flop=100, memory_bytes=10)
        layer = roofline.linear("other", rows=10, inputs=2, outputs=3)
        self.assertEqual((layer.flop, layer.bytes), (2 * 10 * 2 * 3, 2 * (10 * (2 + 3) + 2 * 3)))
        self.assertEqual(layer.seconds(rates), layer.bytes / 10)
        self.assertEqual(roofline.Layer("attention", 4000, 1).seconds(rates), 40)
        self.assertEqual(roofline.Layer("other", 4000, 1).seconds(rates), 4)

    def test_two_passes_are_twice_one(self):
        calls = roofline.calls(model_configs.UNET, model_configs.VAE, 576, 1024)
        one, two = (roofline.total(calls[name]) for name in ("unet_tile", "unet_guided_tile"))
        self.assertAlmostEqual(two["tflop"], 2 * one["tflop"])
        self.assertAlmostEqual(two["tflop"], 102.4, delta=0.1)


class Kernels(unittest.TestCase):
    def test_reads_each_kernel_beside_libtorchs_way(self):
        def one(name: str, time: float, **more) -> dict:
            return {"name": name, "run_type": "iteration", "real_time": time, "time_unit": "us", **more}

        kernels = gpu_kernels.read([one("add/16x72x128x320/ours/real_time", 900, bytes=3.87e9), one("add/16x72x128x320/ours/real_time", 1100, bytes=3.87e9), one("add/16x72x128x320/ours/real_time", 1000, bytes=3.87e9),
                                    one("add/16x72x128x320/libtorch/real_time", 2500), one("geglu_linear/a/ours/real_time", 1000, ms=0.1, flop=79e9, bytes=1e6), one("geglu_linear/a/libtorch", 1, error_occurred=True),
                                    one("add/16x72x128x320/ours/real_time_mean", 1, run_type="aggregate"), one("something else", 1)])
        self.assertEqual(kernels, {"add": {"16x72x128x320": {"ours": 1.0, "bytes": 3.87e9, "libtorch": 2.5}}, "geglu_linear": {"a": {"ours": 0.1, "flop": 79e9, "bytes": 1e6}}})
        table = gpu_kernels.kernels_table(kernels, on_an_h200=True)
        self.assertEqual(table[2:], ["| `add` | 16x72x128x320 | 1.000 | 2.500 | 2.5 | 3.87 TB/s (90%) |", "| `geglu_linear` | a | 0.100 |  |  | 790 TFLOP/s (100%) |"])
        kernels["geglu_linear"]["a"] |= gpu_kernels.read([one("geglu_linear/a/portable", 200)])["geglu_linear"]["a"]
        self.assertEqual(gpu_kernels.kernels_table(kernels, on_an_h200=True)[3], "| `geglu_linear` | a | 0.100 | 0.200 |  |  | 790 TFLOP/s (100%) |")
        self.assertIn("| 3.87 TB/s |", gpu_kernels.kernels_table(kernels, on_an_h200=False)[2])


class Scripts(unittest.TestCase):
    def take(self, code: str, seconds: float) -> tuple:
        taken: list = []
        with tempfile.TemporaryDirectory() as folder:
            return gpu_programs.take_lines([sys.executable, "-uc", code], {}, pathlib.Path(folder) / "log", seconds, taken.append), taken

    def test_what_a_script_said_is_kept_when_its_time_is_over(self):
        begin = time.monotonic()
        self.assertEqual(self.take("import time; print('{\"a\": 1}\\nwords\\n{\"b\": 2}'); time.sleep(60)", 2), (False, [{"a": 1}, {"b": 2}]))
        self.assertLess(time.monotonic() - begin, 30)
        self.assertEqual(self.take("print('{\"a\": 1}')", 30), (True, [{"a": 1}]))

    def test_one_that_fails_says_why(self):
        with self.assertRaisesRegex(gpu_programs.Failed, "no such thing"):
            self.take("raise SystemExit('no such thing')", 30)


class OnACpu(unittest.TestCase):
    def test_a_part_that_fails_leaves_the_others(self):
        with tempfile.TemporaryDirectory() as folder:
            work = pathlib.Path(folder)
            (work / "bench").mkdir()
            for name, said in (("models_bench", "nothing of use"), ("kernels_bench", json.dumps({"benchmarks": [{"name": "add/a/ours", "real_time": 1.0, "time_unit": "ms", "bytes": 1e9}]}))):
                (work / "bench" / name).write_text(f"#!/bin/sh\necho '{said}'\n")
                (work / "bench" / name).chmod(0o755)
            (work / "diffusers.py").write_text("raise ImportError('a package is missing')\n")
            done = subprocess.run([ROOT / "tools/bench/gpu", "--programs", work, "--device", "cpu", "--parts", "modules,kernels,peers", "--peer-packages", work, "--work", work / "work", "--out", work / "out"],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            results = json.loads((work / "out/gpu.json").read_text())
            self.assertEqual(results["kernels"], {"add": {"a": {"ours": 1.0, "bytes": 1e9}}})
            self.assertIn("a package is missing", results["peers_failed"])
            report = (work / "out/gpu.md").read_text()
            self.assertIn("| `add` | a | 1.000 |", report)
            self.assertIn("**FAILED: modules, peers.**", report)

    def test_measures_clips_and_a_folder_and_writes_the_document(self):
        with tempfile.TemporaryDirectory() as folder:
            work = pathlib.Path(folder)
            document = work / "benchmarks.md"
            document.write_text(f"before\n{gpu_report.BEGIN}\nstale\n{gpu_report.END}\nafter\n")
            done = subprocess.run([ROOT / "tools/bench/gpu", "--programs", BUILD, "--device", "cpu", "--models", ROOT / "tests/goldens/pack_a/models", "--reference", ROOT / "tests/goldens/pack_a/ref.png", "--clip", ROOT / "tests/goldens/pack_a/videos/a.mp4",
                                   "--size", "128x192", "--parts", "clips", "--modes",
                                   "lcm4", "--folder", "2", "--work", work / "work", "--out", work / "out", "--results", work / "kept.json", "--docs", document], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            kept = (work / "kept.json").read_text()
            self.assertNotIn(str(work), kept)
            clips = json.loads(kept)["clips"]
            self.assertEqual((clips["lcm4"]["videos"], clips["lcm4"]["frames"], clips["lcm4"]["unet_evaluations"]), (1, 26, 4 * 3))
            self.assertEqual((clips["folder"]["videos"], clips["folder"]["workers"]), (2, ["worker-0"]))
            self.assertEqual(clips["folder"]["digests"], clips["lcm4"]["digests"], "the same video of the same frames")
            self.assertEqual((clips["folder"]["frames"], clips["folder"]["unet_evaluations"]), (2 * 26, 2 * 4 * 3), "sums over its videos")
            text = document.read_text()
            self.assertTrue(text.startswith("before\n") and text.endswith("after\n"))
            self.assertIn("| without | 2 |", text)
            self.assertIn("128x192, models", text)
            self.assertNotIn("stale", text)


unittest.main()
