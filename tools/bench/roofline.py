#!/usr/bin/env python3
"""What one call of the UNet or of the VAE's decoder takes on a GPU that reaches given rates in every layer: its roofline. Arithmetic and
bytes are counted from the models' configurations.

  roofline.py [--models DIR] [--size WxH]     prints what it counts

Each layer takes as long as its products at the matrix rate or its tensors at the memory's, whichever is longer, and layers follow each
other. Tensors are fp16; a layer reads its inputs and weights once and writes its output once, and what can be done while a tensor passes
(activations, biases, GEGLU's product, the sum with a residual, concatenation, upsampling) takes no pass of its own. A layer norm reads once
and writes once; a group norm reads twice, as its sums are a whole picture's. A multiplication with its addition counts as two operations.
Layers are counted as the models have them, cross-attention to CLIP's one vector, too, which is the same for every position."""
import argparse
import collections
import dataclasses
import pathlib

import model_configs

HALF_BYTES = 2


@dataclasses.dataclass(frozen=True)
class Rates:
    """Each a second."""
    matrix_flop: float
    attention_flop: float  # the exponentials of 64-channel heads take the matrix units' turns
    memory_bytes: float


# An H200 as it was measured: large products of random numbers, and a copy of what exceeds the cache, read and written.
H200 = Rates(matrix_flop=790e12, attention_flop=500e12, memory_bytes=4.3e12)


@dataclasses.dataclass(frozen=True)
class Layer:
    part: str
    flop: float
    values: float  # read and written, without the weights
    weights: int = 0

    @property
    def bytes(self) -> float:
        return HALF_BYTES * (self.values + self.weights)

    def seconds(self, rates: Rates) -> float:
        return max(self.flop / (rates.attention_flop if self.part == "attention" else rates.matrix_flop), self.bytes / rates.memory_bytes)


def linear(part: str, rows: int, inputs: int, outputs: int, kept: int | None = None, residual: bool = False) -> Layer:
    """`kept`: channels that are written where an activation leaves fewer."""
    return Layer(part, 2 * rows * inputs * outputs, rows * (inputs + (kept or outputs) + residual * outputs), inputs * outputs)


def convolution(part: str, positions: int, inputs: int, outputs: int, taps: int, residual: bool = False, positions_in: int | None = None) -> Layer:
    return Layer(part, 2 * positions * inputs * outputs * taps, (positions_in or positions) * inputs + positions * outputs * (1 + residual), inputs * outputs * taps)


def layer_norm(rows: int, width: int) -> Layer:
    return Layer("norms", 0, 2 * rows * width)


def group_norm(rows: int, width: int) -> Layer:
    return Layer("norms", 0, 3 * rows * width)


def self_attention(rows: int, keys: int, width: int, name: str) -> list[Layer]:
    scores = "attention" if name == "space" else "attention along time"
    return [linear(f"qkv and output, {name}", rows, width, 3 * width), Layer(scores, 4 * rows * keys * width, 4 * rows * width),
            linear(f"qkv and output, {name}", rows, width, width, residual=True)]


def cross_attention(rows: int, contexts: int, width: int, context_width: int) -> list[Layer]:
    """To one key and value in each of `contexts`."""
    part = "cross-attention"
    return [linear(part, rows, width, width), linear(part, contexts, context_width, width), linear(part, contexts, context_width, width),
            Layer(part, 4 * rows * width, 2 * rows * width + 2 * contexts * width), linear(part, rows, width, width, residual=True)]


def feed_forward(rows: int, width: int, name: str) -> list[Layer]:
    part = f"feed-forward, {name}"
    return [linear(part, rows, width, 8 * width, kept=4 * width), linear(part, rows, 4 * width, width, residual=True)]


def transformer(batch: int, frames: int, positions: int, width: int, context_width: int) -> list[Layer]:
    rows = batch * frames * positions
    return [group_norm(rows, width), linear("other", rows, width, width),
            layer_norm(rows, width), *self_attention(rows, positions, width, "space"),
            layer_norm(rows, width), *cross_attention(rows, batch * frames, width, context_width),
            layer_norm(rows, width), *feed_forward(rows, width, "space"),
            linear("other", batch * frames, width, 4 * width), linear("other", batch * frames, 4 * width, width),  # of the frame's number
            layer_norm(rows, width), *feed_forward(rows, width, "time"),
            layer_norm(rows, width), *self_attention(rows, frames, width, "time"),
            layer_norm(rows, width), *cross_attention(rows, batch * positions, width, context_width),
            layer_norm(rows, width), *feed_forward(rows, width, "time"),
            linear("other", rows, width, width, residual=True)]


def residual_block(pictures: int, positions: int, inputs: int, outputs: int, time_width: int = 0) -> list[Layer]:
    """Over space, then over time. `time_width`: of the time's embedding, which each half adds."""
    rows = pictures * positions
    time = [linear("other", pictures, time_width, outputs)] if time_width else []
    shortcut = [linear("other", rows, inputs, outputs)] if inputs != outputs else []
    return [group_norm(rows, inputs), convolution("convolutions, space", rows, inputs, outputs, 9), *time, group_norm(rows, outputs), *shortcut,
            convolution("convolutions, space", rows, outputs, outputs, 9, residual=True),
            group_norm(rows, outputs), convolution("convolutions, time", rows, outputs, outputs, 3), *time, group_norm(rows, outputs),
            convolution("convolutions, time", rows, outputs, outputs, 3, residual=True)]


