"""The original's pipeline on a GPU, for the scripts that run it: no OpenCV, no video reader, no GPU build of onnxruntime is needed."""
import contextlib
import os
import pathlib
import sys
import types


def set_up(original: pathlib.Path, device: str, half: bool) -> None:
    """Before anything of the original is imported. `half`: as its script does by default."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    sys.path.insert(0, str(original))
    # The models need none of the packages whose versions transformers checks when it is imported, such as tokenizers.
    no_checks = types.ModuleType("transformers.dependency_versions_check")
    no_checks.dep_version_check = lambda *_: None
    sys.modules["transformers.dependency_versions_check"] = no_checks
    import torch

    if device == "cpu":
        torch.cuda.device = lambda _: contextlib.nullcontext()
    torch.set_default_dtype(torch.float16 if half else torch.float32)
    import diffusers.utils.import_utils

    diffusers.utils.import_utils._peft_available = False  # the pipeline uses no adapters, and a newer peft does not fit these versions
    from mimicmotion.utils.geglu_patch import patch_geglu_inplace

    patch_geglu_inplace()


def create(models: pathlib.Path, device: str):
    """As the original creates it."""
    from mimicmotion.utils.loader import create_pipeline

    return create_pipeline(types.SimpleNamespace(base_model_path=str(models / "svd"), ckpt_path=str(models / "MimicMotion_1-1.pth")), device)
