"""The network of bench/training.ts in PyTorch: reads the dumped layers, answers each line, a patch edge, with a training step."""
import json
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

folder, threads = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(threads)
task = json.load(open(f"{folder}/model.json"))
layers = task["layers"]
decayed, plain = [], []
for layer in layers:
    tensors = [torch.tensor(np.fromfile(w["file"], np.float32).reshape(w["shape"])) for w in layer["weights"]]
    if layer["kind"] in ("Conv2D", "Conv2DTranspose"):
        # HWIO -> OIHW, and HWOI -> IOHW: the same permutation.
        tensors[0] = tensors[0].permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
    statistics = 2 if layer["kind"] == "BatchNormalization" else len(tensors)
    for tensor in tensors[:statistics]:
        tensor.requires_grad_(True)
        (decayed if tensor.ndim > 1 else plain).append(tensor)
    layer["tensors"] = tensors
optimiser = torch.optim.AdamW(
    [{"params": decayed, "weight_decay": task["weightDecay"]}, {"params": plain, "weight_decay": 0}],
    lr=task["learningRate"],
)

ACTIVATION = {"elu": F.elu, "relu": F.relu, "sigmoid": torch.sigmoid, "linear": lambda x: x}


def forward(x):
    values = {}
    for layer in layers:
        kind, weights = layer["kind"], layer["tensors"]
        inputs = [values[name] for name in layer["inputs"]]
        if kind == "InputLayer":
            y = x
        elif kind == "Conv2D":
            bias = weights[1] if len(weights) > 1 else None
            y = F.conv2d(inputs[0], weights[0], bias, padding=weights[0].shape[2] // 2)
            y = ACTIVATION[layer["activation"]](y)
        elif kind == "Conv2DTranspose":
            y = F.conv_transpose2d(inputs[0], weights[0], weights[1], stride=2)
        elif kind == "BatchNormalization":
            gamma, beta, mean, variance = weights
            y = F.batch_norm(inputs[0], mean, variance, gamma, beta, training=True, momentum=0.1, eps=1e-5)
        elif kind == "Activation":
            y = ACTIVATION[layer["activation"]](inputs[0])
        elif kind == "MaxPooling2D":
            y = F.max_pool2d(inputs[0], 2)
        elif kind == "Concatenate":
            y = torch.cat(inputs, 1)
        elif kind == "Add":
            y = inputs[0] + inputs[1]
        elif kind == "Multiply":
            y = inputs[0] * inputs[1]
        else:
            raise ValueError(kind)
        values[layer["name"]] = y
    return y


def step(size):
    shape = (task["batch"], 1, size, size)
    x, labels = (torch.tensor(np.fromfile(f"{folder}/{k}{size}.bin", np.float32).reshape(shape)) for k in "xy")
    x = x.contiguous(memory_format=torch.channels_last)
    start, cpu = time.perf_counter(), time.process_time()
    logits = forward(x)
    p = torch.sigmoid(logits)
    dice = 1 - (2 * (p * labels).sum() + 1) / (p.sum() + labels.sum() + 1)
    loss = F.binary_cross_entropy_with_logits(logits, labels) + dice
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return {
        "milliseconds": 1000 * (time.perf_counter() - start),
        "cpuMilliseconds": 1000 * (time.process_time() - cpu),
        "loss": loss.item(),
    }


print(json.dumps({"ready": torch.__version__}), flush=True)
for line in sys.stdin:
    print(json.dumps(step(int(line))), flush=True)