def down_sampling(pictures: int, positions: int, width: int) -> Layer:
    return convolution("convolutions, size", pictures * positions // 4, width, width, 9, positions_in=pictures * positions)


def up_sampling(pictures: int, positions: int, width: int) -> Layer:
    """Of nearest neighbours, then a convolution of four times the positions."""
    return convolution("convolutions, size", 4 * pictures * positions, width, width, 9, positions_in=pictures * positions)


def unet(config: dict, batch: int, frames: int, positions: int) -> list[Layer]:
    """`positions` of the latents."""
    widths, per_block, context = config["block_out_channels"], config["layers_per_block"], config["cross_attention_dim"]
    time_width = 4 * widths[0]
    pictures = batch * frames

    def block(inputs: int, outputs: int, attends: bool) -> list[Layer]:
        attention = transformer(batch, frames, positions, outputs, context) if attends else []
        return [*residual_block(pictures, positions, inputs, outputs, time_width), *attention]

    layers = [linear("other", batch, widths[0], time_width), linear("other", batch, config["projection_class_embeddings_input_dim"], time_width),
              *[linear("other", batch, time_width, time_width)] * 2, convolution("other", pictures * positions, config["in_channels"], widths[0], 9)]
    width, skips = widths[0], [widths[0]]
    for level, (outputs, kind) in enumerate(zip(widths, config["down_block_types"])):
        for _ in range(per_block):
            layers += block(width, outputs, kind.startswith("CrossAttn"))
            width = outputs
            skips.append(width)
        if level + 1 < len(widths):
            layers.append(down_sampling(pictures, positions, width))
            positions //= 4
            skips.append(width)
    layers += [*block(width, width, True), *residual_block(pictures, positions, width, width, time_width)]
    for level, (outputs, kind) in enumerate(zip(reversed(widths), config["up_block_types"])):
        for _ in range(per_block + 1):
            layers += block(width + skips.pop(), outputs, kind.startswith("CrossAttn"))
            width = outputs
        if level + 1 < len(widths):
            layers.append(up_sampling(pictures, positions, width))
            positions *= 4
    return [*layers, group_norm(pictures * positions, width), convolution("other", pictures * positions, width, config["out_channels"], 9)]


def vae_decoder(config: dict, frames: int, positions: int) -> list[Layer]:
    """`positions` of the latents."""
    widths, per_block = config["block_out_channels"], config["layers_per_block"]
    width = widths[-1]
    layers = [convolution("other", frames * positions, config["latent_channels"], width, 9), *residual_block(frames, positions, width, width)]
    for _ in range(per_block - 1):
        layers += residual_block(frames, positions, width, width)
    layers += [group_norm(frames * positions, width), *self_attention(frames * positions, positions, width, "space")]
    for level, outputs in enumerate(reversed(widths)):
        for _ in range(per_block + 1):
            layers += residual_block(frames, positions, width, outputs)
            width = outputs
        if level + 1 < len(widths):
            layers.append(up_sampling(frames, positions, width))
            positions *= 4
    colours = config["out_channels"]
    return [*layers, group_norm(frames * positions, width), convolution("other", frames * positions, width, colours, 9), convolution("other", frames * positions, colours, colours, 3)]


def total(layers: list[Layer], rates: Rates = H200) -> dict:
    return {"tflop": sum(layer.flop for layer in layers) / 1e12, "gb": sum(layer.bytes for layer in layers) / 1e9, "ms": 1e3 * sum(layer.seconds(rates) for layer in layers)}


def calls(unet_config: dict, vae_config: dict, width: int, height: int, tile: int = 16, chunk: int = 8) -> dict[str, list[Layer]]:
    """By the names of bench/models_bench."""
    positions = width * height // 4 ** (len(vae_config["block_out_channels"]) - 1)
    return {"unet_guided_tile": unet(unet_config, 2, tile, positions), "unet_tile": unet(unet_config, 1, tile, positions),
            "vae_decode_chunk": vae_decoder(vae_config, chunk, positions)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=pathlib.Path, metavar="DIR", help="whose configurations count (default: the real models')")
    parser.add_argument("--size", default="576x1024", metavar="WxH")
    args = parser.parse_args()
    configs = model_configs.read(args.models) if args.models else (model_configs.UNET, model_configs.VAE)
    print(f"{H200.matrix_flop / 1e12:.0f} TFLOP/s, of attention {H200.attention_flop / 1e12:.0f}, {H200.memory_bytes / 1e12:.1f} TB/s")
    for name, layers in calls(*configs, *(int(side) for side in args.size.split("x"))).items():
        parts = collections.defaultdict(list)
        for layer in layers:
            parts[layer.part].append(layer)
        print(f"\n{name:25} {'TFLOP':>8} {'GB':>8} {'ms':>8}")
        for part, its_layers in [*sorted(parts.items(), key=lambda item: -total(item[1])["ms"]), ("all", layers)]:
            print("{:25} {tflop:8.2f} {gb:8.1f} {ms:8.1f}".format(part, **total(its_layers)))


if __name__ == "__main__":
    main()
