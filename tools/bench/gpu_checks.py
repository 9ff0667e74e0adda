"""The parts of the GPU benchmark that ask whether results are right."""
import json
import os
import pathlib
import shutil

import gpu_report
from gpu_programs import Failed, read_png

ROOT = pathlib.Path(__file__).resolve().parents[2]


def relative_difference(a, b) -> dict:
    """Of two arrays: root mean square and largest of the difference, each of that of `b`."""
    import numpy

    return {"rms": float(((a - b) ** 2).mean() ** 0.5 / (b**2).mean() ** 0.5), "largest": float(numpy.abs(a - b).max() / numpy.abs(b).max())}


class Checks:
    """Of the benchmark, which has the arguments, the programs and the clock."""

    def tests(self) -> None:
        figures = {}
        env = {"MIMICFLEET_TEST_DEVICE": "cuda:0", "MIMICFLEET_SOURCE_DIR": str(self.args.source)}
        for name, selection in (("nn_test", "*NeedsAGpu*"), ("onnx_test", "*NeedsAGpu*"), ("stages_test", "*NeedsAGpu*"), ("svd_parity_test", "*"), ("pose_test", "Estimator.FindsTheOriginalsKeypoints*")):
            _, done = self.programs.run(f"tests/{name}", f"--gtest_filter={selection}", env=env, seconds=self.left(), check=False)
            failed = [line for line in done.stdout.splitlines() if line.startswith("[  FAILED  ]") and line.endswith(" ms)")]
            passed = sum(line.startswith("[       OK ]") for line in done.stdout.splitlines())
            figures[name] = {"passed": passed, "failed": failed, "code": done.returncode} | ({"output": done.stdout[-4000:]} if done.returncode else {})
            self.say(f"{name}: {passed} passed, code {done.returncode} {failed}")
            if done.returncode != 0:
                reasons = [line for line in done.stdout.splitlines() if "beyond" in line or "bound" in line or "Failure" in line]
                print("\n".join(reasons[:30]) or done.stdout[-2000:] + done.stderr[-1000:], flush=True)
                if name == "nn_test":  # what follows is measured without them
                    os.environ["MIMICFLEET_GPU_KERNELS"] = "off"
        self.keep("tests", figures)

    def whole_command(self, name: str, clip: pathlib.Path, reference: pathlib.Path, *flags) -> dict:
        import numpy
        import safetensors.numpy

        output = self.args.work / "parity" / name
        shutil.rmtree(output, ignore_errors=True)
        wall, _ = self.programs.run("bin/coordinator", "submit", clip, "--ref-image", reference, "--server", "embedded", "--output-dir", output, "--feature-cache-dir", "",
                                    "--save-latents", "--save-frames", *flags, seconds=self.left())
        latents = safetensors.numpy.load_file(output / f"_latents/{clip.stem}.safetensors")["latents"].astype(numpy.float32)
        return {"whole": wall, "latents": latents, "frames": numpy.stack([read_png(path) for path in sorted((output / f"_frames/{clip.stem}").glob("*.png"))])}

    def parity(self) -> None:
        """Whole commands: the GPU against the CPU, and fp16 against fp32."""
        golden = self.args.source / "tests/goldens/pack_a"
        packs = {"golden pack": [golden / "videos/a.mp4", golden / "ref.png", "--config", golden / "config.yaml", "--steps", "4"],
                 "shipped pack": [ROOT / "examples/words/hello.mp4", ROOT / "examples/references/amber.png", "--models", self.args.source / "models/puppet"]}
        figures = {}
        for pack, flags in packs.items():
            if not flags[0].exists() or not pathlib.Path(flags[3]).exists():
                continue
            runs = {name: self.whole_command(f"{pack}-{name}".replace(" ", "_"), *flags, "--device", device, "--precision", name.split()[1])
                    for name, device in (("cpu fp32", "cpu"), ("gpu fp32", self.args.device), ("gpu fp16", self.args.device))}
            for one, other in (("gpu fp32", "cpu fp32"), ("gpu fp16", "gpu fp32")):
                figures[f"{pack}: {one} against {other}"] = self.compare(f"{pack}: {one} against {other}", runs[one], runs[other])
            self.keep("parity", figures)

    def compare(self, what: str, a: dict, b: dict) -> dict:
        import numpy

        difference = a["frames"].astype(float) - b["frames"]
        latents = relative_difference(a["latents"], b["latents"])
        figures = {"latents": latents["largest"], "latents_rms": latents["rms"],
                   "psnr_db": float(10 * numpy.log10(255**2 / max((difference**2).mean(), 1e-12))), "equal": float((difference == 0).mean()),
                   "largest": float(numpy.abs(difference).max()), "seconds": [a["whole"], b["whole"]]}
        self.say(f"{what}: {figures}")
        return figures

    def full(self) -> None:
        """At full size: our fp16 against our fp32, with our kernels and without, both against the original's modules, and a whole command."""
        import numpy
        import safetensors.numpy

        outputs = self.args.work / "outputs"
        shutil.rmtree(outputs, ignore_errors=True)
        runs = {"fp32": {"MIMICFLEET_BENCH_PRECISION": "fp32"}, "fp16": {"MIMICFLEET_BENCH_PRECISION": "fp16"},
                "fp16 alone": {"MIMICFLEET_BENCH_PRECISION": "fp16", "MIMICFLEET_GPU_KERNELS": "off"}}
        if self.args.device == "cpu":
            runs = {"fp32": runs["fp32"]}
        for name, env in runs.items():
            (outputs / name).mkdir(parents=True)
            self.bench_models(env | {"MIMICFLEET_BENCH_OUTPUTS": str(outputs / name)}, "--benchmark_min_time=0.001", "--benchmark_filter=unet_tile|vae_decode_chunk")

        def output(run: str, model: str):
            return safetensors.numpy.load_file(outputs / run / f"{model}.safetensors")["output"].astype(numpy.float64)

        figures = {}
        for model in ("unet_tile", "vae_decode_chunk"):
            for one, other in (("fp16", "fp32"), ("fp16 alone", "fp32")):
                if one in runs:
                    figures[f"{model}: {one} against {other}"] = relative_difference(output(one, model), output(other, model))
        if self.args.original:
            done = self.python("check_original_gpu.py", "--original", self.args.original, "--models", self.model_folder, "--outputs", outputs, "--device", self.args.device.split(":")[0],
                               seconds=self.left(), env={"PYTHONPATH": str(self.args.packages)} if self.args.packages else {})
            if done.returncode != 0:
                raise Failed(done.stderr[-1500:])
            figures |= {f"{name} against the original": value for name, value in json.loads(done.stdout).items()}
        for what, value in figures.items():
            self.say(f"full size: {what}: rms {value['rms']:.1e}, largest {value['largest']:.1e}")
        self.keep("full", figures)
        if self.args.device != "cpu":
            flags = [self.clip, self.reference, "--models", self.model_folder, *self.sampling, "--scheduler", "lcm", "--steps", "2", "--guidance-scale", "2", "--max-pose-frames", "16", "--device", self.args.device]
            a, b = (self.whole_command(f"full-{precision}", *flags, "--precision", precision) for precision in ("fp16", "fp32"))
            self.keep("full", figures | {"whole": self.compare("full size: whole command, fp16 against fp32", a, b)})

    def faults(self) -> None:
        """With the small golden models: a limit of memory that decoding large frames does not fit into, and an assertion that fails in a kernel."""
        golden = self.args.source / "tests/goldens/pack_a"
        flags = [golden / "videos/a.mp4", "--config", golden / "config.yaml", "--ref-image", golden / "ref.png", "--steps", "2", "--server", "embedded", "--device", self.args.device,
                 "--feature-cache-dir", ""]
        plant = self.args.work / "plant"
        plant.touch()
        planted = {"MIMICFLEET_PLANT_GPU_FAULT": str(plant), "MIMICFLEET_WORKER": str(self.programs.root / "tests/planted_worker"), "MIMICFLEET_MEDIA": str(self.programs.root / "bin/media")}
        figures = {}
        for what, extra, env in (("out of memory", ["--resolution", "576x1024"], {"MIMICFLEET_GPU_MEMORY_LIMIT": "1G"}),
                                 ("a kernel's assertion", [], planted)):
            output = self.args.work / what.replace(" ", "-")
            shutil.rmtree(output, ignore_errors=True)
            wall, done = self.programs.run("bin/coordinator", "submit", *flags, *extra, "--output-dir", output, env=env, seconds=self.left(), check=False)
            log = (output / "_run/logs/worker-0.log").read_text()
            record = next(iter(output.glob("*.json")), None)
            said = [line.split("] ", 1)[-1][:300] for line in (done.stdout + done.stderr).splitlines() + log.splitlines() if "failed a" in line or "does nothing any more" in line]
            figures[what] = {"code": done.returncode, "seconds": wall, "processes": log.count("working for"), "loads": log.count("models models loaded"),
                             "attempt": json.loads(record.read_text())["encode_attempt"] if record else None, "message": said[:1]}
            self.say(f"{what}: {figures[what]}")
            if not gpu_report.as_expected(what, figures[what]):
                self.say((done.stdout + done.stderr)[-1500:] + log[-2500:])
        self.keep("faults", figures)
